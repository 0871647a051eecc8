"""One training run: data, network, loop, checkpoints, report, export."""

import contextlib
import dataclasses
import inspect
import itertools
import math
import platform
import signal
import threading
import time

import keras
import tensorflow as tf

from dtp_tf.activations import matched
from dtp_tf.architecture import Conv, Dense, parse_layers
from dtp_tf.console import Display, make_console, show_data, show_network, show_report
from dtp_tf.data import TrainingBatches, load_data
from dtp_tf.devices import choose_device, device_name, set_precision
from dtp_tf.diagnostics import Diagnostics, rounding_warning
from dtp_tf.distribution import Workers, lost_workers, set_up
from dtp_tf.errors import DivergedError, SettingError, UserError
from dtp_tf.evaluation import draw_confusion_matrix, draw_curves, draw_diagnostics, evaluate
from dtp_tf.export import export, serve_command
from dtp_tf.files import read_json, write_json
from dtp_tf.initial import initialize
from dtp_tf.machine import Machine
from dtp_tf.models import load_model, save_model
from dtp_tf.network import DTPNetwork
from dtp_tf.optimizers import make_optimizer
from dtp_tf.pairs import Conv2DPair, DensePair
from dtp_tf.precision import dtype_policy
from dtp_tf.preprocessing import preprocessing_layer
from dtp_tf.recipes import ACTIVATIONS, OF_CLASS, Recipe
from dtp_tf.recipes import recipe as find_recipe
from dtp_tf.rules import find_rule
from dtp_tf.rules.base import FORWARD, INVERSE, as_list, at_layer
from dtp_tf.runs import Run, best_epoch


class RunHistory(keras.callbacks.History):
    """Keras's history (`.history`: a list per log, None where an epoch has none; `.epoch`) and
    where the run is.

    Attributes:
        run_dir: the run's folder.
        metrics: the content of `metrics.json`; without a test split only "interrupted"; empty, and
            `run_dir` None, on a worker that is not the chief.
        export_path: the exported version, or None.
    """

    def __init__(self, logs, run_dir, metrics, export_path):
        super().__init__()
        self.epoch = list(range(len(logs)))
        names = dict.fromkeys(name for one in logs for name in one)
        self.history = {name: [one.get(name) for one in logs] for name in names}
        self.run_dir, self.metrics, self.export_path = run_dir, metrics, export_path


def train(
    recipe=None,
    *,
    resume=None,
    data_dir=None,
    run_dir=None,
    export_dir="exported_models",
    keep=None,
    callbacks=(),
    console=None,
    data=None,
    device="auto",
    jit="auto",
    strategy="none",
    **settings,
):
    """Train a network as a recipe says, and leave a run folder and an export.

    Args:
        recipe: the name of a recipe, or a `Recipe`; by default "digits".
        resume: the folder of a run to continue, instead of a new run; `recipe` and `settings` may
            then only repeat what the run was started with.
        data_dir: the folder of TensorFlow Datasets.
        run_dir: the run's folder; by default `runs/TIME-RECIPE`.
        export_dir: the folder of exported models; None for no export.
        keep: how many exported versions to keep, the highest ones; all by default.
        callbacks: Keras callbacks. Epochs have logs; batches have none, so that the device is
            never waited for.
        console: a `rich.console.Console` for what a person reads; stdout by default.
        data: the `ImageData` of the recipe, where they are loaded already. Without their test split
            the run ends after its last epoch: nothing is evaluated, drawn or exported, and the
            network returned is the last epoch's.
        device, jit, strategy: see `dtp_tf.machine.Machine`; they may differ from those of the run
            to resume.
        **settings: override the recipe's.

    Returns:
        The network of the epoch with the best validation accuracy, and a `RunHistory`. With several
        workers, those that are not the chief write nothing and get the network of the last epoch.

    Raises:
        SettingError: an unknown recipe or setting, a value out of range, or settings that differ
            from those of the run to resume.
        DivergedError: a loss became infinite or not a number; the best checkpoint is kept.
        UserError: data that cannot be had, a folder that cannot be written, a damaged checkpoint.

    Example:

        model, history = dtp_tf.train("digits", epochs=3)
    """
    console = console or make_console()
    machine = Machine(device, jit, strategy)
    if resume is None:
        settled = find_recipe("digits" if recipe is None else recipe, **settings)
        run = saved = None
    else:
        run = Run.open(resume)
        settled = run.recipe()
        if recipe is not None:
            whole = isinstance(recipe, Recipe)
            settings = {**(recipe.to_dict() if whole else {"recipe": recipe}), **settings}
        refuse_changes(settled, settings)
    machine.check_fits(settled)
    choose_device(machine)
    set_precision(settled.precision)
    workers = set_up(machine, console)
    if not workers.is_chief:  # it says and writes nothing
        console = make_console(quiet=True)
    keras.utils.set_random_seed(settled.seed)
    console.print(f"device     {device_name()}", markup=False)
    if workers.facts():
        console.print("replicas   {replicas} on {workers} worker(s)".format(**workers.facts()))
    data = load_data(settled, data_dir) if data is None else data
    show_data(console, data)
    with workers.strategy.scope():
        if run is not None:
            saved = run.load_checkpoint(repair=workers.is_chief)
        network = build_network(settled, data) if saved is None else saved.model
        if saved is None and settled.init is not None:
            console.print(f"init       {initialize(network, settled.init)}", markup=False)
        # Metrics make their variables when they first see numbers: in a trace, it is made twice.
        network.build_metrics(data.train.images[:1], data.train.labels[:1])
    if not workers.is_chief:
        run = None
    elif run is None:
        run = Run.create(settled, run_dir)
    if run is not None:
        console.print(f"run        {run.path}", markup=False)

    history = [] if saved is None else saved.about["history"]
    if saved is not None:
        refuse_other_data(saved.about, data)
        console.print(f"resumed after epoch {len(history)} of {settled.epochs}")
    show_network(console, network, settled)
    with lost_workers(workers, None if run is None else run.path):
        loop = Loop(settled, data, network, run, history, callbacks, console, machine, workers)
        loop.run_epochs()
    if run is None:
        return network, RunHistory(history, None, {}, None)
    if data.test is None:
        return network, RunHistory(history, run.path, {"interrupted": loop.interrupted}, None)
    if not history:
        raise UserError(
            "stopped before the first epoch was finished; start again, or resume with "
            f"--resume {run.path}."
        )
    return finish(settled, data, run, history, export_dir, console, loop.interrupted, keep)


