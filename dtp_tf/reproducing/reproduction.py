"""Reproducing a paper's table: every row with its seeds, each a run folder, and one table.

The folder of a reproduction holds

    ROW-SEED/           a run, as `train` leaves it; with diverged.json if it diverged
    reproduction.json   every row of the table, published beside measured, and every run
    reproduction.csv    a line per row
    runs.csv            a line per run with all conditions
    reproduction.md     the table for people
    reproduction.png    published beside measured

and `.lock` while a process works on it, see `dtp_tf.processes.locks`.
"""

import pathlib

from dtp_tf.comparing.comparison import (
    check_data,
    job_settings,
    refuse_other_run,
    train_missing,
)
from dtp_tf.comparing.results import Result
from dtp_tf.console.tables import make_console
from dtp_tf.files import LOCK, make_folder, remove_half_written
from dtp_tf.machines.checkpoint_every import USUAL
from dtp_tf.machines.machine import Machine
from dtp_tf.processes.cores import check_workers
from dtp_tf.processes.locks import alone
from dtp_tf.reproducing.measured import (
    begun_alike,
    epochs_done,
    expected_seconds,
    find_runs,
    row_content,
)
from dtp_tf.reproducing.picture import draw_reproduction
from dtp_tf.reproducing.plan import make_plan, run_name
from dtp_tf.reproducing.report import hours, make_content, show_report, write_report
from dtp_tf.runs.folder import Run


def reproduce(
    table,
    rows=None,
    seeds=None,
    *,
    settings="published",
    quick=False,
    out=None,
    data_dir=None,
    anyway=False,
    workers=1,
    dry_run=False,
    console=None,
    device="auto",
    jit="auto",
    strategy="none",
    in_memory="auto",
    checkpoint_every=USUAL,
):
    """Train the rows of a paper's table and hold what comes out against what is published.

    Every run has a process of its own. Finished runs are not repeated and unfinished ones are
    resumed, so a reproduction may be stopped and started again at any time; runs that an earlier
    call with other rows or seeds left in the folder join the table.

    Args:
        table: the name of a table, or a YAML or JSON file that holds one.
        rows: names of rows or of rules, as a list or text with commas. None = all.
        seeds: how many, from 0 on; None = as many as the table says.
        settings: "published" = the paper's, and this project's where it does not tell its own;
            "ours" = this project's; "all" = both, each a row.
        quick: train shorter variants, of fewer epochs; the table says so in every line.
        out: the folder; by default `reproductions/TABLE`, or `reproductions/TABLE-quick`.
        data_dir: the folder of TensorFlow Datasets.
        anyway: whether to go on although the data are not those of the runs so far, which is then
            only said.
        workers: how many runs are trained at the same time; see `dtp_tf.compare`.
        dry_run: train and write nothing; print what would be trained, and the table so far.
        console: a `rich.console.Console` for what a person reads; stdout by default.
        device, jit, strategy, in_memory, checkpoint_every: of every run, see
            `dtp_tf.machines.Machine`; not multiworker.

    Returns:
        The content of `reproduction.json`: "complete" (whether all runs that were asked for are
        done), "meaning" (of better, level and worse), "rows" (one dict per row of the table) and
        "runs" (one per run). Figures of rows are in percent, accuracies of runs from 0 to 1; None
        where there is no number.

    Raises:
        SettingError: `workers` is out of its range; or see `dtp_tf.reproducing.plan.make_plan`.
        UserError: a run in the folder was made with other settings or on other data, or another
            process is at work in the folder; or one that `train` raises.

    Example:

        result = dtp_tf.reproduce("lee", ["dtp", "bp"], seeds=1, quick=True)
    """
    console = console or make_console()
    check_workers(workers)
    machine = Machine(device, jit, strategy, in_memory, checkpoint_every)
    plan = make_plan(table, rows, seeds, settings, quick, machine)
    folder = pathlib.Path(plan.default_folder if out is None else out)
    asked = {path: _begun(path, recipe) for path, (_, recipe) in plan.asked(folder).items()}
    for path, recipe in asked.items():
        refuse_other_run(path, recipe)
    if dry_run:
        _show_plan(plan, asked, console)
        return _report(plan, folder, asked, console, write=False)
    make_folder(folder)
    with alone(folder / LOCK, folder):
        remove_half_written(folder)
        how = job_settings(data_dir, machine, anyway, workers, console)
        _train(plan, folder, asked, how, console, workers)
        return _report(plan, folder, asked, console)


