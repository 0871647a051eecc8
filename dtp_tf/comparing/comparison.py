"""Comparing learning rules: every rule with every seed, each a run folder, and one table.

The folder of a comparison holds

    RULE-SEED/          a run, as `train` leaves it; with diverged.json if it diverged
    comparison.csv      a row per run with all conditions
    comparison.json     the same and the summary over the seeds
    comparison.png      learning curves
    report.html         a page that shows all of it

and `.lock` while a process works on it, see `dtp_tf.processes.locks`.
"""

import contextlib
import dataclasses
import pathlib
import time

from dtp_tf.comparing.comparison_page import write_comparison_page
from dtp_tf.comparing.plan import HELD_EQUAL, difference, folder_name, make_plan, rule_label
from dtp_tf.comparing.results import Result, draw_comparison, show_table, summarize, write_csv
from dtp_tf.console.tables import make_console
from dtp_tf.errors import SettingError, UserError
from dtp_tf.files import (
    LOCK,
    is_empty,
    make_folder,
    refuse_link_out,
    refuse_links_out,
    remove_half_written,
    write_json,
)
from dtp_tf.machines.checkpoint_every import USUAL
from dtp_tf.machines.machine import Machine
from dtp_tf.processes.child_process import run_jobs
from dtp_tf.processes.cores import check_workers
from dtp_tf.processes.locks import alone
from dtp_tf.processes.stopping import stoppable
from dtp_tf.recipes.recipe import shown
from dtp_tf.reporting.automatic import report_at_the_end
from dtp_tf.rules import find_rule
from dtp_tf.rules.own_settings import check_own_rule
from dtp_tf.runs.folder import Run
from dtp_tf.runs.provenance import fact_changes, refuse_or_warn

RUN_JOB = "dtp_tf.comparing.run_job"  # the module that trains a run in its own process
_SPLIT = ("seed", "validation_fraction", "image_size")
PATIENCE = 60  # seconds for a run's last process to end


def compare(
    recipe="digits",
    rules=None,
    seeds=3,
    *,
    out=None,
    data_dir=None,
    anyway=False,
    workers=1,
    report=True,
    rule_config=None,
    console=None,
    device="auto",
    jit="auto",
    strategy="none",
    in_memory="auto",
    checkpoint_every=USUAL,
    **settings,
):
    """Train a recipe's network by several learning rules and compare them.

    All rules of one seed have the same split, the same initial forward weights and the same order
    of batches. Runs have processes of their own. Finished runs are not repeated and unfinished
    ones are resumed, so a comparison may be stopped and started again at any time; runs that an
    earlier call with other rules or seeds left in the folder join the table.

    Args:
        recipe: the name of a recipe, or a `Recipe`.
        rules: names of rules, FILE.py:CLASS, or "all" for every rule of the library; a list, or
            text with commas. None = all.
        seeds: how many; the seeds are 0 .. seeds - 1.
        out: the comparison's folder; by default `comparisons/RECIPE`.
        data_dir: the folder of TensorFlow Datasets.
        anyway: whether to go on although the data are not those of the runs so far, which is then
            only said.
        workers: how many runs are trained at the same time, each in a process with its share of
            the cores, which print no line per epoch then; at most 256.
        report: whether to leave `report.html` in the folder, see `dtp_tf.report`.
        rule_config: settings by rule, `{rule: {setting: value}}`, or the file that holds them.
        console: a `rich.console.Console` for what a person reads; stdout by default.
        device, jit, strategy: of every run, see `dtp_tf.machines.Machine`; not multiworker.
        **settings: override the recipe's for every rule; those of rules only where they are taken.

    Returns:
        The content of `comparison.json`: "complete" (whether all runs that were asked for are
        done), "held_equal" (what the rules share), "summary" (one dict per rule) and "runs" (one
        per run). Accuracies are from 0 to 1; None where there is no number.

    Raises:
        SettingError: `workers` is out of its range; or see `dtp_tf.comparing.plan.make_plan`.
        UserError: a run in the folder was made with other settings or on other data, or another
            process is at work in the folder; or one that `train` raises.

    Example:

        result = dtp_tf.compare("digits", ["bp", "dtp"], seeds=2, epochs=3)
    """
    console = console or make_console()
    check_workers(workers)
    machine = Machine(device, jit, strategy, in_memory, checkpoint_every)
    plan = make_plan(recipe, rules, seeds, rule_config, machine, **settings)
    for one in plan.recipes[: len(plan.rules)]:
        check_own_rule(one, find_rule(one.rule))
    first = plan.recipes[0]
    folder = pathlib.Path("comparisons", first.recipe) if out is None else pathlib.Path(out)
    asked = {folder / folder_name(one.rule, one.seed): one for one in plan.recipes}
    for path, settled in asked.items():
        refuse_other_run(path, settled)
    make_folder(folder)
    with alone(folder / LOCK, folder):
        remove_half_written(folder)
        how = job_settings(data_dir, machine, anyway, workers, console)
        return _work(folder, asked, how, console, report, workers)


