"""The folder that a training run leaves: which files there are, and how they are written.

    config.json           the resolved recipe; `train --config` takes it
    versions.json         versions and device
    images.csv            which images were trained on, see `dtp_tf.runs.image_list`; of a folder
    last.keras            the state after the last finished epoch; `train --resume` continues it
    unfinished.keras      the state within an epoch that goes on, from which `--resume` goes on then
    best.keras            the network with the best validation accuracy
    classifier.keras      its forward layers alone, in stock Keras layers
    log.csv               a row per epoch
    tensorboard/          the same for TensorBoard
    metrics.json          the report on the best network
    curves.png, confusion_matrix.png; diagnostics.png where angles were measured
    report.html           a page that shows all of this, see `dtp_tf.reporting`

While a process trains the run there is also `.lock`, see `dtp_tf.processes.locks`; a run of a
comparison that diverged has `diverged.json`, which says how.
"""

import contextlib
import csv
import datetime
import io
import os
import pathlib
import shutil

from dtp_tf.console.plain import quoted
from dtp_tf.errors import SettingError, UserError
from dtp_tf.files import (
    LOCK,
    is_empty,
    make_folder,
    read_json,
    refuse_links_out,
    remove_half_written,
    write_json,
    write_text,
    written,
)
from dtp_tf.network.network import DTPNetwork
from dtp_tf.presets.facts import DATA, REPORT, VERSIONS
from dtp_tf.processes.locks import alone
from dtp_tf.recipes.recipe import Recipe
from dtp_tf.runs.models import CHECKPOINT, ENTRY, load_model, read_about, save_model
from dtp_tf.schema import BOOLEAN, DURATION, MAPPING, NUMBER, POSITIVE, TEXT, check, mapping, maybe

METRICS = mapping(
    {
        "test": REPORT,
        "validation": REPORT,
        "best_epoch": POSITIVE,
        "epochs": POSITIVE,
        "interrupted": BOOLEAN,
        "seconds": DURATION,
        "conditions": {
            **VERSIONS,
            "properties": {**VERSIONS["properties"], "data": DATA, "chosen_by": TEXT},
        },
    }
)
# A row of log.csv; what is not measured in every epoch is None in the others.
ROW = {
    **mapping({"val_accuracy": NUMBER}),
    "additionalProperties": maybe(NUMBER),
    "propertyNames": {"minLength": 1, "description": "a name for every value"},
}