class Loop:
    """The training loop: one traced function per batch, Keras's callbacks, a checkpoint an epoch.

    Args:
        recipe, data, network, run: what to train, on what, and where to leave it; None as the run
            leaves nothing.
        history: the logs of the epochs so far; the loop adds to it.
        callbacks: Keras callbacks.
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
            part=(workers.index, workers.count),
        )
        workers.check_batch_size(self._batches.size)
        self._training = workers.training(self._batches)
        phases = dict.fromkeys(phase for epoch in (0, 1) for phase, _ in self._passes(epoch))
        self._functions = {phase: self._traced(phase) for phase in phases}
        self._test = self._compiled(network.test_step)
        self._validation = workers.validation(data.validation)
        self._about = {
            "recipe": recipe.to_dict(),
            "class_names": list(data.class_names),
            "data": fingerprint(data),
            "versions": {**versions(), **machine.facts(), **workers.facts()},
        }
        probe = slice(0, recipe.diagnostics_images)
        self._diagnostics = Diagnostics(network, data.train.images[probe], data.train.labels[probe])
        self._warned = False
        self._display = Display(console)
        self._callbacks = keras.callbacks.CallbackList(
            [self._display, *callbacks],
            model=network,
            epochs=recipe.epochs,
            steps=self._batches.steps * len(self._passes(1)),
            verbose=0,
        )

    def run_epochs(self):
        """Train until the last epoch, early stopping, a callback's stop, or Ctrl-C."""
        self.network.stop_training = False
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
                self._callbacks.on_train_end()
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
        logs, of_forward = {}, {}
        for phase, order in self._passes(epoch):
            self.network.reset_metrics()
            self._batches.select(epoch, order)
            function = self._functions[phase]
            for batch in self._training:
                self._callbacks.on_train_batch_begin(batches_done)
                names = function(batch)
                self._callbacks.on_train_batch_end(batches_done)
                batches_done += 1
                if stopped():
                    return logs
            results = self._results(names)
            logs |= results
            of_forward = results if FORWARD in phase else of_forward
        seconds = time.perf_counter() - start
        logs |= of_forward  # of the loss and the accuracy, those that the forward layers learned by
        images = self._batches.steps * self._batches.size
        logs |= {f"val_{name}": value for name, value in self._validate().items()}
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
        self.network.reset_metrics()
        for batch in self._validation:
            names = self._test(batch)
        return self._results(names)

    def _results(self, names):
        """Read the metrics, once an epoch."""
        results = self.network.get_metrics_result()
        return {name: float(results[name]) for name in names}

    def _traced(self, phase):
        def step(data):
            self.network.set_phase(phase)  # while it is traced
            return self.network.train_step(data)

        return self._compiled(step)

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