def job_settings(data_dir, machine, anyway, workers, console):
    """Return what the jobs of all runs say, see `dtp_tf.comparing.run_job`."""
    silent = console.quiet or workers > 1  # whose lines would be mixed
    return {
        "data_dir": None if data_dir is None else str(data_dir),
        "machine": dataclasses.asdict(machine),
        "anyway": anyway,
        "stream": None if silent else "stderr" if console.stderr else "stdout",
    }


def _work(folder, asked, how, console, with_page, workers):
    """Train what is not done yet, and write the tables; return the content of `comparison.json`."""

    def after():
        if not how["anyway"]:  # which is said at the end
            check_data(asked, False, console)
        _write(folder, asked, console)

    train_missing(asked, how, console, after, _label, workers)
    check_data(asked, how["anyway"], console)
    content, results = _write(folder, asked, console, report=True)
    if results:
        show_table(console, content["summary"])
        draw_comparison(results, folder / "comparison.png")
        console.print(f"written    {folder}/comparison.csv, .json, .png", markup=False)
        if with_page:
            report_at_the_end(lambda: write_comparison_page(folder), folder, console)
    if not content["complete"]:
        done = sum(Result.of(path) is not None for path in asked)
        console.print(
            f"stopped: {done} of {len(asked)} runs are done; the same command goes on", markup=False
        )
    return content


def _label(path, recipe):
    return f"{rule_label(recipe.rule)}, seed {recipe.seed}"


def train_missing(asked, how, console, after, label, workers=1):
    """Train those runs that are not done yet, in processes of their own.

    Args:
        asked: recipes by the folders of their runs.
        how: `job_settings`.
        console: where a person reads.
        after: called after each run that was trained.
        label: a function of a path and a recipe that says in words which run it is.
        workers: how many are trained at the same time.

    Returns:
        Whether all are done, and it was not stopped by Ctrl-C before.

    Raises:
        UserError: one failed otherwise than by diverging. Others that are trained at that time end
            after their batch.
    """
    with _stop() as stop:
        jobs = _jobs(asked, how, console, label, stop)
        with contextlib.closing(run_jobs(RUN_JOB, jobs, stop, workers)) as ended:
            for job, outcome in ended:
                path = pathlib.Path(job["run_dir"])
                _heed(path, outcome, console, stop)
                if Result.of(path) is None:
                    stop.set()
                    continue
                if workers > 1:
                    console.print(f"done       {label(path, asked[path])}", markup=False)
                after()
        return not stop.is_set()
    return False  # at a second Ctrl-C


def _jobs(asked, how, console, label, stop):
    """Yield the job of each run that is not done yet, when it is to begin."""
    for number, (path, recipe) in enumerate(asked.items(), start=1):
        if Result.of(path) is not None:
            continue
        console.print(
            f"run {number} of {len(asked)}: {label(path, recipe)}", markup=False, style="bold"
        )
        resume = Run(path).config.exists()
        _wait_until_free(path, console, stop)
        yield {**how, "recipe": recipe.to_dict(), "run_dir": str(path), "resume": resume}


@contextlib.contextmanager
def _stop():
    """Yield an event that Ctrl-C sets; a second Ctrl-C ends the block."""
    with stoppable() as stop, contextlib.suppress(KeyboardInterrupt):
        yield stop


# -- the runs --------------------------------------------------------------------------------------