class Run:
    """One run's folder.

    Args:
        path: the folder.
    """

    _is_here = None  # within `alone`: whether the path still leads to the folder that is locked

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.config = self.path / "config.json"
        self.versions = self.path / "versions.json"
        self.images = self.path / "images.csv"
        self.last = self.path / "last.keras"
        self.unfinished = self.path / "unfinished.keras"
        self.best = self.path / "best.keras"
        self.classifier = self.path / "classifier.keras"
        self.log = self.path / "log.csv"
        self.tensorboard = self.path / "tensorboard"
        self.metrics = self.path / "metrics.json"
        self.curves = self.path / "curves.png"
        self.confusion_matrix = self.path / "confusion_matrix.png"
        self.diagnostics = self.path / "diagnostics.png"
        self.report = self.path / "report.html"
        self.diverged = self.path / "diverged.json"

    @classmethod
    def create(cls, recipe, path=None, parent="runs"):
        """Make the folder of a new run: `path`, or `parent`/TIME-RECIPE.

        Raises:
            UserError: `path` is not empty, or the folder cannot be written.
        """
        if path is None:
            now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
            parent, name = pathlib.Path(parent), f"{now}-{recipe.recipe}"
            make_folder(parent)
            for number in range(1, 1000):
                path = parent / (name if number == 1 else f"{name}-{number}")
                try:
                    path.mkdir()
                    break
                except FileExistsError:
                    continue
                except OSError as error:
                    raise UserError(f"cannot write {path}: {error.strerror}.") from None
        else:
            path = pathlib.Path(path)
            _refuse_used(path)
            make_folder(path)
        run = cls(path)
        with run.alone():
            _refuse_used(path)  # another process may have been faster
            remove_half_written(path)
            write_json(run.config, recipe.to_dict())
        return run

    @classmethod
    def open(cls, path):
        """Return the run in an existing folder.

        Raises:
            UserError: there is none, or a link in it leads out of it.
        """
        run = cls(path)
        if not run.config.is_file():
            raise UserError(f"{path} is no run folder: it has no config.json.")
        refuse_links_out(run.path)
        return run

    @contextlib.contextmanager
    def alone(self):
        """Return a block's context in which no other process trains the run.

        Raises:
            UserError: another process does.
        """
        with alone(self.path / LOCK, self.path) as self._is_here:
            try:
                yield
            finally:
                self._is_here = None

    def _refuse_another(self):
        """Raise `UserError` if the path does not lead to the folder of this training any more."""
        if self._is_here is not None and not self._is_here():
            raise UserError(
                f"{self.path} is not the folder of this training any more: it was moved, removed "
                "or replaced, so that nothing more is written there; --resume with the path that "
                "the run has now continues from its last checkpoint."
            )

    def recipe(self):
        """Return the recipe that the run was started with."""
        try:
            return Recipe.from_dict(read_json(self.config, MAPPING))
        except SettingError as error:
            raise UserError(f"{self.config} does not fit this version: {error}") from None

    def save_checkpoint(self, network, about, is_best):
        """Write the state after an epoch; `about["history"]` tells which.

        Raises:
            UserError: the run was moved while it was `alone`, or cannot be written.
        """
        self._refuse_another()
        save_model(network, self.last, about)
        if is_best:
            self._keep_best(network, about)
        # That of the epoch before, if this does not happen: `load_checkpoint` knows it.
        self.unfinished.unlink(missing_ok=True)

    def save_unfinished(self, network, about):
        """Write the state within the epoch that follows `about["history"]`.

        Raises:
            UserError: see `save_checkpoint`.
        """
        self._refuse_another()
        save_model(network, self.unfinished, about)

    def load_checkpoint(self, repair=True, within=True):
        """Return the last state as a `SavedModel`, or None if there is none.

        What a killed run left half written is removed, and the best network is what it should be;
        the run must be `alone`.

        Args:
            repair: False = nothing is written: another process does that.
            within: whether it may be a state within an epoch.

        Raises:
            UserError: the file is damaged.
        """
        if repair:
            remove_half_written(self.path)
        if within and self._goes_on():
            return self._load(self.unfinished)
        if not self.last.exists():
            return None
        saved = self._load(self.last)
        history = saved.about["history"]
        if repair and history and best_epoch(history) == len(history):
            # The run may have been killed after `last` was written and before `best` was.
            self._keep_best(saved.model, saved.about)
        return saved

    def _goes_on(self):
        """Whether there is a state within an epoch, and not of one that was finished since."""
        if not self.unfinished.exists():
            return False
        if not self.last.exists():
            return True
        states = read_about(self.unfinished), read_about(self.last)
        begun, done = (len(about.get("history", ())) for about in states)
        return begun >= done

    def load_best(self):
        """Return the best network as a `SavedModel` that says all of its training.

        Raises:
            UserError: the file is missing or damaged, or the run was moved while it was `alone`.
        """
        self._refuse_another()
        return self._load(self.best)

    def _load(self, path):
        saved = load_model(path)
        if not (isinstance(saved.model, DTPNetwork) and saved.model.compiled and saved.about):
            raise UserError(f"{path} is no checkpoint of a training run.")
        check(saved.about, CHECKPOINT, f"{ENTRY} in {path}")
        return saved

    def _keep_best(self, network, about):
        """Write the best network: what `last` has, with averages in the place of weights."""
        if not network.keeps_averages:
            self._last_becomes_best()
            return
        with network.averaged():
            save_model(network, self.best, about)

    def _last_becomes_best(self):
        with written(self.best) as temporary:
            try:
                os.link(self.last, temporary)
            except OSError:  # a file system without links
                shutil.copyfile(self.last, temporary)

    def write_log(self, history):
        """Write `log.csv` from the logs of all epochs so far."""
        text = io.StringIO(newline="")
        # What is not measured in every epoch has empty places.
        names = dict.fromkeys(name for logs in history for name in logs)
        writer = csv.DictWriter(text, ["epoch", *names], lineterminator="\n")
        writer.writeheader()
        for epoch, logs in enumerate(history, start=1):
            writer.writerow({"epoch": epoch, **logs})
        write_text(self.log, text.getvalue())


def _refuse_used(path):
    """Raise `UserError` if the folder of a new run has something in it."""
    if not path.is_dir() or is_empty(path):
        return
    if (path / "config.json").exists():
        raise UserError(
            f"{path} already holds a run; continue it with --resume {quoted(path)}, or choose "
            "another --run-dir."
        )
    raise UserError(f"{path} is not empty; choose another --run-dir.")


def best_epoch(history):
    """Return the epoch (from 1) with the highest validation accuracy.

    Of several with the same, that with the lowest validation loss: small validation sets know few
    accuracies.
    """

    def merit(epoch):
        logs = history[epoch - 1]
        return logs["val_accuracy"], -(logs.get("val_loss") or 0)

    return max(range(1, len(history) + 1), key=merit)
