"""A study in a folder: which trials there are, shared by all processes that search.

The folder holds

    study.json      the recipe and the search space
    journal.log     Optuna's journal: every trial with its parameters and accuracies
    trials/0001/    the run of a trial, as `train` leaves it, its checkpoints removed
    study.lock, locks/0001    held while a trial is taken, and while it is trained

A trial is one setting of the parameters; its number, from 1 on, is that of its folder. In the
journal it may have several entries: one whose training was stopped or killed has failed, and the
next goes on where it ended.
"""

import contextlib
import dataclasses
import math
import pathlib

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.trial import TrialState

from dtp_tf.comparing.plan import difference
from dtp_tf.errors import SettingError, UserError
from dtp_tf.files import make_folder, read_json, refuse_links_out, write_json
from dtp_tf.processes.locks import locked, try_lock
from dtp_tf.recipes.recipe import Recipe, shown
from dtp_tf.tuning.journal import Journal, damaged
from dtp_tf.tuning.search_space import SearchSpace
from dtp_tf.tuning.study_schema import STUDY, check_trials

ATTEMPTS = 2  # trainings of a trial that ends with its process
RANDOM_TRIALS = 8  # before the sampler learns from them
UNPRUNED_TRIALS = 4  # that must have finished before others are held against them

optuna.logging.set_verbosity(optuna.logging.WARNING)


class SharedStudy:
    """A study in its folder.

    Args:
        folder: the folder; `SharedStudy.create` makes it.

    Attributes:
        base: the `Recipe` whose settings the trials change.
        space: the `SearchSpace`.

    Raises:
        UserError: there is no study, its journal is damaged, or a link in it leads out of it.
    """

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        refuse_links_out(self.folder)
        self.base, self.space = _read(self.folder)
        self._study = _open_journal(self.folder, self.base.epochs)
        check_trials(self, self._study.trials, self.folder / "journal.log")

    @classmethod
    def create(cls, folder, base, space):
        """Return the study in a folder, which is made if it is missing.

        Its first trial has the recipe's own settings, if they lie in the search space.

        Raises:
            UserError: the folder holds another study, or something else.
        """
        folder = pathlib.Path(folder)
        _refuse_other_folder(folder)
        refuse_links_out(folder)
        make_folder(folder / "locks")
        with locked(folder / "study.lock"):
            if (folder / "study.json").exists():
                _refuse_other_study(folder, base, space)
            else:
                study, params = _open_journal(folder, base.epochs), space.params_of(base)
                if params is not None and not study.trials:
                    study.enqueue_trial(params, user_attrs={"number": 1, "attempt": 1})
                content = {"recipe": base.to_dict(), "search": space.to_plain()}
                write_json(folder / "study.json", content)
        return cls(folder)

    def take(self, limit):
        """Return the next trial to train, a `Taken`, or None if there is none.

        Args:
            limit: how many trials there may be in all.
        """
        with self._locked():
            self._free_orphans()
            trials = self._study.trials
            waiting = any(trial.state is TrialState.WAITING for trial in trials)
            number = 1 + max((t.user_attrs.get("number", 0) for t in trials), default=0)
            if not waiting and number > limit:
                return None
            # Every trial has a seed of its own, so that neither a second process nor a second
            # start draws what has been drawn.
            draw = np.random.default_rng((self.base.seed, number))
            self._study.sampler = optuna.samplers.TPESampler(
                seed=int(draw.integers(2**31)), n_startup_trials=RANDOM_TRIALS, multivariate=True
            )
            trial = self._study.ask()
            if "number" not in trial.user_attrs:
                trial.set_user_attr("number", number)
                trial.set_user_attr("attempt", 1)
            lock = try_lock(self._lock(trial.user_attrs["number"]))
            self.space.suggest(trial)
        return Taken(self, trial, lock)

    def has_work(self, limit):
        """Return whether `take` would find a trial."""
        with self._locked():
            self._free_orphans()
            entries = self.entries()
            waiting = any(one.state is TrialState.WAITING for one in entries.values())
            return waiting or len(entries) < limit

    def done(self, failed=True):
        """Return how many trials are done: finished, pruned, and failed for good, if wanted."""
        ended = [one.state for one in self.entries().values() if one.state.is_finished()]
        return len(ended) if failed else len(ended) - ended.count(TrialState.FAIL)

    def entries(self):
        """Return Optuna's last entry of each trial by the trial's number."""
        found = {}
        for trial in self._study.trials:
            if "number" in trial.user_attrs:
                found[trial.user_attrs["number"]] = trial
        return dict(sorted(found.items()))

    def recipe(self, params):
        """Return the recipe with a trial's parameters."""
        return self.base.replace(**self.space.settings(params))

    def path(self, number):
        """Return the folder of a trial's run."""
        return self.folder / "trials" / f"{number:04d}"

    def importances(self):
        """Return how much of the differences in accuracy each parameter explains, from 0 to 1.

        None where too few trials have finished, or all with the same accuracy.

        References:
            Hutter, Hoos, Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter
            Importance", 2014 (fANOVA).
        """
        values = [t.value for t in self._study.trials if t.state is TrialState.COMPLETE]
        if len(values) < UNPRUNED_TRIALS or len(set(values)) == 1:
            return None
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        return optuna.importance.get_param_importances(self._study, evaluator=evaluator)

    def _lock(self, number):
        return self.folder / "locks" / f"{number:04d}"

    @contextlib.contextmanager
    def _locked(self):
        with locked(self.folder / "study.lock"):
            yield

    def _free_orphans(self):
        """Let trials whose process is dead be taken again; the study must be locked."""
        last = self.entries()
        for trial in self._study.get_trials(states=(TrialState.RUNNING,)):
            number = trial.user_attrs.get("number")
            if number is not None:
                lock = try_lock(self._lock(number))
                if lock is None:
                    continue
                lock.close()
                attempt = trial.user_attrs["attempt"]
                if attempt < ATTEMPTS and last[number].number == trial.number:
                    self._again(trial, attempt + 1)
            self._study.tell(trial.number, state=TrialState.FAIL)

    def _again(self, trial, attempt):
        attributes = {"number": trial.user_attrs["number"], "attempt": attempt}
        self._study.enqueue_trial(trial.params, user_attrs=attributes)


