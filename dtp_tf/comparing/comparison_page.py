"""The page of a comparison: the table, learning curves, and in what the rules' settings differ."""

import pathlib
import statistics

from dtp_tf.comparing.pictures import Drawn
from dtp_tf.comparing.plan import HELD_EQUAL, folder_name, rule_label
from dtp_tf.comparing.results import Result, summarize
from dtp_tf.console.plain import quoted
from dtp_tf.console.program import PROGRAM
from dtp_tf.errors import UserError
from dtp_tf.files import read_json, refuse_links_out
from dtp_tf.recipes.commands import train_command
from dtp_tf.recipes.named import RECIPES
from dtp_tf.recipes.recipe import SETTINGS, shown
from dtp_tf.reporting.blocks import Code, Fold, Page, Plots, Section, Table, Text, Tiles
from dtp_tf.reporting.page import write_page
from dtp_tf.reporting.run_facts import (
    data_facts,
    duration,
    network_words,
    page_title,
    version_facts,
)
from dtp_tf.reporting.svg import inline_svg, plain_ticks, small_figure
from dtp_tf.schema import BOOLEAN, TEXT, WHOLE, listed, mapping

NAME = "comparison.json"
COMPARISON = mapping(
    {"complete": BOOLEAN, "runs": listed(mapping({"rule": TEXT, "seed": WHOLE}), at_least=1)}
)


def write_comparison_page(folder, path=None):
    """Write the page of a comparison in its folder, and return its path.

    Args:
        folder: the comparison's.
        path: of the page; `report.html` in the folder by default.

    Raises:
        UserError: there is no comparison, its files are damaged, or the page cannot be written.
    """
    folder = pathlib.Path(folder)
    refuse_links_out(folder)
    content = read_json(folder / NAME, COMPARISON)
    results, missing = [], []
    for row in content["runs"]:
        result = Result.of(folder / folder_name(row["rule"], row["seed"]))
        if result is None:
            missing.append(f"{rule_label(row['rule'])} with seed {row['seed']}")
        else:
            results.append(result)
    if not results:
        raise UserError(f"{folder} has none of the runs that its {NAME} names.")
    path = folder / "report.html" if path is None else path
    write_page(_page(folder, content, results, missing), path)
    return path


def _page(folder, content, results, missing):
    recipe, summary = results[0].recipe, summarize(results)
    drawn = Drawn(results)
    first = next((one.metrics for one in results if one.metrics), None)
    conditions = {} if first is None else first["conditions"]
    return Page(
        page_title(recipe, folder), "Comparison of learning rules",
        _lead(recipe, summary, conditions.get("data")), _tiles(summary, results),
        [
            Section("Results", [*_gaps(content, missing, summary), _table(summary),
                                *_published(recipe)]),
            Section("Learning curves", _curves(drawn)),
            Section("Settings", _settings(results)),
            Section("Runs", [_runs(results)]),
            Section("Data", data_facts(conditions.get("data"))),
            Section("Versions", version_facts(conditions)),
            Section("Commands", _commands(folder, results)),
        ],
        f"Made by dtp_tf from the comparison in {folder.resolve()}.",
    )


def _lead(recipe, summary, data):
    images = "" if data is None else f" ({data['training_images']:,} training images)"
    seeds = sorted({one["seeds"] + one["diverged"] for one in summary})
    count = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    rules = "1 learning rule" if len(summary) == 1 else f"{len(summary)} learning rules"
    first = (
        f"{network_words(recipe)}, trained on {recipe.source}{images} by {rules}, each with "
        f"{count} seed{'' if seeds == [1] else 's'}, for {recipe.epochs} epochs."
    )
    best = _best(summary)
    if best is None:
        return [first, "No run has finished."]
    return [first, (
        f"The best test accuracy has {rule_label(best['rule'])}: {_accuracy(best)}; all rules of a "
        "seed had the same split, the same initial forward weights and the same order of batches."
    )]


def _best(summary):
    finished = [one for one in summary if one["test_accuracy"] is not None]
    return max(finished, key=lambda one: one["test_accuracy"], default=None)


def _accuracy(one):
    """Return a rule's mean test accuracy with its deviation over the seeds."""
    if one["test_accuracy"] is None:
        return "-"
    if one["test_accuracy_std"] is None:
        return f"{100 * one['test_accuracy']:.2f} % (1 seed)"
    return f"{100 * one['test_accuracy']:.2f} ± {100 * one['test_accuracy_std']:.2f} %"


def _tiles(summary, results):
    best = _best(summary)
    seconds = sum(one.row()["seconds"] for one in results)
    tiles = [] if best is None else [
        ("best test accuracy", f"{100 * best['test_accuracy']:.2f} %",
         rule_label(best["rule"])),
    ]
    diverged = sum(one["diverged"] for one in summary)
    return Tiles([
        *tiles,
        ("rules", f"{len(summary)}", ""),
        ("runs", f"{len(results)}", f"{diverged} of them diverged" if diverged else "all finished"),
        ("training time", duration(seconds), "of all runs together"),
    ])


