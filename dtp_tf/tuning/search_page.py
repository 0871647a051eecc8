"""The page of a search: its history, what mattered, the best settings, every trial."""

import contextlib
import csv
import io
import pathlib

from dtp_tf.console.plain import quoted
from dtp_tf.console.program import PROGRAM
from dtp_tf.errors import UserError
from dtp_tf.files import read_bytes, refuse_links_out
from dtp_tf.recipes.commands import config_command
from dtp_tf.reporting.blocks import Code, Facts, Fold, Page, Plots, Section, Table, Text, Tiles
from dtp_tf.reporting.page import write_page
from dtp_tf.reporting.run_facts import duration, page_title, rule_words, version_facts
from dtp_tf.reporting.svg import inline_svg, small_figure
from dtp_tf.schema import DamagedError, decoded
from dtp_tf.tuning.pictures import history_on, importances_on, parallel_figure
from dtp_tf.tuning.report import best_config, make_rows, short
from dtp_tf.tuning.shared_study import SharedStudy

STUDY, TABLE = "study.json", "trials.csv"
_NUMBERS = {"trial": int, "best_epoch": int, "epochs": int, "epochs_asked": int, "seed": int,
            "validation_accuracy": float, "validation_loss": float, "seconds": float}
_ENDS = ("pruned", "diverged", "failed", "running", "waiting")


def write_search_page(folder, path=None):
    """Write the page of a search in its folder, and return its path.

    Args:
        folder: the study's; or one that has only its `trials.csv`, perhaps with `best.yaml`.
        path: of the page; `report.html` in the folder by default.

    Raises:
        UserError: there is no study, or one without trials, its files are damaged, or the page
            cannot be written.
    """
    folder = pathlib.Path(folder)
    refuse_links_out(folder)
    study = SharedStudy(folder) if (folder / STUDY).is_file() else None
    rows = make_rows(study) if study is not None else _read_rows(folder / TABLE)
    if not rows:
        raise UserError(f"{folder} has no trials yet.")
    path = folder / "report.html" if path is None else path
    write_page(_page(folder, study, rows), path)
    return path


def _read_rows(path):
    """Return the rows of a `trials.csv`."""
    try:
        rows = list(csv.DictReader(io.StringIO(decoded(read_bytes(path)), newline=""), strict=True))
        return [
            {**{k: v or None for k, v in row.items()},
             **{name: kind(row[name]) if row[name] else None for name, kind in _NUMBERS.items()},
             "is_recipe": row["is_recipe"] == "True"}
            for row in rows
        ]
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise DamagedError(path, f"it is no table of trials ({error})") from None


def _page(folder, study, rows):
    best = next((row for row in rows if row["status"] == "finished"), None)
    names = list(rows[0])
    searched = names[names.index("is_recipe") + 1 : names.index("recipe")]
    recipe = rows[0]["recipe"]
    title = recipe if folder.resolve().name == recipe else f"{recipe}: {folder.resolve().name}"
    if study is not None:
        title = page_title(study.base, folder)
    versions = {name: rows[0][name] for name in ("dtp_tf", "keras", "tensorflow", "python",
                                                "device") if rows[0].get(name)}
    return Page(
        title, "Search for settings", _lead(rows, best, searched), _tiles(rows, best),
        [
            Section("History and importance", _together(_history(rows), _importance(study))),
            Section("Parallel coordinates", _parallel(study, best)),
            Section("Best settings", _best(folder, study, best)),
            Section("Trials", _trials(rows, searched)),
            Section("Data", [Facts([
                ("name", rows[0]["data"] or "not known"),
                ("training / validation images", rows[0]["training/validation"] or "not known"),
                ("test images", "not read"),
            ])]),
            Section("Versions", version_facts(versions)),
            Section("Commands", _commands(folder, study, best)),
        ],
        f"Made by dtp_tf from the search in {folder.resolve()}.",
    )


def _lead(rows, best, searched):
    first = (
        f"A search for {', '.join(searched)} of the recipe {rows[0]['recipe']} with the learning "
        f"rule {rule_words(rows[0]['rule'])}, {rows[0]['epochs_asked']} epochs a trial."
    )
    if best is None:
        return [first, "No trial has finished."]
    own = next((row for row in rows if row["is_recipe"] and row["validation_accuracy"]), None)
    beside = "" if own is None else (
        f"; the recipe's own settings have {own['validation_accuracy']:.2%}"
    )
    return [first, (
        f"The best trial is number {best['trial']} with a validation accuracy of "
        f"{best['validation_accuracy']:.2%}{beside}. It was chosen by that figure, so another seed "
        "will give less; test images were not read."
    )]


