"""The logs of a run as diagrams."""

import numpy as np

from dtp_tf.evaluating.evaluation import curve_panels, diagnostic_panels, draw_panel
from dtp_tf.reporting.blocks import Plots, Text
from dtp_tf.reporting.svg import inline_svg, plain_ticks, small_figure

MOST_POINTS = 400  # of a line; of longer trainings, as many epochs are drawn, evenly spaced
MARKED = 40  # epochs up to which each has a dot


def curves(history):
    """Return blocks: losses, accuracies, local and inverse losses over the epochs."""
    if not history:
        return [Text("Not shown: no epoch was finished.", "note")]
    return _plots(history, curve_panels(history))


def angles(history):
    """Return blocks: angles and what else was measured against backpropagation's updates."""
    panels = diagnostic_panels(history)
    if not panels:
        return [Text(
            "Not shown: angles to backpropagation's updates were not measured; "
            "--diagnostics-every 1 does it.", "note",
        )]
    return _plots(history, panels[:-1])  # the last is among the curves


def _plots(history, panels):
    chosen = np.arange(len(history))
    said = []
    if len(chosen) > MOST_POINTS:
        chosen = np.unique(np.linspace(0, len(history) - 1, MOST_POINTS).astype(int))
        said = [Text(f"{len(chosen):,} of {len(history):,} epochs are drawn, evenly spaced.")]
    plots = [
        (_svg(panel, history, chosen), "")
        for panel in panels
        if any(logs.get(name) is not None for logs in history for name in panel.names)
    ]
    return [Plots(plots), *said]


def _svg(panel, history, chosen):
    figure, axes = small_figure()
    wanted = set(chosen.tolist())
    kept = [logs if n in wanted else {} for n, logs in enumerate(history)]
    draw_panel(axes, panel, kept, "." if len(history) <= MARKED else None)
    if len(history) == 1:
        axes.set_xlim(0.5, 1.5)  # or there is no whole number to write
        axes.set_xticks([1])
    if panel.scale == "log":
        plain_ticks(axes.yaxis)
    axes.title.set_fontsize(10)
    legend = axes.get_legend()
    if legend is not None:
        legend.set_frame_on(False)
    alt = f"{panel.title} over {len(history)} epoch(s): {_told(panel, history)}"
    return inline_svg(figure, alt)


def _told(panel, history):
    parts = []
    for name in panel.names:
        values = [logs[name] for logs in history if logs.get(name) is not None]
        if values:
            parts.append(f"{name.replace('_', ' ')} from {values[0]:.3g} to {values[-1]:.3g}")
    return "; ".join(parts)
