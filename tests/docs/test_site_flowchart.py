"""The picture of the wings is drawn with every arrow downwards, and no two boxes on one place."""

import itertools
import pathlib

from flowcharts import FENCE, GAP, WIDTH, on_page_markdown, placed, read, rows_of, ways_of

PAGE = (pathlib.Path(__file__).parents[2] / "docs/architecture.md").read_text(encoding="utf-8")


def test_names_labels_and_arrows_are_read():
    labels, arrows = read("a & b --> c[c.py] --> d\n")
    assert labels == {"a": "a", "b": "b", "c": "c.py", "d": "d"}
    assert arrows == [("a", "c"), ("b", "c"), ("c", "d")]


def test_arrows_of_the_page_on_the_code_go_down_between_boxes():
    labels, arrows = read(FENCE.search(PAGE)[1])
    rows = rows_of(labels, arrows)
    ways = ways_of(arrows, rows)
    x = placed(labels, ways, rows)
    assert len(labels) > 20 and any(len(way) > 2 for way in ways)
    assert all(rows[above] < rows[below] for above, below in arrows)
    for one, other in itertools.combinations(labels, 2):
        assert rows[one] != rows[other] or abs(x[one] - x[other]) >= WIDTH + GAP
    for above, below, row in {place for way in ways for place in way[1:-1]}:
        assert all(
            abs(x[name] - x[above, below, row]) > WIDTH / 2 for name in labels if rows[name] == row
        )


def test_the_page_holds_the_picture_in_place_of_the_text_and_says_it_in_words():
    page = on_page_markdown(PAGE, None, None, None)
    assert "```mermaid" not in page and page.count("<svg") == 1
    _, arrows = read(FENCE.search(PAGE)[1])
    assert all(f"{above} points to {below}" in page for above, below in arrows)