@dataclasses.dataclass
class Taken:
    """A trial that this process trains; exactly one of `finish`, `prune` and `give_back` ends it.

    Args:
        study: its `SharedStudy`.
        trial: the `optuna.Trial`.
        lock: the open file that shows the others that it is being trained.
    """

    study: SharedStudy
    trial: optuna.Trial
    lock: object

    def __post_init__(self):
        self.number = self.trial.user_attrs["number"]
        self.path = self.study.path(self.number)
        self.recipe = self.study.recipe(self.trial.params)
        self._reported = set()

    def report(self, epoch, accuracy):
        """Tell the validation accuracy after an epoch, 0 .. 1; again without harm."""
        if epoch not in self._reported:
            with self._taken_over():
                self.trial.report(accuracy, epoch)
            self._reported.add(epoch)

    def should_be_pruned(self):
        """Whether the best accuracy so far is below the median of the finished trials' at the
        same epoch."""
        return self.trial.should_prune()

    def finish(self, accuracy, result):
        """End the trial with its validation accuracy; `result` is a dict of what else is known."""
        self._end(TrialState.COMPLETE, accuracy, result)

    def prune(self, result):
        """End the trial as one not worth more epochs."""
        self._end(TrialState.PRUNED, None, result)

    def give_back(self):
        """Let the trial be taken again, by any process."""
        with self._taken_over(), self.study._locked():
            if self.study._study.trials[self.trial.number].state is not TrialState.RUNNING:
                raise ValueError("it has ended")
            self.study._again(self.trial, self.trial.user_attrs["attempt"])
            self.study._study.tell(self.trial, state=TrialState.FAIL)
        self.lock.close()

    def _end(self, state, accuracy, result):
        with self._taken_over(), self.study._locked():
            self.trial.set_user_attr("result", result)
            self.study._study.tell(self.trial, accuracy, state)
        self.lock.close()

    @contextlib.contextmanager
    def _taken_over(self):
        try:
            yield
        except (optuna.exceptions.UpdateFinishedTrialError, ValueError) as error:
            raise UserError(
                f"trial {self.number} was taken over by another process ({error}); the file "
                f"system of {self.study.folder} must know locks (flock) for several machines."
            ) from error


def _open_journal(folder, epochs):
    path = folder / "journal.log"
    pruner = optuna.pruners.MedianPruner(
        n_startup_trials=UNPRUNED_TRIALS, n_warmup_steps=math.ceil(epochs / 5)
    )
    try:
        storage = JournalStorage(Journal(path))
        return optuna.create_study(
            storage=storage, study_name="tuning", direction="maximize", load_if_exists=True,
            pruner=pruner,
        )
    except UserError:
        raise
    except Exception as error:  # Optuna takes for granted what stands in the lines
        raise damaged(path, " ".join(str(error).split()) or type(error).__name__) from None


def _refuse_other_folder(folder):
    """Raise `UserError` if a folder holds something else than a study."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"{folder} is in the way of the study's folder; choose another --out.")
    names = {path.name for path in folder.iterdir()}
    # Another process may be making the study: the journal has a lock of its own, too.
    making = ("locks", "study.lock", "journal.log", ".study-")
    if "study.json" not in names and any(not name.startswith(making) for name in names):
        raise UserError(f"{folder} holds something else than a study; choose another --out.")


def _refuse_other_study(folder, base, space):
    (found, searched), advice = _read(folder), "choose another --out, or delete it"
    name = difference(found, base)
    if name is not None:
        raise UserError(
            f"{folder} was made with `{name}` {shown(getattr(found, name))}, asked for is "
            f"{shown(getattr(base, name))}; {advice}."
        )
    before, now = searched.to_plain(), space.to_plain()
    for name in {**before, **now}:
        if before.get(name) != now.get(name):
            raise UserError(
                f"{folder} searches `{name}` in {_text(before.get(name))}, asked for is "
                f"{_text(now.get(name))}; {advice}."
            )


def _read(folder):
    """Return the recipe and the space of a study."""
    path = folder / "study.json"
    content = read_json(path, STUDY)
    try:
        space, _ = SearchSpace.from_plain(content["search"])
        return Recipe.from_dict(content["recipe"]), space
    except SettingError as error:
        raise UserError(f"{path} does not fit this version: {error}") from None


def _text(entry):
    return "nothing" if entry is None else str(entry).replace("'", "")
