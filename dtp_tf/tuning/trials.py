"""Training the trials of a study: without the test split, and no longer than they are worth it."""

import contextlib
import dataclasses
import signal

import keras

from dtp_tf.comparing.plan import difference
from dtp_tf.console.tables import make_console
from dtp_tf.data.sets import load_data
from dtp_tf.errors import DivergedError, SettingError, UserError
from dtp_tf.machines.machine import Machine
from dtp_tf.machines.versions import versions
from dtp_tf.processes.stopping import stoppable
from dtp_tf.recipes.recipe import shown
from dtp_tf.runs.folder import Run, best_epoch
from dtp_tf.runs.log import read_log
from dtp_tf.runs.provenance import changes, fingerprint, refuse_or_warn
from dtp_tf.training.train import train
from dtp_tf.tuning.shared_study import SharedStudy


def work(job, console):
    """Train trials of a study until there is none left, or this process has had its share.

    Args:
        job: a dict: "study" (its folder), "trials" (how many there may be in all), "share" (how
            many this process trains), and "data_dir", "machine", "stream" and perhaps "anyway",
            see `dtp_tf.comparing.run_job`.
        console: where a person reads a line per epoch.

    Returns:
        A dict, empty if all went well or was stopped; or "error" with the sentence, and "usage":
        whether a setting is wrong.
    """
    try:
        study, data = SharedStudy(job["study"]), None
        machine, anyway = Machine(**job["machine"]), job.get("anyway", False)
        with stoppable() as stop:
            for _ in range(job["share"]):
                trial = None if stop.is_set() else study.take(job["trials"])
                if trial is None:
                    break
                with _given_back(trial):
                    if data is None:
                        data = load_data(
                            study.base, job["data_dir"], test=False, in_memory=machine.in_memory
                        )
                        _check_data(study, data, anyway, console)
                    if not train_trial(trial, data, console, stop, machine, anyway):
                        break
                keras.utils.clear_session()
    except UserError as error:
        return {"error": str(error), "usage": isinstance(error, SettingError)}
    return {}


@contextlib.contextmanager
def _given_back(trial):
    """Give the trial back that a mistake or a second Ctrl-C ends; one that dies may be at fault."""
    try:
        yield
    except (UserError, KeyboardInterrupt):
        if not trial.lock.closed:
            trial.give_back()
        raise


def _check_data(study, data, anyway, console):
    """Raise `UserError` if the data are not those of the trials so far; `anyway` says it only."""
    for number, entry in study.entries().items():
        before = entry.user_attrs.get("result", {}).get("data")
        if before is None:
            continue
        images = Run(study.path(number)).images
        said = changes(before, data, images if images.is_file() else None)
        if not said:
            return
        text = f"the data differ from those of trial {number}: {said}"
        refuse_or_warn(text, "give the same data, choose another --out", anyway, console)
        return


def train_trial(trial, data, console, stop, machine, anyway=False):
    """Train one trial and tell its study how it ended; return whether it was not stopped.

    Args:
        trial: a `dtp_tf.tuning.shared_study.Taken`.
        data: the `ImageData`, without a test split.
        console: where a person reads.
        stop: an event that is set when the process is asked to stop.
        machine: the `Machine` to train on.
        anyway: whether to resume a trial although its data have changed.

    Raises:
        UserError: a setting or a folder that cannot be used.
    """
    run, watch = Run(trial.path), Watch(trial, console, stop)
    if run.config.exists():
        found = run.recipe()
        name = difference(found, trial.recipe)
        if name is not None:  # of a study whose journal is lost
            raise UserError(
                f"{run.path} was made with `{name}` {shown(getattr(found, name))}, trial "
                f"{trial.number} has {shown(getattr(trial.recipe, name))}; delete that folder."
            )
        start = {"resume": run.path}
    else:
        start = {"run_dir": run.path}
    searched = {name: getattr(trial.recipe, name) for name in trial.study.space.entries}
    values = ", ".join(f"{name} {_short(value)}" for name, value in searched.items())
    console.print(f"trial {trial.number:<4} {values}", markup=False)
    result = {"data": fingerprint(data), "versions": {**versions(), **machine.facts()}}
    try:
        _, history = train(
            recipe=trial.recipe, **start, **dataclasses.asdict(machine), data=data,
            export_dir=None, callbacks=[watch], console=make_console(quiet=True), anyway=anyway,
        )  # fmt: skip
    except DivergedError as error:
        trial.prune({**result, "diverged": str(error), **_numbers(read_log(run.log))})
        _say(console, trial, "diverged")
        _remove_checkpoints(run)
        return True
    logs = watch.catch_up()
    result |= _numbers(logs)
    if watch.pruned:
        trial.prune(result)
        _say(console, trial, f"pruned after epoch {len(logs)}")
    elif history.metrics["interrupted"]:
        trial.give_back()
        _say(console, trial, f"stopped after epoch {len(logs)}; the same command goes on")
        return False
    else:
        trial.finish(result["validation_accuracy"], result)
        _say(console, trial, f"finished: {result['validation_accuracy']:.2%}")
    _remove_checkpoints(run)
    return True


class Watch(keras.callbacks.Callback):
    """Tells a study each epoch's accuracy, and stops a trial that is not worth more.

    Attributes:
        pruned: whether it was stopped for that.
    """

    def __init__(self, trial, console, stop):
        super().__init__()
        self.trial, self.console, self.stop = trial, console, stop
        self.pruned = False

    def on_train_begin(self, logs=None):
        if self.stop.is_set():  # before the training listened to signals
            signal.raise_signal(signal.SIGTERM)

    def on_epoch_end(self, epoch, logs=None):
        epoch, epochs = epoch + 1, self.trial.recipe.epochs
        self.catch_up()
        _say(
            self.console, self.trial,
            f"epoch {epoch}/{epochs}  validation accuracy {logs['val_accuracy']:.2%}",
        )
        # After the last epoch nothing is to be saved.
        if epoch < epochs and self.trial.should_be_pruned():
            self.pruned = True
            self.model.stop_training = True

    def catch_up(self):
        """Tell the study all epochs of the run, those before it was resumed too; return them."""
        logs = read_log(Run(self.trial.path).log)
        for epoch, one in enumerate(logs, start=1):
            self.trial.report(epoch, one["val_accuracy"])
        return logs


def _numbers(logs):
    """Return what a table says of a run, from its logs."""
    best = logs[best_epoch(logs) - 1] if logs else {}
    return {
        "validation_accuracy": best.get("val_accuracy"),
        "validation_loss": best.get("val_loss"),
        "best_epoch": best_epoch(logs) if logs else None,
        "epochs": len(logs),
        "seconds": sum(one.get("seconds") or 0 for one in logs),
    }


def _say(console, trial, text):
    console.print(f"trial {trial.number:<4} {text}", markup=False)


def _short(value):
    if isinstance(value, tuple):
        return ",".join(map(_short, value))
    return f"{value:.3g}" if isinstance(value, float) else shown(value)


def _remove_checkpoints(run):
    for path in (run.last, run.unfinished, run.best):
        path.unlink(missing_ok=True)
