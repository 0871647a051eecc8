"""The training loop."""

import contextlib
import itertools
import math
import time

import keras
import tensorflow as tf

from dtp_tf.console.console import Display
from dtp_tf.data.batches import TrainingBatches
from dtp_tf.errors import DivergedError
from dtp_tf.evaluating.diagnostics import Diagnostics, rounding_warning
from dtp_tf.files import write_json
from dtp_tf.machines.distribution import Workers
from dtp_tf.machines.machine import Machine
from dtp_tf.machines.versions import versions
from dtp_tf.network.callbacks import accompanied
from dtp_tf.network.objectives import labelled, recipe_loss
from dtp_tf.processes.stopping import stoppable
from dtp_tf.rules.base import FORWARD, INVERSE
from dtp_tf.rules.own import rule_facts
from dtp_tf.runs.folder import best_epoch
from dtp_tf.runs.provenance import fingerprint
from dtp_tf.training.callbacks import reads_training_batches, reads_validation_batches
from dtp_tf.training.own_model import model_facts
from dtp_tf.training.scalars import tensorboard


class Loop:
    """The training loop: one traced function per batch, Keras's callbacks, a checkpoint an epoch.

    Args:
        recipe, data, network, run: what to train, on what, and where to leave it; None as the run
            leaves nothing.
        history: the logs of the epochs so far; the loop adds to it.
        callbacks: a list of Keras callbacks, as of `find_callbacks`.
        console: where a person reads.
        machine: the `Machine` to train on; `Machine()` by default.
        workers: the `Workers`; this process alone by default.
    """

    def __init__(
        self,
        recipe,
        data,
        network,
        run,
        history,
        callbacks,
        console,
        machine=None,
        workers=None,
    ):
        self.recipe, self.data, self.network, self.run = recipe, data, network, run
        self.history = history
        self.interrupted = False
        machine = machine or Machine()
        self._jit = machine.compiles_step(recipe)
        network.jit_updates = machine.compiles_updates
        self._workers = workers = workers or Workers(tf.distribute.get_strategy())
        self._strategy = workers.strategy
        self._batches = TrainingBatches(
            data.train,
            recipe.batch_size,
            recipe.seed,
            recipe.flip,
            recipe.crop,
            recipe.pixel_noise,
            recipe.class_weights,
            part=(workers.index, workers.count),
        )
        workers.check_batch_size(self._batches.size)
        self._training = workers.training(self._batches)
        phases = dict.fromkeys(phase for epoch in (0, 1) for phase, _ in self._passes(epoch))
        self._loss = recipe_loss(recipe)
        self._functions = {phase: self._traced(phase) for phase in phases}
        self._test = self._compiled(lambda data: network.test_step(self._labelled(data)))
        self._validation = workers.validation(data.validation)
        self._about = {
            "recipe": recipe.to_dict(),
            "class_names": list(data.class_names),
            "data": fingerprint(data),
            "versions": {
                **versions(), **machine.facts(), **workers.facts(),
                **rule_facts(recipe.rule), **model_facts(recipe.model),
            },
        }
        probe = data.train.take(slice(recipe.diagnostics_images))
        self._diagnostics = Diagnostics(network, *self._labelled((probe.images, probe.labels)))
        self._warned = False
        self._display = Display(console)
        self._tells_training = reads_training_batches(callbacks)
        self._tells_validation = reads_validation_batches(callbacks)
        names = {name for logs in history for name in logs}
        self._callbacks = keras.callbacks.CallbackList(
            [self._display, *accompanied(network, callbacks, names)],
            model=network,
            epochs=recipe.epochs,
            steps=self._batches.steps * len(self._passes(1)),
            verbose=0,
        )

    def run_epochs(self):
        """Train until the last epoch, early stopping, a callback's stop, or Ctrl-C."""
        self.network.stop_training, logs = False, {}
        with stoppable() as stop, self._records() as record:
            stopped = self._workers.agreement(stop)
            try:
                self._callbacks.on_train_begin()
                while len(self.history) < self.recipe.epochs and not self._stop_early():
                    logs = self._epoch(len(self.history), stopped)
                    if stopped(now=True):
                        self.interrupted = True
                        break
                    self._refuse_divergence(logs)
                    self.history.append(logs)
                    record(logs)
                    self._callbacks.on_epoch_end(len(self.history) - 1, dict(logs))
                    if self.network.stop_training:
                        break
                self._callbacks.on_train_end(logs)
                self.network.become_averages()  # the checkpoints have the weights themselves
            finally:
                self._display.close()

    @contextlib.contextmanager
    def _records(self):
        """Yield a function that leaves the state and the logs after an epoch in the run's folder;
        nothing, where there is none."""
        if self.run is None:
            yield lambda logs: None
            return
        write_json(self.run.versions, self._about["versions"])
        with tensorboard(self.run, self.history) as write_scalars:

            def record(logs):
                # The checkpoint is what counts; all else can be written again from it.
                is_best = best_epoch(self.history) == len(self.history)
                about = {**self._about, "history": self.history}
                self.run.save_checkpoint(self.network, about, is_best)
                self.run.write_log(self.history)
                write_scalars(len(self.history), logs)

            yield record

    def _epoch(self, epoch, stopped):
        """Train one epoch and return its logs; incomplete when it was `stopped()`."""
        self._callbacks.on_epoch_begin(epoch)
        start, batches_done = time.perf_counter(), 0
        logs, of_forward, passes = {}, {}, self._passes(epoch)
        for phase, order in passes:
            self.network.reset_metrics()
            self._batches.select(epoch, order)
            function = self._functions[phase]
            for batch in self._training:
                self._callbacks.on_train_batch_begin(batches_done)
                names = function(batch)
                told = self._results(names) if self._tells_training else None
                self._callbacks.on_train_batch_end(batches_done, told)
                batches_done += 1
                if stopped():
                    return logs
                if self.network.stop_training:
                    break
            results = self._results(names)
            logs |= results
            of_forward = results if FORWARD in phase else of_forward
            if self.network.stop_training:
                break
        seconds = time.perf_counter() - start
        logs |= of_forward  # of the loss and the accuracy, those that the forward layers learned by
        with self.network.averaged():
            validation = self._validate()
        images = batches_done * self._batches.size / len(passes)
        logs |= {f"val_{name}": value for name, value in validation.items()}
        logs |= {"images_per_second": images / seconds, "seconds": seconds}
        return {**logs, **self._diagnose(epoch + 1)}

    def _passes(self, epoch):
        """Return the passes of an epoch: what each updates, and the number of its order of images.

        The forward layers see the same order by every schedule: that with the number 0.
        """
        before = self.recipe.inverse_epochs_before or 0 if epoch == 0 else 0
        after = self.recipe.inverse_epochs_after or 0
        feedback = ((INVERSE,),)
        phases = feedback * before + self.network.rule.passes + feedback * after
        numbers = itertools.count(1)
        return [(phase, 0 if FORWARD in phase else next(numbers)) for phase in phases]

    def _diagnose(self, epoch):
        """Return the diagnostics after an epoch that is due for them."""
        every = self.recipe.diagnostics_every
        if every is None or (epoch % every and epoch not in (1, self.recipe.epochs)):
            return {}
        measured = self._diagnostics.measure()
        warning = rounding_warning(measured)
        if warning is not None and not self._warned:
            self._display.console.print(f"warning: {warning}", markup=False)
            self._warned = True
        return measured

    def _validate(self):
        self._callbacks.on_test_begin()
        self.network.reset_metrics()
        for number, batch in enumerate(self._validation):
            self._callbacks.on_test_batch_begin(number)
            names = self._test(batch)
            told = self._results(names) if self._tells_validation else None
            self._callbacks.on_test_batch_end(number, told)
        logs = self._results(names)
        self._callbacks.on_test_end(logs)
        return logs

    def _results(self, names):
        """Read the metrics: once an epoch, or as often as a callback asks for them."""
        results = self.network.get_metrics_result()
        return {name: float(results[name]) for name in names}

    def _traced(self, phase):
        def step(data):
            self.network.set_phase(phase)  # while it is traced
            return self.network.train_step(self._labelled(data))

        return self._compiled(step)

    def _labelled(self, data):
        return labelled(self._loss, data, len(self.data.class_names))

    def _compiled(self, step):
        """Return a function that runs `step` on every replica and gives its logs' names."""

        def run(batch):
            logs = self._strategy.run(step, args=(batch,))
            return {name: () for name in logs}  # the numbers stay in the metrics

        # Nothing here needs AutoGraph, which takes longer to read the code than it takes to trace.
        return tf.function(run, jit_compile=self._jit, autograph=False)

    def _stop_early(self):
        patience = self.recipe.early_stopping
        if patience is None or not self.history:
            return False
        return len(self.history) - best_epoch(self.history) >= patience

    def _refuse_divergence(self, logs):
        bad = [name for name, value in logs.items() if not math.isfinite(value)]
        if bad:
            kept = (
                f"the best checkpoint, of epoch {best_epoch(self.history)}, is kept in "
                f"{self.run.best}"
                if self.history
                else "no epoch was finished"
            )
            rates = "`learning_rate`"
            if self.network.trained_feedback:
                rates += " or `inverse_learning_rate`"
            raise DivergedError(
                f"training diverged in epoch {len(self.history) + 1}: {bad[0]} is "
                f"{logs[bad[0]]}; {kept}; lower {rates}."
            )
