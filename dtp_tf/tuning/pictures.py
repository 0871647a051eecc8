"""Pictures of a search: its history, what mattered, and which settings went with which accuracy."""

import matplotlib
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure  # no window system, no global state
from optuna.trial import TrialState

from dtp_tf.evaluating.pictures import PLAIN, drawable, save_figure
from dtp_tf.recipes.recipe import shown
from dtp_tf.tuning.search_entries import Choices

# From the worst to the best: all of them can be told from a white and from a dark page.
_SCALE = "#c9701f", "#b0569d", "#2f7fd0"
_LOOKS = {
    "finished": dict(color="#1f77b4", marker="o"),
    "pruned": dict(color="#ff7f0e", marker="x"),
    "diverged": dict(color="#d62728", marker="v"),
}


def draw_history(rows, path):
    """Draw each trial's validation accuracy, and the best so far.

    Args:
        rows: of `dtp_tf.tuning.report.make_rows`.
        path: of the picture.
    """
    figure = Figure(figsize=(8, 5), layout="constrained")
    axis = figure.subplots()
    history_on(axis, rows)
    recipe, rule = (drawable(rows[0][name]) for name in ("recipe", "rule"))
    axis.set_title(f"{recipe}, {rule}: {rows[0]['epochs_asked']} epochs", **PLAIN)
    axis.legend(fontsize=9)
    save_figure(figure, path)


def history_on(axis, rows):
    """Draw on an axis what `draw_history` draws; without a finished trial, the others alone."""
    for status, look in _LOOKS.items():
        mine = [r for r in rows if r["status"] == status and r["validation_accuracy"] is not None]
        if mine:
            points = [(row["trial"], 100 * row["validation_accuracy"]) for row in mine]
            label = "pruned: best until then" if status == "pruned" else status
            axis.scatter(*zip(*points, strict=True), label=label, zorder=2, **look)
    finished = sorted((r["trial"], 100 * r["validation_accuracy"]) for r in rows
                      if r["status"] == "finished")
    if finished:
        numbers, accuracies = zip(*finished, strict=True)
        last = max(row["trial"] for row in rows)
        best = np.maximum.accumulate(accuracies)
        axis.step([*numbers, last], [*best, best[-1]], where="post", color="#1f77b4", alpha=0.6,
                  label="best so far", zorder=1)
    own = next((r for r in rows if r["is_recipe"] and r["status"] == "finished"), None)
    if own is not None:
        axis.axhline(100 * own["validation_accuracy"], color="black", linestyle=":", linewidth=1,
                     label="the recipe's own settings")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.set(xlabel="trial", ylabel="validation accuracy (%)")
    axis.grid(alpha=0.3)


def draw_importances(importances, finished, path):
    """Draw how much of the differences in accuracy each parameter explains.

    Args:
        importances: by parameter, from 0 to 1; None if too few trials have finished.
        finished: their number.
        path: of the picture.
    """
    rows = 3 if importances is None else len(importances)
    figure = Figure(figsize=(8, 1.4 + 0.45 * rows), layout="constrained")
    axis = figure.subplots()
    trials = "1 finished trial" if finished == 1 else f"{finished} finished trials"
    axis.set_title(f"importance for validation accuracy (fANOVA, {trials})")
    if importances is None:
        axis.text(0.5, 0.5, "too few finished trials differ", ha="center", va="center")
        axis.axis("off")
    else:
        importances_on(axis, importances)
    save_figure(figure, path)


def importances_on(axis, importances):
    """Draw on an axis how much each parameter explains, the most important one at the top."""
    names = sorted(importances, key=importances.get)
    bars = axis.barh(names, [100 * importances[name] for name in names])
    axis.bar_label(bars, fmt="%.0f", padding=3)
    axis.set_xlim(0, 110 * max(importances.values()))
    axis.set_xlabel("share of the variance explained (%)")
    axis.grid(axis="x", alpha=0.3)


def draw_parallel(study, path):
    """Draw a line per trial through its parameters, its colour the validation accuracy.

    Args:
        study: a `dtp_tf.tuning.shared_study.SharedStudy` with a finished trial.
        path: of the picture.
    """
    save_figure(parallel_figure(study), path)


def parallel_figure(study):
    """Return the figure of `draw_parallel`."""
    parameters = study.space.parameters
    entries = [e for e in study.entries().values() if e.params.keys() >= parameters.keys()]
    finished = sorted((e for e in entries if e.state is TrialState.COMPLETE), key=lambda e: e.value)
    others = [e for e in entries if e.state is TrialState.PRUNED]
    figure = Figure(figsize=(3 + 1.7 * len(parameters), 5.5), layout="constrained")
    axis = figure.subplots()
    places = range(len(parameters))
    for entry in others:
        heights = [_height(p, entry.params[name]) for name, p in parameters.items()]
        axis.plot(places, heights, color="#999999", linewidth=0.8, alpha=0.5, zorder=1)
    low, high = 100 * finished[0].value, 100 * finished[-1].value
    scale = matplotlib.colors.Normalize(low, high if high > low else low + 1)
    colors = LinearSegmentedColormap.from_list("orange to blue", _SCALE)
    for entry in finished:  # the best one last, on top
        heights = [_height(p, entry.params[name]) for name, p in parameters.items()]
        best = entry is finished[-1]
        axis.plot(places, heights, color=colors(scale(100 * entry.value)), marker=".",
                  linewidth=3 if best else 1.4, zorder=3 if best else 2)
    for place, parameter in enumerate(parameters.values()):
        axis.axvline(place, color="black", linewidth=0.8)
        for value in _ticks(parameter):
            axis.annotate(
                f"{value:.3g}" if isinstance(value, float) else shown(value),
                (place, _height(parameter, value)), xytext=(4, 0), textcoords="offset points",
                fontsize=8, va="center", zorder=4, **PLAIN,
                bbox=dict(facecolor="white", edgecolor="none", alpha=0.7, pad=1),
            )
    labels = [f"{n}\n(log)" if getattr(p, "log", False) else n for n, p in parameters.items()]
    axis.set_xticks(places, labels)
    axis.set_yticks([])
    axis.set_ylim(-0.06, 1.06)
    axis.set_xlim(-0.15, len(parameters) - 0.55)
    for side in ("left", "right", "top", "bottom"):
        axis.spines[side].set_visible(False)
    axis.set_title("thick: the best trial" + ("; grey: pruned or diverged" if others else ""))
    figure.colorbar(matplotlib.cm.ScalarMappable(scale, colors), ax=axis,
                    label="validation accuracy (%)")
    return figure


def _height(parameter, value):
    """Return where a value stands on its axis, from 0 to 1."""
    if isinstance(parameter, Choices):
        shown_values = [shown(one) for one in parameter.values]
        return (shown_values.index(shown(value)) + 0.5) / len(shown_values)
    low, high = parameter.low, parameter.high
    if parameter.log:
        low, high, value = np.log([low, high, value])
    return float((value - low) / (high - low))


def _ticks(parameter):
    """Return the values that are written at a parameter's axis."""
    if isinstance(parameter, Choices):
        return parameter.values
    low, high = parameter.low, parameter.high
    middle = (low * high) ** 0.5 if parameter.log else (low + high) / 2
    if parameter.kind is int:
        return sorted({low, round(middle), high})
    return [low, middle, high]
