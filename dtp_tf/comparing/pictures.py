"""The pictures of a comparison: learning curves, angles, accuracy against time."""

import re

import numpy as np
from matplotlib.figure import Figure  # no window system, no global state
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator

from dtp_tf.comparing.plan import rule_label
from dtp_tf.evaluating.pictures import PLAIN, drawable, plain_legend, save_figure
from dtp_tf.recipes.recipe import RULES, shown

# Colour and dashes belong to the rule, so that a rule looks the same in every comparison. Black and
# the plain colours are for those that are compared most.
_COLORS = {
    "tp": "#a6761d", "dtp": "#d62728", "sdtp": "#ff7f0e", "ao_sdtp": "#2ca02c", "drl": "#17becf",
    "ddtp_linear": "#1f77b4", "ddtp_rhl": "#e58fb0", "ddtp_control": "#4f9a94", "gnt": "#9a9a5c",
    "ldrl": "#9467bd", "fwdtp": "#00008b", "ccl": "#b0b000", "gait_prop": "#8b0045",
    "bp": "#000000", "fa": "#e377c2", "dfa": "#7f7f7f", "drtp": "#7fae3c",
    "sign_symmetry": "#5ab4ac", "kp": "#6b8fd6", "weight_mirror": "#b497d6",
    "local_error": "#c48f6a", "autoencoder": "#9db0c0",
}  # fmt: skip
_OWN_COLORS = ("#8c564b", "#2a8f5b", "#c2185b")  # of rules of users
_DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))
_MARKERS = "oDs^v<>XP*"
# Accuracies in percent that may be written at the axis.
_TICKS = (0, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90, 92, 94, 95, 96, 97, 98, 98.5, 99, 99.5, 99.8)


class Drawn:
    """What the runs of a comparison have in common in all diagrams.

    A line is the mean over a rule's finished seeds, up to the epoch that all of them have; the
    band reaches from the lowest to the highest.

    Args:
        results: a list of `Result`.

    Attributes:
        by_rule: the finished ones with a log, by rule.
        looks: how each rule is drawn.
        angles: by rule, those that were measured of its hidden layers.
    """

    def __init__(self, results):
        self.by_rule = {}
        for result in results:
            if not result.diverged and result.history:
                self.by_rule.setdefault(result.recipe.rule, []).append(result)
        own = [rule for rule in self.by_rule if rule not in RULES]
        self.looks = {rule: _look(rule, own) for rule in self.by_rule}
        angles = {rule: _angles(runs) for rule, runs in self.by_rule.items()}
        self.angles = {rule: found for rule, found in angles.items() if found}

    def accuracy(self, axis):
        """Draw validation accuracy over the epochs."""
        self._means(axis, "val_accuracy", 100)
        _accuracy_axis(axis, self.by_rule)
        _over_epochs(axis)

    def loss(self, axis):
        """Draw the training loss over the epochs."""
        self._means(axis, "loss")
        axis.set(title="training loss", yscale="log")
        plain = FuncFormatter(lambda value, _: f"{value:g}")
        axis.yaxis.set_major_formatter(plain)
        axis.yaxis.set_minor_locator(LogLocator(subs=(2, 3, 5)))
        axis.yaxis.set_minor_formatter(plain)
        _over_epochs(axis)

    def angles_to_bp(self, axis):
        """Draw the angles to backpropagation's updates, where they were measured."""
        _draw_angles(axis, self.angles, self.looks)
        _over_epochs(axis)

    def time(self, axis):
        """Draw validation accuracy over the time that a run had taken until then, a line a rule."""
        for rule, runs in self.by_rule.items():
            epochs = min(len(run.history) for run in runs)
            seconds, accuracy = (
                np.mean([values(run)[:epochs] for run in runs], axis=0)
                for values in (lambda run: np.nancumsum(_column(run, "seconds")),
                               lambda run: _column(run, "val_accuracy", 100))
            )
            axis.plot(seconds, accuracy, markevery=max(1, epochs // 8), **self.looks[rule])
        _accuracy_axis(axis, self.by_rule)
        axis.set(xlabel="training time (s)", xscale="log")
        axis.grid(alpha=0.3)

    def best(self):
        """Return the rules with the mean of their best validation accuracies, the best first."""
        best = {
            rule: np.mean([_column(run, "val_accuracy").max() for run in runs])
            for rule, runs in self.by_rule.items()
        }
        return dict(sorted(best.items(), key=lambda one: -one[1]))

    def legend(self, figure, **look):
        """Name the rules, the best at the top, with the mean of their best epochs."""
        best = self.best()
        handles = [Line2D([], [], **self.looks[rule]) for rule in best]
        labels = [f"{self.looks[rule]['label']}  {value:.2%}" for rule, value in best.items()]
        plain_legend(figure.legend(
            handles, labels, title="best validation\naccuracy, mean", handlelength=4,
            frameon=False, **look,
        ))

    def _means(self, axis, name, times=1.0):
        for rule, runs in self.by_rule.items():
            _draw_mean(axis, [_column(run, name, times) for run in runs], self.looks[rule])


def _over_epochs(axis):
    axis.set_xlabel("epoch")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.grid(alpha=0.3)


def draw_comparison(results, path):
    """Draw validation accuracy, training loss and, where measured, angles over the epochs.

    Nothing is drawn if no run finished.

    Args:
        results: a list of `Result`.
        path: of the picture.
    """
    drawn = Drawn(results)
    if not drawn.by_rule:
        return
    parts = [drawn.accuracy, drawn.loss] + ([drawn.angles_to_bp] if drawn.angles else [])
    figure = Figure(figsize=(6 * len(parts) + 1.5, 6.5), layout="constrained")
    for axis, part in zip(figure.subplots(1, len(parts)), parts, strict=True):
        part(axis)
    drawn.legend(figure, loc="outside right center")
    recipe = results[0].recipe
    seeds = sorted({len(runs) for runs in drawn.by_rule.values()})
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


def _look(rule, own):
    number = [*RULES, *own].index(rule)
    return {
        "color": _OWN_COLORS[own.index(rule) % len(_OWN_COLORS)] if rule in own else _COLORS[rule],
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