def finish(recipe, data, run, history, export_dir, console, interrupted=False, keep=None):
    """Report on the best network of a run, draw, export; return it and the `RunHistory`."""
    saved = load_model(run.best)
    network, names = saved.model, data.class_names
    metrics = {
        "test": evaluate(network, data.test, names),
        "validation": evaluate(network, data.validation, names),
        "best_epoch": best_epoch(history),
        "epochs": len(history),
        "interrupted": interrupted,
        "seconds": sum(logs["seconds"] for logs in history),
        "conditions": {
            "recipe": recipe.to_dict(),
            "data": fingerprint(data),
            "chosen_by": "validation accuracy",
            **read_json(run.versions),
        },
    }
    classifier = network.classifier(dtype="uint8")
    about = {name: saved.about[name] for name in ("recipe", "class_names", "versions")}
    save_model(classifier, run.classifier, about)
    draw_curves(history, run.curves)
    draw_diagnostics(history, run.diagnostics)
    draw_confusion_matrix(metrics["test"], run.confusion_matrix)
    write_json(run.metrics, metrics)
    run.write_log(history)
    if interrupted:
        console.print(
            f"interrupted after epoch {len(history)}; --resume {run.path} continues", markup=False
        )
    console.print(f"best epoch {metrics['best_epoch']} of {len(history)} (validation accuracy)")
    show_report(console, metrics["test"], "test")
    export_path = None
    if export_dir is not None:
        export_path = export(
            classifier,
            names,
            export_dir,
            recipe.recipe,
            data.test.images[:100],
            facts=card_facts(saved.about, data, metrics["test"]),
            keep=keep,
        )
        console.print(f"exported   {export_path}", markup=False)
        console.print(f"serve it   {serve_command(export_path)}", markup=False)
    return network, RunHistory(history, run.path, metrics, export_path)


