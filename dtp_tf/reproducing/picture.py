"""One picture of a reproduction: published beside measured, with error bars."""

import textwrap

from matplotlib.figure import Figure  # no window system, no global state
from matplotlib.lines import Line2D

from dtp_tf.evaluating.pictures import PLAIN, drawable, plain_legend, save_figure
from dtp_tf.reproducing.report import label

_COLORS = {"better": "#1b7f3b", "level": "#1f5fb4", "worse": "#c0392b", None: "#555555"}
_MARKERS = {"better": "o", "level": "s", "worse": "X", None: "v"}
_WORDS = {None: "measured, nothing published"} | {one: one for one in ("better", "level", "worse")}


def draw_reproduction(content, path):
    """Draw test errors, a panel for each set of data; rows without a figure are left out.

    Nothing is drawn if there is none.

    Args:
        content: of `reproduction.json`.
        path: of the picture.
    """
    panels = {}
    for row in content["rows"]:
        if row["published"] is not None or row["measured"] is not None:
            panels.setdefault(row["data"], []).append(row)
    if not panels:
        return
    sizes = [len(rows) + 1.2 for rows in panels.values()]
    figure = Figure(figsize=(10, 1.9 + 0.36 * sum(sizes) + 0.5 * len(sizes)), layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=sizes)[:, 0]
    for axis, (data, rows) in zip(axes, panels.items(), strict=True):
        _draw_panel(axis, data, rows)
    title = textwrap.wrap(drawable(content["title"], 300), 90)
    title += ["quick: in fewer epochs than published"] * content["quick"]
    figure.suptitle("\n".join(title), **PLAIN)
    plain_legend(
        figure.legend(handles=_handles(content), loc="outside lower center", ncols=5, frameon=False)
    )
    save_figure(figure, path)


def _error(row, name):
    """Return a figure as an error in percent."""
    value = row[name]
    return value if value is None or row["measure"] == "error" else 100 - value


def _draw_panel(axis, data, rows):
    for place, row in enumerate(rows):
        published, measured = _error(row, "published"), _error(row, "measured")
        if published is not None:
            axis.plot(published, place, "D", markerfacecolor="white", color="black", markersize=8)
        if measured is not None:
            axis.errorbar(
                measured, place, xerr=row["standard_error"], fmt=_MARKERS[row["verdict"]],
                color=_COLORS[row["verdict"]], markersize=5.5, capsize=3, elinewidth=1.4,
            )  # fmt: skip
    axis.set_yticks(range(len(rows)), [drawable(label(row)) for row in rows], **PLAIN)
    axis.set_ylim(len(rows) - 0.4, -0.6)  # the first row at the top
    axis.margins(x=0.08)
    axis.grid(axis="x", alpha=0.3)
    axis.set_xlabel(f"{drawable(data)}: test error (%), bar: one standard error", **PLAIN)


def _handles(content):
    """Return the legend's entries: the kinds of marks that there are."""
    published = Line2D(
        [], [], marker="D", color="black", markerfacecolor="white", linestyle="none",
        label="published",
    )  # fmt: skip
    kinds = {row["verdict"] for row in content["rows"] if row["measured"] is not None}
    return [published] + [
        Line2D([], [], marker=_MARKERS[kind], color=_COLORS[kind], linewidth=1.4, label=text)
        for kind, text in _WORDS.items()
        if kind in kinds
    ]
