"""The results of a comparison: rows, their summary over seeds, tables and learning curves."""

import csv
import io
import re
import statistics

import numpy as np
from matplotlib.figure import Figure  # no window system, no global state
from matplotlib.ticker import FuncFormatter, LogLocator
from rich.table import Table

from dtp_tf.comparing.plan import rule_label, train_command
from dtp_tf.console.tables import cell
from dtp_tf.evaluating.pictures import PLAIN, drawable, plain_legend, save_figure
from dtp_tf.files import read_json, write_text
from dtp_tf.presets.facts import VERSIONS
from dtp_tf.recipes.recipe import RULES, shown
from dtp_tf.runs.folder import METRICS, Run
from dtp_tf.runs.log import read_log as read_log


class Result:
    """What a run that is done has left: finished, or diverged.

    Args:
        path: the run's folder.
        metrics: the content of its `metrics.json`; None if it diverged.
    """

    def __init__(self, path, metrics):
        self.path, self.metrics = path, metrics
        run = Run(path)
        self.recipe = run.recipe()
        self.diverged = metrics is None
        self.history = read_log(run.log)
        self._versions = run.versions

    @staticmethod
    def marker(path):
        """Return the path of the file that tells that a run diverged."""
        return Run(path).diverged

    @classmethod
    def of(cls, path):
        """Return the result in a run's folder, or None if the run is not done."""
        run = Run(path)
        if not run.config.is_file():
            return None
        if run.metrics.is_file():
            metrics = read_json(run.metrics, METRICS)
            return None if metrics["interrupted"] else cls(path, metrics)
        return cls(path, None) if cls.marker(path).is_file() else None

    def row(self):
        """Return the run as a row of the table, in plain types; None where there is no number."""
        recipe, metrics = self.recipe, self.metrics or {}
        conditions = metrics.get("conditions") or read_json(self._versions, VERSIONS)
        data = conditions.get("data", {})
        sizes = ("training_images", "validation_images", "test_images")
        epochs = metrics.get("epochs", len(self.history))
        seconds = metrics.get("seconds", sum(logs.get("seconds") or 0 for logs in self.history))
        return {
            "rule": recipe.rule,
            "seed": recipe.seed,
            "status": "diverged" if self.diverged else "finished",
            "test_accuracy": metrics.get("test", {}).get("accuracy"),
            "validation_accuracy": metrics.get("validation", {}).get("accuracy"),
            "best_epoch": metrics.get("best_epoch"),
            "epochs": epochs,
            "seconds": seconds,
            "seconds_per_epoch": seconds / epochs if epochs else None,
            "schedule": recipe.schedule,
            "inverse_steps": _text(recipe.inverse_steps),
            "noise": _text(recipe.noise),
            "target_step": recipe.target_step,
            "optimizer": recipe.optimizer,
            "learning_rate": _text(recipe.learning_rate),
            "inverse_optimizer": recipe.inverse_optimizer,
            "inverse_learning_rate": _text(recipe.inverse_learning_rate),
            "batch_size": recipe.batch_size,
            "data": data.get("name", recipe.source),
            "split": "/".join(str(data[size]) for size in sizes) if data else None,
            "device": conditions["device"],
            **{name: conditions[name] for name in ("dtp_tf", "keras", "tensorflow", "python")},
            "command": train_command(recipe, self.path),
        }


def _text(value):
    """Return one value per layer as text, anything else as it is."""
    return shown(value) if isinstance(value, tuple) else value


def summarize(results):
    """Return one dict per rule: means over its finished seeds, and the deviation of the test.

    Accuracies and errors are from 0 to 1. "test_accuracy_std" is the sample's standard deviation,
    None for one seed. Runs that diverged are counted, and are part of no mean.
    """
    by_rule = {}
    for result in results:
        by_rule.setdefault(result.recipe.rule, []).append(result.row())
    return [_summary(rule, rows) for rule, rows in by_rule.items()]


def _summary(rule, rows):
    finished = [row for row in rows if row["status"] == "finished"]

    def mean(name):
        return statistics.fmean(row[name] for row in finished) if finished else None

    accuracies = [row["test_accuracy"] for row in finished]
    accuracy = mean("test_accuracy")
    return {
        "rule": rule,
        "schedule": rows[0]["schedule"],
        "seeds": len(finished),
        "diverged": len(rows) - len(finished),
        "test_accuracy": accuracy,
        "test_accuracy_std": statistics.stdev(accuracies) if len(accuracies) > 1 else None,
        "test_error": None if accuracy is None else 1 - accuracy,
        "validation_accuracy": mean("validation_accuracy"),
        "seconds_per_epoch": mean("seconds_per_epoch"),
        "best_epoch": mean("best_epoch"),
    }


