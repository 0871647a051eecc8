"""The training loop."""

import itertools
import time

import keras
import tensorflow as tf

from dtp_tf.console.console import Display
from dtp_tf.data.batches import TrainingBatches
from dtp_tf.data.passes import Passes
from dtp_tf.evaluating.diagnostics import Diagnostics, rounding_warning
from dtp_tf.machines.checkpoint_every import CheckpointEvery
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
from dtp_tf.training.divergence import refuse_divergence
from dtp_tf.training.own_model import model_facts
from dtp_tf.training.records import Records
from dtp_tf.training.unfinished import Unfinished, as_epoch_began, rates


class Loop:
    """The training loop: one traced function per batch, Keras's callbacks, checkpoints.

    Args:
        recipe, data, network, run: what to train, on what, and where to leave it; None as the run
            leaves nothing.
        history: the logs of the epochs so far; the loop adds to it.
        callbacks: a list of Keras callbacks, as of `find_callbacks`.
        console: where a person reads.
        machine: the `Machine` to train on; `Machine()` by default.
        workers: the `Workers`; this process alone by default.
        unfinished: the `Unfinished` epoch to go on in.

    Attributes:
        interrupted: whether Ctrl-C or a signal ended the training, and not all was done.
        unfinished: the `Unfinished` epoch in which it did.
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
        unfinished=None,
    ):
        self.recipe, self.data, self.network, self.run = recipe, data, network, run
        self.history = history
        self.interrupted, self.unfinished = False, unfinished
        self._kept = None
        machine = machine or Machine()
        self._every = CheckpointEvery.parse(machine.checkpoint_every)
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
        self._training = _by_one_iterator(workers.training(self._batches))
        phases = dict.fromkeys(phase for epoch in (0, 1) for phase, _ in self._passes(epoch))
        self._loss = recipe_loss(recipe)
        self._functions = {phase: self._traced(phase) for phase in phases}
        self._test = self._compiled(lambda data: network.test_step(self._labelled(data)))
        self._validation = _by_one_iterator(workers.validation(data.validation))
        about = {
            "recipe": recipe.to_dict(),
            "class_names": list(data.class_names),
            "data": fingerprint(data),
            "versions": {
                **versions(), **machine.facts(), **workers.facts(),
                **rule_facts(recipe.rule), **model_facts(recipe.model),
            },
        }
        self._records = Records(run, about, history)
        self._diagnostics = Diagnostics.on_first(
            network, data.train, recipe.diagnostics_images, len(data.class_names), self._loss
        )
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
        with stoppable() as stop, self._records.opened():
            self._answers = self._workers.agreement(stop.is_set, self._is_overdue)
            self._kept_at = time.monotonic()
            try:
                self._callbacks.on_train_begin()
                while self._goes_on():
                    if self._answers(now=True)[0]:
                        self.interrupted = True
                        break
                    logs = self._epoch(len(self.history))
                    if self.interrupted:
                        break
                    refuse_divergence(self.network, self.run, self.history, logs)
                    self.history.append(logs)
                    self._records.epoch(self.network)
                    self._kept_at = time.monotonic()
                    self._callbacks.on_epoch_end(len(self.history) - 1, dict(logs))
                    if self.network.stop_training:
                        break
                self._callbacks.on_train_end(logs)
                self.network.become_averages()  # the checkpoints have the weights themselves
            finally:
                self._display.close()

    def _goes_on(self):
        return len(self.history) < self.recipe.epochs and not self._stop_early()

    def _epoch(self, epoch):
        """Train an epoch, or what is left of it; return its logs, those so far if interrupted."""
        passes = self._passes(epoch)
        at = self._begin(epoch, len(passes))
        for phase, order in passes[at.passes :]:
            results = self._pass(at, phase, epoch, order)
            if self.interrupted:
                return at.logs
            at.end_pass(results, FORWARD in phase)
            if self.network.stop_training:
                break
            if self._pauses(at):
                return at.logs
        with self.network.averaged():
            validated = self._validate(at)
        if self.interrupted:
            return at.logs
        logs = at.logs | at.forward  # the loss and accuracy that the forward layers learned by
        images = at.done * self._batches.size / len(passes)
        logs |= {f"val_{name}": value for name, value in validated.items()}
        logs |= {"images_per_second": images / at.seconds, "seconds": at.seconds}
        return {**logs, **self._diagnose(epoch + 1)}

    def _begin(self, epoch, passes):
        """Tell the callbacks that an epoch begins, and return where it is."""
        at, self.unfinished = self.unfinished, None
        if at is None:
            at = Unfinished(self._batches.steps, passes, rates(self.network))
            self._callbacks.on_epoch_begin(epoch)
        else:
            with as_epoch_began(self.network, at.rates):
                self._callbacks.on_epoch_begin(epoch)
        self._start = time.perf_counter() - at.seconds
        return at

    def _pass(self, at, phase, epoch, order):
        """Train a pass, or what is left of it, and return its results; None if interrupted."""
        self._batches.select(epoch, order)
        training, function = self._training, self._functions[phase]
        if at.batches:
            training = self._workers.training(self._batches, at.batches)
            at.put_metrics(self.network)
        else:
            self.network.reset_metrics()
        for batch in training:
            self._callbacks.on_train_batch_begin(at.done)
            names = function(batch)
            told = self._results(names) if self._tells_training else None
            self._callbacks.on_train_batch_end(at.done, told)
            at.done += 1
            at.seconds = time.perf_counter() - self._start
            if self.network.stop_training:
                break
            if at.batches < at.steps and self._pauses(at):
                return None
        results = self._results(names)
        at.seconds = time.perf_counter() - self._start
        return results

    def _pauses(self, at):
        """Leave the state within an epoch where it is time; return whether to stop there."""
        stop, overdue = self._answers()
        counted = self._every.steps and at.done % self._every.steps == 0
        if stop or overdue or (counted and not at.is_trained):
            self._keep(at)
        if stop:
            self.interrupted, self.unfinished = True, at
        return stop

    def _is_overdue(self):
        seconds = self._every.seconds
        return seconds is not None and time.monotonic() - self._kept_at >= seconds

    def _keep(self, at):
        place = len(self.history), at.passes, at.done
        if place != self._kept:  # a long validation comes here again and again
            at.keep_metrics(self.network)
            results = self._results() if at.batches else {}
            refuse_divergence(self.network, self.run, self.history, at.logs | results)
            with self.network.as_trained():  # a validation comes here with the averages
                self._records.unfinished(self.network, at)
        self._kept, self._kept_at = place, time.monotonic()

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

    def _validate(self, at):
        self._callbacks.on_test_begin()
        self.network.reset_metrics()
        for number, batch in enumerate(self._validation):
            self._callbacks.on_test_batch_begin(number)
            names = self._test(batch)
            told = self._results(names) if self._tells_validation else None
            self._callbacks.on_test_batch_end(number, told)
            if not self.network.stop_training and self._pauses(at):
                return None
        logs = self._results(names)
        self._callbacks.on_test_end(logs)
        return logs

    def _results(self, names=None):
        """Read the metrics: once an epoch, or as often as a callback asks for them."""
        results = self.network.get_metrics_result()
        return {name: float(results[name]) for name in names or results}

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


def _by_one_iterator(batches):
    """Return batches to iterate over once an epoch; what is spread over replicas as it is."""
    return Passes(batches) if isinstance(batches, tf.data.Dataset) else batches