def _tiles(rows, best):
    counts = {end: sum(row["status"] == end for row in rows) for end in _ENDS}
    ended = ", ".join(f"{count} {end}" for end, count in counts.items() if count)
    tiles = [] if best is None else [
        ("best validation accuracy", f"{best['validation_accuracy']:.2%}",
         f"trial {best['trial']}, epoch {best['best_epoch']}"),
    ]
    seconds = sum(row["seconds"] or 0 for row in rows)
    return Tiles([
        *tiles, ("trials", f"{len(rows)}", ended or "all finished"),
        ("training time", duration(seconds), "of all trials together"),
    ])


def _history(rows):
    if all(row["validation_accuracy"] is None for row in rows):
        return [Text("History is not shown: no trial has an accuracy.", "note")]
    figure, axes = small_figure()
    history_on(axes, rows)
    axes.legend(fontsize=7, frameon=False)
    alt = "validation accuracy of each trial, and the best so far: " + ", ".join(
        f"trial {row['trial']} {row['validation_accuracy']:.2%}"
        for row in sorted(rows, key=lambda row: row["trial"])
        if row["validation_accuracy"] is not None
    )
    return [Plots([(inline_svg(figure, alt), "Validation accuracy of each trial.")])]


def _together(history, importance):
    """Put the diagrams of two lists of blocks side by side, and what else they have below."""
    plots = [plot for block in (*history, *importance) if isinstance(block, Plots)
             for plot in block.plots]
    others = [block for block in (*history, *importance) if not isinstance(block, Plots)]
    return [*([Plots(plots)] if plots else []), *others]


def _importance(study):
    if study is None:
        return [Text(f"Importance is not shown: the folder has only its {TABLE}, not the study.",
                     "note")]
    importances = study.importances()
    if importances is None:
        return [Text("Importance is not shown: too few finished trials differ.", "note")]
    figure, axes = small_figure(height=1.2 + 0.3 * len(importances))
    place, left = axes.get_position(), (0.15 + 0.068 * max(map(len, importances))) / 4.4
    axes.set_position([left, place.y0, 0.97 - left, place.height])
    importances_on(axes, importances)
    axes.tick_params(labelsize=8)
    alt = "; ".join(f"{name} {share:.0%}" for name, share in importances.items())
    caption = "How much of the differences in validation accuracy each setting explains (fANOVA)."
    return [Plots([(inline_svg(figure, f"importance: {alt}"), caption)])]


def _parallel(study, best):
    if study is None:
        return [Text(f"Not shown: the folder has only its {TABLE}, not the study.", "note")]
    if best is None:
        return [Text("Not shown: no trial has finished.", "note")]
    names = ", ".join(study.space.parameters)
    alt = f"a line for each trial through its {names}; thick: trial {best['trial']}, the best"
    return [Plots([(inline_svg(parallel_figure(study), alt), "")], wide=True)]


def _best(folder, study, best):
    if best is None:
        return [Text("Not shown: no trial has finished.", "note")]
    if study is not None:
        text = best_config(study, best)
    else:
        file = folder / "best.yaml"
        if not file.is_file():
            return [Text("Not shown: the folder has no best.yaml.", "note")]
        try:
            text = decoded(read_bytes(file))
        except (OSError, ValueError) as error:  # too large, or no text
            reason = getattr(error, "strerror", None) or error
            return [Text(f"Not shown: best.yaml cannot be read: {reason}.", "note")]
    return [Code([("As train --config takes them:", text.rstrip())])]


def _trials(rows, searched):
    """Return all trials in tables by how they ended, those that finished first."""
    head = ["trial", "validation accuracy", "best epoch", "epochs", "time", *searched]
    blocks = []
    for status in ("finished", *_ENDS):
        mine = [_cells(row, searched) for row in rows if row["status"] == status]
        if mine:
            blocks.append(Table(f"{len(mine)} {status}, the best first.", head, mine,
                                (0, 1, 2, 3, 4)))
    commands = [(f"Trial {row['trial']}", row["command"]) for row in rows if row["command"]]
    return [*blocks, Fold(f"The commands of {len(commands)} trials", [Code(commands)])]


def _cells(row, searched):
    accuracy, seconds = row["validation_accuracy"], row["seconds"]
    values = (short(_number(row[name])) for name in searched)
    mark = " (recipe)" if row["is_recipe"] else ""
    return [
        f"{row['trial']}{mark}", "-" if accuracy is None else f"{accuracy:.2%}",
        "-" if row["best_epoch"] is None else row["best_epoch"], row["epochs"],
        "-" if seconds is None else duration(seconds), *values,
    ]


def _number(value):
    """Return a number that is text in a table as a number."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return float(value)
    return value


def _commands(folder, study, best):
    if study is None:
        return [Text(f"Not shown: the folder has only its {TABLE}, not the study.", "note")]
    rows = []
    if best is not None:
        path = folder / "best.yaml"
        rows = [("Train with the best settings", config_command(path, study.base)),
                ("Train the best trial again", best["command"])]
    return [Code([*rows, ("Report again, with the trials that others finish meanwhile",
                          f"{PROGRAM} report {quoted(folder)}")])]
