"""Mermaid's `flowchart TD` as SVG, drawn while the site is built: no script of others is loaded.

Boxes lie in rows, each below all that point to it; arrows that pass a row go between its boxes.
"""

import itertools
import re
import statistics

FENCE = re.compile(r"^```mermaid\nflowchart TD\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BOX = re.compile(r"([\w./]+)(?:\[([^\]]+)\])?")
WIDTH, HEIGHT, ROW, GAP = 118, 30, 62, 18  # of boxes, from row to row, between boxes; in pixels


def on_page_markdown(markdown, page, config, files):
    return FENCE.sub(lambda match: svg(*read(match[1])), markdown)


def read(text):
    """Return {name: label} and the arrows, [(from, to)], of lines such as `a & b --> c`."""
    labels, arrows = {}, []
    for line in text.splitlines():
        sides = [BOX.findall(side) for side in line.split("-->")]
        for name, label in itertools.chain(*sides):
            labels[name] = label or labels.get(name, name)
        for above, below in itertools.pairwise(sides):
            arrows += [(one, other) for one, _ in above for other, _ in below]
    return labels, arrows


def rows_of(labels, arrows):
    """Return {name: row}, the length of the longest way there."""
    rows = dict.fromkeys(labels, 0)
    for _ in labels:
        for above, below in arrows:
            rows[below] = max(rows[below], rows[above] + 1)
    return rows


def ways_of(arrows, rows):
    """Return each arrow's way: its ends, and a place of its own in every row that it passes."""
    return [
        [above, *((above, below, row) for row in range(rows[above] + 1, rows[below])), below]
        for above, below in arrows
    ]


def placed(labels, ways, rows):
    """Return {box or place on a way: x of its middle}, in few sweeps over the rows."""
    levels = [[] for _ in range(max(rows.values()) + 1)]
    for name in labels:
        levels[rows[name]].append(name)
    beside = {name: [] for name in labels}
    for way in ways:
        for place in way[1:-1]:
            levels[place[2]].append(place)
        for one, other in itertools.pairwise(way):
            beside.setdefault(one, []).append(other)
            beside.setdefault(other, []).append(one)
    x = {}
    for sweep in range(9):
        for level in levels if sweep % 2 == 0 else reversed(levels):
            wanted = {
                item: statistics.mean([x[n] for n in beside[item] if n in x] or [0])
                for item in level
            }
            level.sort(key=wanted.get)
            widths = [WIDTH + GAP if isinstance(item, str) else 3 * GAP for item in level]
            left = -sum(widths) / 2
            for item, width in zip(level, widths, strict=True):
                x[item] = left + width / 2
                left += width
    return x


def svg(labels, arrows):
    """Return the picture as an HTML figure."""
    rows = rows_of(labels, arrows)
    ways = ways_of(arrows, rows)
    x = placed(labels, ways, rows)
    left, right = min(x.values()) - WIDTH, max(x.values()) + WIDTH
    size = f"{left:.0f} {-HEIGHT} {right - left:.0f} {ROW * max(rows.values()) + 2 * HEIGHT}"
    shapes = [_path(way, x, rows) for way in ways]
    for name, label in labels.items():
        y = ROW * rows[name]
        shapes.append(
            f'<rect x="{x[name] - WIDTH / 2:.0f}" y="{y - HEIGHT / 2:.0f}" width="{WIDTH}" '
            f'height="{HEIGHT}" rx="5"/><text x="{x[name]:.0f}" y="{y}">{label}</text>'
        )
    words = "; ".join(f"{above} points to {below}" for above, below in arrows)
    return (
        f'<div class="flowchart"><svg viewBox="{size}" width="{right - left:.0f}" font-size="14" '
        f'role="img" aria-label="{words}"><defs><marker id="head" viewBox="0 0 8 8" refX="7" '
        'refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z"/>'
        f"</marker></defs>{''.join(shapes)}</svg></div>"
    )


def _path(way, x, rows):
    points = [(x[p], ROW * (rows[p] if isinstance(p, str) else p[2])) for p in way]
    (first, start), (last, end) = points[0], points[-1]
    points[0], points[-1] = (first, start + HEIGHT / 2), (last, end - HEIGHT / 2)
    line = f"M{points[0][0]:.0f} {points[0][1]:.0f}"
    for (a, b), (c, d) in itertools.pairwise(points):
        middle = (b + d) / 2
        line += f"C{a:.0f} {middle:.0f} {c:.0f} {middle:.0f} {c:.0f} {d:.0f}"
    return f'<path d="{line}" marker-end="url(#head)"/>'
