"""Searching for settings: trials of a recipe, chosen by validation accuracy, and their report.

Trials are trained by worker processes (`dtp_tf.tuning.trials`), which share the study in its folder
(`dtp_tf.tuning.shared_study`). The folder gets, beside the study,

    trials.csv      a row per trial with all conditions
    best.yaml       the best trial's settings; `train --config` takes it
    history.png, importance.png, parallel.png
"""

import contextlib
import dataclasses
import importlib.util
import pathlib
import time

from dtp_tf.arguments import check_whole
from dtp_tf.console.tables import make_console
from dtp_tf.errors import SettingError, UserError
from dtp_tf.files import remove_half_written
from dtp_tf.machines.checkpoint_every import USUAL
from dtp_tf.machines.machine import Machine
from dtp_tf.processes.cores import check_workers
from dtp_tf.processes.locks import locked
from dtp_tf.processes.stopping import stoppable
from dtp_tf.recipes.rules import RULES
from dtp_tf.reporting.automatic import report_at_the_end
from dtp_tf.rules import find_rule
from dtp_tf.rules.own_settings import check_own_rule, unused_settings
from dtp_tf.tuning.search_space import make_search
from dtp_tf.tuning.workers import run_workers

SHARE = 10  # trials that one process trains, for it keeps some memory of each


def tune(
    recipe="digits",
    trials=20,
    *,
    search=None,
    timeout=None,
    workers=1,
    out=None,
    data_dir=None,
    anyway=False,
    report=True,
    console=None,
    device="auto",
    jit="auto",
    strategy="none",
    in_memory="auto",
    checkpoint_every=USUAL,
    **settings,
):
    """Search for settings of a recipe with a better validation accuracy.

    Each trial trains the recipe with other values of what is searched, is measured by its best
    epoch, and is pruned (stopped early) once it falls below the median of those that have
    finished. The first trial has the recipe's own settings. The test split is not read. The same
    call goes on where an earlier one was stopped; calls in other processes, or on other machines
    that see the folder, share the trials.

    Args:
        recipe: the name of a recipe, or a `Recipe`.
        trials: how many in all, those of earlier calls included.
        search: the search space, a mapping or the YAML or JSON file of one; by default ranges
            around the recipe's values. See `dtp_tf.tuning.search_space`.
        timeout: seconds after which this call stops; its unfinished trials can go on later.
        workers: how many processes of this machine train at the same time.
        out: the study's folder; by default `tunings/RECIPE`.
        data_dir: the folder of TensorFlow Datasets.
        anyway: whether to go on although the data are not those of the trials so far, which is then
            only said.
        report: whether to leave `report.html` in the folder, see `dtp_tf.report`.
        console: a `rich.console.Console` for what a person reads; stdout by default.
        device, jit, strategy: of every trial, see `dtp_tf.machines.Machine`; not multiworker.
        **settings: override the recipe's, and are not searched.

    Returns:
        A dict: "complete" (whether all trials are done), "done" (how many are), "folder", "best"
        (the row of the best trial, None if none has finished), "best_config" (the path of
        `best.yaml`, or None), "importances" (by parameter, or None) and "trials" (a row each, best
        first).

    Raises:
        SettingError: see `dtp_tf.tuning.search_space.make_search`.
        UserError: Optuna is missing, the folder holds another study or one on other data, or an
            error of `train`.

    Example:

        result = dtp_tf.tune("digits", trials=10, epochs=3)
    """
    console = console or make_console()
    check_numbers(trials=trials, workers=workers, timeout=timeout)
    machine = Machine(device, jit, strategy, in_memory, checkpoint_every)
    base, space = make_search(recipe, search, machine, **settings)
    require_optuna()
    from dtp_tf.tuning.report import write_report
    from dtp_tf.tuning.search_page import write_search_page
    from dtp_tf.tuning.shared_study import SharedStudy

    rule = find_rule(base.rule)  # a rule of one's own may be missing, or fail
    if search is None and base.rule not in RULES:
        space = space.without(unused_settings(rule))
    check_own_rule(base, rule, space.parameters)
    study = SharedStudy.create(out or pathlib.Path("tunings", base.recipe), base, space)
    done = study.done()
    console.print(f"study      {study.folder}: {done} of {trials} trials are done", markup=False)
    console.print(f"searched   {', '.join(space.parameters)}", markup=False)
    job = {
        "study": str(study.folder),
        "trials": trials,
        "share": SHARE,
        "data_dir": None if data_dir is None else str(data_dir),
        "machine": dataclasses.asdict(machine),
        "anyway": anyway,
        "stream": None if console.quiet else "stderr" if console.stderr else "stdout",
    }
    limit = None if timeout is None else time.monotonic() + timeout
    with _stop() as stop:
        run_workers(study, job, workers, limit, stop, console)
    with locked(study.folder / "locks" / "report"):
        remove_half_written(study.folder)
        content = write_report(study, trials, console)
        if report and content["trials"]:
            report_at_the_end(lambda: write_search_page(study.folder), study.folder, console)
    if not content["complete"]:
        done = f"{content['done']} of {trials} trials are done"
        elsewhere = sum(row["status"] == "running" for row in content["trials"])
        if elsewhere:
            done += f", {elsewhere} in training elsewhere"
        console.print(f"{done}; the same command goes on", markup=False)
    return content


def check_numbers(trials, workers=1, timeout=None):
    """Raise `SettingError` if one of these numbers cannot be used."""
    check_whole("trials", trials)
    check_workers(workers)
    if timeout is not None and (isinstance(timeout, bool) or not timeout > 0):
        raise SettingError(f"`timeout` must be above 0 seconds, got {timeout!r}.")


def require_optuna():
    """Raise `UserError` if Optuna is not installed."""
    if importlib.util.find_spec("optuna") is None:
        raise UserError("tune needs Optuna; install it with pip install 'dtp-tf[tune]'.")


@contextlib.contextmanager
def _stop():
    """Yield an event that Ctrl-C sets; a second Ctrl-C ends the block."""
    with stoppable() as stop, contextlib.suppress(KeyboardInterrupt):
        yield stop