def show_table(console, summary):
    """Print the summary, accuracies in percent."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("rule")
    table.add_column("schedule")
    names = "seeds", "test acc. %", "std", "test err. %", "val. acc. %", "s/epoch", "best epoch"
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for one in summary:
        lost = f" ({one['diverged']} diverged)" if one["diverged"] else ""
        table.add_row(
            cell(rule_label(one["rule"])),
            one["schedule"] or "-",
            f"{one['seeds']}{lost}",
            *(_percent(one[name]) for name in (
                "test_accuracy", "test_accuracy_std", "test_error", "validation_accuracy"
            )),
            *(_number(one[name]) for name in ("seconds_per_epoch", "best_epoch")),
        )
    console.print(table)


def _percent(value):
    return "-" if value is None else f"{100 * value:.2f}"


def _number(value):
    return "-" if value is None else f"{value:.3g}" if value < 10 else f"{value:.1f}"


def write_csv(rows, path):
    """Write a row per run; what has no number is empty."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


# -- the picture -----------------------------------------------------------------------------------

# Colour and dashes belong to the rule, so that a rule looks the same in every comparison; the last
# three colours are for rules of users.
_COLORS = (
    "#a6761d #d62728 #ff7f0e #2ca02c #17becf #1f77b4 #e377c2 #000000 #7f7f7f #9467bd "
    "#00008b #b0b000 #8b0045".split()
)
_DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))
_MARKERS = "oDs^v<>XP*"
# Accuracies in percent that may be written at the axis.
_TICKS = (0, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90, 92, 94, 95, 96, 97, 98, 98.5, 99, 99.5, 99.8)


def draw_comparison(results, path):
    """Draw validation accuracy, training loss and, where measured, angles over the epochs.

    A line is the mean over a rule's finished seeds, up to the epoch that all of them have; the
    band reaches from the lowest to the highest. Nothing is drawn if no run finished.

    Args:
        results: a list of `Result`.
        path: of the picture.
    """
    by_rule = {}
    for result in results:
        if not result.diverged and result.history:
            by_rule.setdefault(result.recipe.rule, []).append(result)
    if not by_rule:
        return
    looks = {rule: _look(rule, i) for i, rule in enumerate(by_rule)}
    angles = {rule: _angles(runs) for rule, runs in by_rule.items()}
    angles = {rule: found for rule, found in angles.items() if found}
    panels = 3 if angles else 2
    figure = Figure(figsize=(6 * panels + 1.5, 6.5), layout="constrained")
    axes = figure.subplots(1, panels)
    for rule, runs in by_rule.items():
        _draw_mean(axes[0], [_column(run, "val_accuracy", 100) for run in runs], looks[rule])
        _draw_mean(axes[1], [_column(run, "loss") for run in runs], looks[rule])
    _accuracy_axis(axes[0], by_rule)
    axes[1].set(title="training loss", yscale="log")
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    axes[1].yaxis.set_major_formatter(plain)
    axes[1].yaxis.set_minor_locator(LogLocator(subs=(2, 3, 5)))
    axes[1].yaxis.set_minor_formatter(plain)
    if angles:
        _draw_angles(axes[2], angles, looks)
    for axis in axes:
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
    _legend(figure, axes[0], by_rule)
    recipe = results[0].recipe
    seeds = sorted({len(runs) for runs in by_rule.values()})
    count = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    over = "1 seed" if seeds[-1] == 1 else f"mean over {count} seeds, band: lowest to highest"
    data = drawable(recipe.source, 80)
    figure.suptitle(
        f"{drawable(recipe.recipe)}: {data}, hidden "
        f"{'layers' if recipe.units is None else 'units'} "
        f"{shown(recipe.units or recipe.layers)}; {over}",
        **PLAIN,
    )
    save_figure(figure, path)


def _look(rule, position):
    known = list(RULES)
    number = known.index(rule) if rule in known else len(known) + position % 3
    return {
        "color": _COLORS[number % len(_COLORS)],
        "linestyle": _DASHES[number % len(_DASHES)],
        "marker": _MARKERS[number % len(_MARKERS)],
        "markersize": 5,
        "linewidth": 1.6,
        "label": drawable(rule_label(rule)),
    }


def _column(result, name, times=1.0):
    """Return one log of a run over its epochs; NaN where it was not measured."""
    values = [logs.get(name) for logs in result.history]
    return times * np.array([np.nan if value is None else value for value in values])