def _gaps(content, missing, summary):
    """Say what is not in the table."""
    said = []
    if not content["complete"]:
        said.append(Text("The comparison is not complete: runs are still to come.", "warning"))
    if missing:
        said.append(Text(f"Left out, for their folders are missing or not done: "
                         f"{', '.join(missing)}.", "note"))
    diverged = [f"{rule_label(one['rule'])} ({one['diverged']})" for one in summary
                if one["diverged"]]
    if diverged:
        said.append(Text(f"Runs that diverged are part of no mean: {', '.join(diverged)}.", "note"))
    return said


def _table(summary):
    order = sorted(summary, key=lambda one: -(one["test_accuracy"] or 0))
    rows = [
        [rule_label(one["rule"]), one["schedule"] or "-", one["seeds"], _accuracy(one),
         *(_percent(one[name]) for name in ("test_error", "validation_accuracy")),
         *("-" if one[name] is None else f"{one[name]:.3g}"
           for name in ("seconds_per_epoch", "best_epoch"))]
        for one in order
    ]
    return Table(
        "Means over the finished seeds, with the standard deviation of the sample; the epoch is "
        "chosen by validation accuracy.",
        ["rule", "schedule", "seeds", "test accuracy", "test error", "validation accuracy",
         "s / epoch", "best epoch"], rows, (2, 3, 4, 5, 6, 7),
    )


def _percent(value):
    return "-" if value is None else f"{100 * value:.2f} %"


def _published(recipe):
    named = RECIPES.get(recipe.recipe)
    if named is None or not named.published or recipe.source != named.settings["dataset"]:
        return [Text("No paper published figures of this recipe.", "note")]
    return [Text(named.published)]


def _curves(drawn):
    if not drawn.by_rule:
        return [Text("Not shown: no run finished.", "note")]
    plots = [
        _legend(drawn),
        _plot(drawn, drawn.accuracy, "validation accuracy over the epochs"),
        _plot(drawn, drawn.time, "validation accuracy over the training time"),
        _plot(drawn, drawn.loss, "training loss over the epochs"),
    ]
    if drawn.angles:
        plots.append(_plot(drawn, drawn.angles_to_bp, "angles to backpropagation's updates"))
        return [Plots(plots)]
    return [Plots(plots), Text("Not shown: angles to backpropagation's updates were not measured; "
                               "--diagnostics-every 1 does it.", "note")]


def _plot(drawn, draw, what):
    figure, axes = small_figure()
    draw(axes)
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            plain_ticks(axis)
    caption = axes.get_title() or what
    axes.set_title("")
    best = ", ".join(f"{rule_label(rule)} {value:.2%}" for rule, value in drawn.best().items())
    alt = f"{what}, a line for each rule; mean of best validation: {best}"
    return inline_svg(figure, alt), caption


def _legend(drawn):
    figure, axes = small_figure(height=max(1.2, 0.7 + 0.2 * len(drawn.by_rule)))
    axes.axis("off")
    drawn.legend(figure, loc="center", fontsize=10)
    return inline_svg(figure, "the lines of the rules, the best first"), (
        "A line is the mean over the seeds, a band reaches from the lowest to the highest."
    )


def _settings(results):
    """The settings side by side that differ between the rules, and what all share."""
    of_rule = {}
    for result in results:
        of_rule.setdefault(result.recipe.rule, result.recipe)
    rows = []
    for name in SETTINGS:
        values = [shown(getattr(recipe, name)) for recipe in of_rule.values()]
        if name not in ("rule", "seed") and len(set(values)) > 1:
            rows.append([name, *("-" if value == "none" else value for value in values)])
    first = results[0].recipe
    equal = [[name, shown(getattr(first, name))] for name in HELD_EQUAL]
    held = Fold("What all rules share", [
        Table("Equal for all rules.", ["setting", "value"], equal)
    ])
    if not rows:
        return [Text("The rules have no settings that differ."), held]
    head = ["setting", *map(rule_label, of_rule)]
    caption = "Settings that differ between the rules; - where a rule does not take one."
    return [Table(caption, head, rows), held]


def _runs(results):
    rows = [
        [rule_label(row["rule"]), row["seed"], row["status"], _percent(row["test_accuracy"]),
         _percent(row["validation_accuracy"]), "-" if row["best_epoch"] is None else
         row["best_epoch"], duration(row["seconds"]), row["command"]]
        for row in (one.row() for one in results)
    ]
    spread = [one.row()["seconds"] for one in results]
    caption = f"Every run; they took {duration(statistics.fmean(spread))} on average."
    return Fold(f"All {len(rows)} runs, with their commands", [Table(
        caption, ["rule", "seed", "status", "test", "validation", "best epoch", "time", "command"],
        rows, (1, 3, 4, 5, 6), (7,),
    )])


def _commands(folder, results):
    rules = ",".join(dict.fromkeys(one.recipe.rule for one in results))
    seeds = 1 + max(one.recipe.seed for one in results)
    recipe, rows = results[0].recipe, []
    if recipe.recipe in RECIPES:
        rows.append((
            "Add rules or seeds, with the same settings as here",
            f"{PROGRAM} compare {recipe.recipe} --rules {quoted(rules)} --seeds {seeds} --out "
            f"{quoted(folder)}",
        ))
    best = max(results, key=lambda one: one.row()["validation_accuracy"] or 0)
    return [Code([
        *rows,
        ("Report on the run with the best validation accuracy",
         f"{PROGRAM} report {quoted(best.path)}"),
        ("Train it again", train_command(best.recipe, best.path)),
    ])]