def build_network(recipe, data):
    """Return the compiled `DTPNetwork` that a recipe describes, built for the data's images."""
    flat = recipe.layers is None
    preprocessing = preprocessing_layer(recipe.preprocessing, data.train.images, flat)
    rule = build_rule(recipe, len(data.train) // min(recipe.batch_size, len(data.train)))
    network = DTPNetwork(
        build_pairs(recipe),
        len(data.class_names),
        rule=rule,
        preprocessing=preprocessing,
        output_initializer=initializer(recipe.initializer),
        # What is sent as signs are the hidden layers' messages to each other.
        output_transmission="sample" if recipe.transmission == "sample" else "continuous",
        seed=recipe.seed,
        name="network",
    )
    network.build((None, *data.image_shape))
    compile_network(network, recipe, data)
    return network


def build_pairs(recipe):
    """Return the hidden layers of a recipe, not yet built."""
    if recipe.layers is None:
        layers = [Dense(units) for units in recipe.units]
    else:
        layers = parse_layers(recipe.layers, ACTIVATIONS)
    pairs = []
    for i, layer in enumerate(layers, start=1):
        activation = layer.activation or recipe.activation
        inverse = recipe.inverse_activation
        settings = dict(
            activation=activation,
            inverse_activation=matched(activation) if inverse == "matched" else inverse,
            kernel_initializer=initializer(recipe.initializer),
            # A rule without inverses says nothing of them; the pairs then have none.
            inverse_kernel_initializer=initializer(recipe.inverse_initializer or "orthogonal"),
            inverse_first=bool(recipe.inverse_first),
            dtype=dtype_policy(recipe.precision),
            name=f"pair_{i}",
        )
        if isinstance(layer, Conv):
            pairs.append(Conv2DPair(**{**dataclasses.asdict(layer), **settings}))
        else:
            sent = recipe.transmission if i > 1 else "continuous"
            pairs.append(DensePair(layer.units, transmission=sent, **settings))
    return pairs


def compile_network(network, recipe, data):
    """Give a built network its optimizers."""
    updates = recipe.epochs * (len(data.train) // min(recipe.batch_size, len(data.train)))
    optimizer = make_optimizer(
        recipe.optimizer, recipe.learning_rate, recipe.learning_rate_schedule, updates
    )
    trained = len(network.trained_feedback)
    if not trained:
        network.compile(optimizer)
        return
    before, after = recipe.inverse_epochs_before or 0, recipe.inverse_epochs_after or 0
    extra = (before + after * recipe.epochs) * (updates // recipe.epochs)
    rates = recipe.inverse_learning_rate
    if isinstance(rates, tuple) and len(rates) != trained:
        raise SettingError(
            f"`inverse_learning_rate` has {len(rates)} values, but the rule {recipe.rule} trains "
            f"the feedback of {trained} layers; give one value for all, or {trained}."
        )

    def inverse_optimizer(position):
        return make_optimizer(
            recipe.inverse_optimizer,
            at_layer(rates, position),
            recipe.inverse_learning_rate_schedule,
            (updates + extra) * network.rule.steps(position),
        )

    if isinstance(rates, tuple) or isinstance(network.rule.inverse_steps, (list, tuple)):
        network.compile(optimizer, [inverse_optimizer(i) for i in range(trained)])
    else:
        network.compile(optimizer, inverse_optimizer(0))


def build_rule(recipe, steps):
    """Return the learning rule of a recipe; `steps` are the updates of one pass."""
    rule = find_rule(recipe.rule)
    taken = inspect.signature(rule).parameters
    given = {name: getattr(recipe, name) for name in OF_CLASS}
    given = {name: value for name, value in given.items() if name in taken and value is not None}
    if recipe.noise_decay_epochs is not None and "noise" in given:
        schedule = given.get("schedule", getattr(taken.get("schedule"), "default", None))
        passes = (2 if schedule == "alternating" else 1) + (recipe.inverse_epochs_after or 0)
        decay_steps = recipe.noise_decay_epochs * steps * passes
        decaying = [
            keras.optimizers.schedules.InverseTimeDecay(sigma, decay_steps, 1.0, staircase=False)
            for sigma in as_list(given["noise"])
        ]
        given["noise"] = decaying if isinstance(given["noise"], tuple) else decaying[0]
    try:
        return rule(**given)
    except TypeError as error:  # the class of a user's own rule
        raise SettingError(f"`rule` {recipe.rule!r} cannot be made: {error}.") from error


def initializer(name):
    """Return a new Keras initializer by a recipe's name for it."""
    if name == "torch_uniform":  # U(-1/sqrt(inputs), 1/sqrt(inputs))
        return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
    if name == "small_uniform":
        return keras.initializers.RandomUniform(-0.001, 0.001)
    return keras.initializers.get(name)


def refuse_changes(recipe, settings):
    """Raise `SettingError` if `settings` differ from the recipe of the run to resume."""
    changed = recipe.replace(**settings)
    for name in settings:
        before, now = getattr(recipe, name), getattr(changed, name)
        if before != now:
            raise SettingError(
                f"`{name}` is {before} in the run, got {now}; a run is resumed with the recipe "
                "that it was started with: leave the setting out, or start a new run."
            )


def fingerprint(data):
    """Return what tells one set of data from another."""
    return {
        "name": data.name,
        "image_shape": list(data.image_shape),
        "classes": len(data.class_names),
        "training_images": len(data.train),
        "validation_images": len(data.validation),
        "test_images": None if data.test is None else len(data.test),
        "test_origin": data.test_origin,
    }


def card_facts(about, data, test):
    """Return what a model card says of a trained network, see `dtp_tf.cards.model_card`.

    Args:
        about: of its `SavedModel`.
        data: the `ImageData` it was trained on.
        test: its report on their test split.
    """
    history = about.get("history")  # a classifier without its run has none
    return {
        "recipe": about["recipe"],
        "data": fingerprint(data),
        "results": {"test": test, "best_epoch": None if history is None else len(history)},
        "versions": about["versions"],
    }


def refuse_other_data(about, data):
    """Raise `UserError` if the data are not those that the run was started with."""
    before, now = about["data"], fingerprint(data)
    for name in before:
        if before[name] != now.get(name):
            raise UserError(
                f"the data differ from the run's: {name} was {before[name]}, is {now.get(name)}; "
                "resume with the same data."
            )


def versions():
    """Return the versions and the device that a result depends on."""
    import dtp_tf

    return {
        "dtp_tf": dtp_tf.__version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "python": platform.python_version(),
        "device": device_name(),
    }


@contextlib.contextmanager
def stoppable():
    """Yield an event that Ctrl-C (or SIGTERM) sets; a second Ctrl-C stops at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread may handle signals
        return

    def handle(number, frame):
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def tensorboard(run, history):
    """Yield a function that writes an epoch's logs for TensorBoard.

    The epochs so far are written again, so that a resumed run has no gaps and no repeats.
    """
    with _writing(run.tensorboard):
        if run.tensorboard.exists():
            tf.io.gfile.rmtree(str(run.tensorboard))
        writer = tf.summary.create_file_writer(str(run.tensorboard))

    def write(epoch, logs):
        with _writing(run.tensorboard), writer.as_default():
            for name, value in logs.items():
                tf.summary.scalar(name, value, step=epoch)
            writer.flush()

    try:
        for epoch, logs in enumerate(history, start=1):
            write(epoch, logs)
        yield write
    finally:
        with contextlib.suppress(tf.errors.OpError):  # all that counts has been flushed
            writer.close()


@contextlib.contextmanager
def _writing(path):
    """Turn TensorFlow's errors while it writes a file into a sentence."""
    try:
        yield
    except tf.errors.OpError as error:
        reason = error.message.splitlines()[0].rsplit("; ", 1)[-1]
        raise UserError(
            f"cannot write {path}: {reason}; free some space or choose another folder."
        ) from error