def _draw_mean(axis, runs, look):
    """Draw the mean of several runs' values, `(epochs,)` each, and the band they fill."""
    epochs = min(map(len, runs))
    values = np.stack([run[:epochs] for run in runs])  # (runs, epochs)
    measured = np.flatnonzero(np.isfinite(values).all(axis=0))
    if not len(measured):
        return
    values, x = values[:, measured], measured + 1
    axis.plot(x, values.mean(axis=0), markevery=max(1, len(x) // 8), **look)
    if len(runs) > 1:
        band = values.min(axis=0), values.max(axis=0)
        axis.fill_between(x, *band, color=look["color"], alpha=0.13, linewidth=0)


def _accuracy_axis(axis, by_rule):
    """Space accuracies by the logarithm of the error: 98 and 99 % are as far apart as 96 and 98."""
    values = np.concatenate(
        [_column(run, "val_accuracy", 100) for runs in by_rule.values() for run in runs]
    )
    floor = 0.1  # an error of 0 has no logarithm

    def up(accuracy):
        return -np.log10(np.maximum(100 - np.asarray(accuracy, float), floor))

    def down(height):
        return 100 - 10 ** -np.asarray(height, float)

    low, high = values.min(), values.max()
    axis.set_yscale("function", functions=(up, down))
    span = max(up(high) - up(low), 0.05)
    bounds = [float(down(up(low) - 0.05 * span)), float(down(up(high) + 0.05 * span))]
    axis.set_ylim(max(bounds[0], 0), min(bounds[1], 100 - floor))
    bottom, top = axis.get_ylim()
    near, ticks = 0.05 * float(up(top) - up(bottom)), []
    for tick in _TICKS:
        if bottom <= tick <= top and (not ticks or up(tick) - up(ticks[-1]) > near):
            ticks.append(tick)
    axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.set(title="validation accuracy (%), spaced by log error")


def _angles(runs):
    """Return the angles by hidden layer: `{layer: [values of a run, ...]}`; empty if none."""
    found = {}
    for run in runs:
        for name in run.history[0]:
            match = re.fullmatch(r"angle_bp_(\d+)", name)
            if match and int(match[1]) <= len(run.recipe.units or run.recipe.layers):
                values = _column(run, name)
                if np.isfinite(values).any():
                    found.setdefault(int(match[1]), []).append(values)
    return {layer: values for layer, values in sorted(found.items()) if len(values) == len(runs)}


def _draw_angles(axis, angles, looks):
    """Draw the mean over the hidden layers; each layer too, where few rules leave room."""
    each_layer = len(angles) <= 3
    for rule, layers in angles.items():
        runs = zip(*layers.values(), strict=True)  # per run: an array for each layer
        means = [np.mean(np.stack(run), axis=0) for run in runs]
        _draw_mean(axis, means, looks[rule])
        if each_layer:
            thin = {"color": looks[rule]["color"], "linewidth": 0.8, "alpha": 0.6}
            for layer, values in layers.items():
                _draw_layer(axis, layer, values, thin)
    thin = "; thin: each" if each_layer else ""
    axis.set(title=f"angle to backprop's update (degrees), mean of hidden layers{thin}")
    bottom, top = axis.get_ylim()
    axis.set_ylim(max(min(bottom, 0), -3), max(top, 92))
    axis.axhline(90, color="black", linewidth=0.8, linestyle=":")


def _draw_layer(axis, layer, values, look):
    epochs = min(map(len, values))
    mean = np.mean([one[:epochs] for one in values], axis=0)
    measured = np.flatnonzero(np.isfinite(mean))
    if len(measured):
        axis.plot(measured + 1, mean[measured], **look)
        axis.annotate(
            str(layer), (measured[-1] + 1, mean[measured[-1]]), xytext=(3, 0),
            textcoords="offset points", fontsize=7, color=look["color"], va="center",
        )


def _legend(figure, axis, by_rule):
    """Name the rules at the right, the best at the top, with the mean of their best epochs."""
    handles, labels = axis.get_legend_handles_labels()
    best = [np.mean([_column(run, "val_accuracy").max() for run in runs])
            for runs in by_rule.values()]
    order = np.argsort(-np.array(best), kind="stable")
    plain_legend(figure.legend(
        [handles[i] for i in order],
        [f"{labels[i]}  {best[i]:.2%}" for i in order],
        loc="outside right center", title="best validation\naccuracy, mean", handlelength=4,
        frameon=False,
    ))