def refuse_other_run(path, recipe):
    """Raise `UserError` if the folder holds something else than a run by this recipe."""
    refuse_link_out(path.parent, path)
    if not path.exists():
        return
    if not path.is_dir():
        raise UserError(f"{path} is in the way of a run's folder; choose another --out.")
    refuse_links_out(path)
    run = Run(path)
    if not run.config.exists():
        if not is_empty(path):
            raise UserError(f"{path} is no run folder; choose another --out, or delete it.")
        return
    found = run.recipe()
    name = difference(found, recipe)
    if name is not None:
        raise UserError(
            f"{path} was made with `{name}` {shown(getattr(found, name))}, asked for is "
            f"{shown(getattr(recipe, name))}; choose another --out, or delete that folder."
        )


def _heed(path, outcome, console, stop):
    """Note that a run has diverged, or raise `UserError` if it failed in another way."""
    if "diverged" in outcome:
        write_json(Result.marker(path), {"message": outcome["diverged"]})
        console.print(f"diverged   {outcome['diverged']}", markup=False)
    elif "error" in outcome and not stop.is_set():
        raise (SettingError if outcome.get("usage") else UserError)(outcome["error"])


def check_data(asked, anyway, console):
    """Raise `UserError` if runs of one split were trained on different data; `anyway` says it only.

    Of different seeds they differ: each draws its own validation split.
    """
    first = {}
    for path, settled in asked.items():
        result = Result.of(path)
        if result is None or result.diverged:
            continue
        now = result.metrics["conditions"]["data"]
        split = tuple(getattr(settled, name) for name in ("source", *_SPLIT))
        before_path, before = first.setdefault(split, (path, now))
        said = fact_changes(before, now)
        if not said:
            continue
        text = f"the data of {path} differ from those of {before_path}: {said}"
        advice = "delete the folder of the one that is not wanted, choose another --out"
        refuse_or_warn(text, advice, anyway, console)


def _wait_until_free(path, console, stop):
    """Wait, not for long, for the process of a comparison that was killed: it ends in order."""
    end, said = time.monotonic() + PATIENCE, False
    while path.is_dir() and not stop.is_set() and time.monotonic() < end:
        try:
            with Run(path).alone():
                return
        except UserError as error:
            if not said:
                console.print(f"waiting    {error}", markup=False)
            said = True
            stop.wait(0.2)


# -- the table -------------------------------------------------------------------------------------


def _write(folder, asked, console, report=False):
    """Write the tables of all results of a comparison; return their content and the results."""
    results = collect(folder, asked, console if report else None)
    first = next(iter(asked.values()))
    content = {
        "complete": all(Result.of(path) is not None for path in asked),
        "held_equal": {name: first.to_dict()[name] for name in HELD_EQUAL},
        "summary": summarize(results),
        "runs": [result.row() for result in results],
    }
    if results:
        write_csv(content["runs"], folder / "comparison.csv")
        write_json(folder / "comparison.json", content)
    return content, results


def collect(folder, asked, console=None):
    """Return the results in a folder that belong to a comparison.

    Args:
        folder: the comparison's.
        asked: its recipes by the folders of their runs. Other runs belong to it if they share
            what all rules share, and what their rule's other runs have.
        console: where to say which runs are left out, and why.
    """
    first, of_rule, results = next(iter(asked.values())), {}, []
    for recipe in asked.values():
        of_rule.setdefault(recipe.rule, recipe)
    others = sorted(path for path in folder.iterdir() if (path / "config.json").is_file())
    for path in [*asked, *(path for path in others if path not in asked)]:
        refuse_link_out(folder, path)
        refuse_links_out(path)
        result = Result.of(path)
        if result is None:
            continue
        found = result.recipe
        if path.name != folder_name(found.rule, found.seed):
            continue  # a copy
        peer = of_rule.setdefault(found.rule, found)
        name, expected = difference(found, first, HELD_EQUAL), first
        if name is None:
            name, expected = difference(found.replace(seed=peer.seed), peer), peer
        if name is None:
            results.append(result)
        elif console is not None:
            console.print(
                f"left out   {path}: its `{name}` is {shown(getattr(found, name))}, here "
                f"{shown(getattr(expected, name))}",
                markup=False,
            )
    order = list(of_rule)
    return sorted(results, key=lambda one: (order.index(one.recipe.rule), one.recipe.seed))