def _begun(path, recipe):
    """Return a run's recipe with the first weights where the run that is there has them."""
    run = Run(path)
    return begun_alike(run.recipe(), recipe) if run.config.is_file() else recipe


def _train(plan, folder, asked, how, console, workers):
    """Train what is not done: first what begins by itself, then what begins with it."""
    bases = {
        folder / run_name(row, seed): row.begins_with
        and folder / run_name(plan.table.rows[row.begins_with], seed)
        for row in plan.rows
        for seed in range(plan.seeds[row.name])
    }

    def after():
        if not how["anyway"]:  # which is said at the end
            check_data(asked, False, console)
        _write(plan, folder, asked)

    for stage in (False, True):
        ready = {}
        for path, recipe in asked.items():
            base = bases[path]
            if (base is not None) is not stage:
                continue
            result = None if base is None else Result.of(base)
            if base is None or (result is not None and not result.diverged):
                ready[path] = recipe
            elif Result.of(path) is None:
                console.print(f"waits      {path}: {base} is not finished", markup=False)
        if not train_missing(ready, how, console, after, _label, workers):
            break
    check_data(asked, how["anyway"], console)


def _label(path, recipe):
    return f"{path.name.rpartition('-')[0]}, seed {recipe.seed}"


# -- the table -------------------------------------------------------------------------------------


def _content(plan, folder, asked, console=None):
    found = find_runs(plan, folder, console)
    rows, runs = [], []
    for name, paths in found.items():
        row = plan.table.rows[name]
        if not paths and plan.quick and not row.has_quick():
            continue
        rows.append(row_content(plan, row, paths))
        for path in paths:
            result = Result.of(path)
            if result is not None:
                about = {"row": name, "folder": path.name, "recipe": result.recipe.recipe}
                runs.append({**about, **result.row()})
    complete = all(Result.of(path) is not None for path in asked)
    return make_content(plan, rows, runs, complete)


def _write(plan, folder, asked, console=None):
    content = _content(plan, folder, asked, console)
    write_report(content, folder)
    draw_reproduction(content, folder / "reproduction.png")
    return content


def _report(plan, folder, asked, console, write=True):
    """Print the table, and write it; return its content."""
    content = (_write if write else _content)(plan, folder, asked, console)
    show_report(console, content)
    if write:
        files = "reproduction.csv, .json, .md, .png, runs.csv"
        console.print(f"written    {folder}/{files}", markup=False)
    if not content["complete"]:
        done = sum(Result.of(path) is not None for path in asked)
        console.print(
            f"{done} of {len(asked)} runs are done; the same command "
            f"{'goes on' if write else 'without --dry-run trains the others'}",
            markup=False,
        )
    return content


def _show_plan(plan, asked, console):
    """Print what would be trained, and how long it may take where that is known."""
    for row in plan.rows:
        paths = [path for path in asked if path.name.rpartition("-")[0] == row.name]
        recipe = asked[paths[0]]
        left = [path for path in paths if Result.of(path) is None]
        begun = [f"{path.name} has {epochs_done(path)}" for path in left if epochs_done(path)]
        if not left:
            text = "done"
        else:
            text = f"{len(left)} of {len(paths)} run(s) to train, {recipe.epochs} epochs each"
            text += f" ({', '.join(begun)})" if begun else ""
            seconds = expected_seconds(paths, recipe)
            text += ", time not known" if seconds is None else f", about {hours(seconds)}"
        console.print(f"{row.name}: {recipe.recipe}, rule {row.rule}: {text}", markup=False)
