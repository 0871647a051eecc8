"""Diagrams of matplotlib as part of a page: their colours are the page's, light or dark.

`train` imports this long before it draws, so matplotlib is imported where it is used.
"""

import io
import itertools
import re
import warnings
import xml.etree.ElementTree as ElementTree

from dtp_tf.console.plain import printable
from dtp_tf.reporting.blocks import markup

_SVG, _LINK = "http://www.w3.org/2000/svg", "{http://www.w3.org/1999/xlink}href"
# The colours of the library's pictures, and their names in `templates/style.css`.
_COLORS = {
    "#000000": "currentColor", "#ffffff": "var(--page)", "#1f77b4": "var(--blue)",
    "#ff7f0e": "var(--orange)", "#2ca02c": "var(--green)", "#d62728": "var(--red)",
    "#9467bd": "var(--purple)", "#8c564b": "var(--brown)", "#e377c2": "var(--pink)",
    "#7f7f7f": "var(--grey)", "#bcbd22": "var(--olive)", "#17becf": "var(--cyan)",
    "#00008b": "var(--navy)", "#8b0045": "var(--wine)", "#a6761d": "var(--bronze)",
    "#b0b000": "var(--olive)", "#b0b0b0": "var(--grey)", "#999999": "var(--grey)",
}  # fmt: skip
_numbers = itertools.count(1)  # no two diagrams of a page may share an id

ElementTree.register_namespace("", _SVG)
ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")


def small_figure(width=4.4, height=3.1):
    """Return a figure for one diagram, and its axes; its text can be read on a phone."""
    from matplotlib.figure import Figure  # no window system, no global state

    figure = Figure(figsize=(width, height))
    left, bottom = 0.66 / width, 0.52 / height
    axes = figure.add_axes([left, bottom, 0.97 - left, 1 - bottom - 0.36 / height])
    return figure, axes


def plain_ticks(axis):
    """Write the numbers at a logarithmic axis as 0.02, and not more of them than there is room.

    Args:
        axis: the `xaxis` or `yaxis` of axes.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    low, high = sorted(axis.get_view_interval())
    axis.set_major_locator(
        MaxNLocator(5) if high < 3 * low else LogLocator(subs=(1, 2, 5), numticks=7)
    )
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(_plain))


def _plain(value, _):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def inline_svg(figure, alt):
    """Return a figure as an `<svg>` element with an alternative text."""
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none"}), warnings.catch_warnings():
        # The browser has signs that matplotlib's own font does not have.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        warnings.filterwarnings("ignore", "Matplotlib currently does not support", UserWarning)
        file = io.BytesIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(file.getvalue())
    mark = f"p{next(_numbers)}-"
    for parent in root.iter():
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        _adapt(element, mark)
    for name in ("width", "height"):
        root.attrib.pop(name)
    root.set("role", "img")
    root.set("aria-label", printable(alt, lines=False))
    return markup(ElementTree.tostring(root, encoding="unicode"))


def _adapt(element, mark):
    for name, value in element.attrib.items():
        if name == "id":
            element.set(name, mark + value)
        elif name == _LINK and value.startswith("#"):
            element.set(name, f"#{mark}{value[1:]}")
        elif name == "clip-path":
            element.set(name, value.replace("url(#", f"url(#{mark}"))
        elif name in ("style", "fill", "stroke"):
            value = re.sub(r"#[0-9a-f]{6}\b", lambda m: _COLORS.get(m[0], m[0]), value)
            value = re.sub(r"font: ([\d.]+px) [^;]*", r"font-size: \1", value)
            element.set(name, re.sub(r"font-family: [^;]*;?", "", value))
