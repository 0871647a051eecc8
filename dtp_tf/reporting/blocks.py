"""What a page consists of: sections of blocks. Every text in them may be a stranger's."""

import dataclasses

from markupsafe import Markup


@dataclasses.dataclass
class Text:
    """A paragraph; `look` is "plain", "note" (what is not shown, and why) or "warning"."""

    text: str
    look: str = "plain"
    kind: str = "text"


@dataclasses.dataclass
class Tiles:
    """Large numbers: `(what, number, small print)` each."""

    tiles: list
    kind: str = "tiles"


@dataclasses.dataclass
class Facts:
    """A list of `(name, value)`."""

    rows: list
    kind: str = "facts"


@dataclasses.dataclass
class Table:
    """A table.

    Args:
        caption: above it.
        head: the columns' names.
        rows: lists of cells: texts, or `Cell`s.
        numeric: the places of the columns of numbers.
        words: the places of the columns of sentences, which need room on a phone.
    """

    caption: str
    head: list
    rows: list
    numeric: tuple = ()
    words: tuple = ()
    kind: str = "table"


@dataclasses.dataclass
class Cell:
    """A cell of a table: `share` (0 .. 1) is how full its colour is; `is_head` names a row."""

    text: str
    share: float | None = None
    is_head: bool = False


@dataclasses.dataclass
class Plots:
    """Diagrams side by side, where there is room: `(svg, caption)` each."""

    plots: list
    wide: bool = False
    kind: str = "plots"


@dataclasses.dataclass
class Image:
    """An image: `(data URI, alternative text)` of one picture or several, and what stands below."""

    pictures: list
    caption: str = ""


@dataclasses.dataclass
class Images:
    """Images side by side; `size` is "small", "middle" or "large"."""

    caption: str
    images: list
    size: str = "small"
    kind: str = "images"


@dataclasses.dataclass
class Code:
    """What a person can copy: `(what it does, command or text)` each."""

    commands: list
    kind: str = "code"


@dataclasses.dataclass
class Fold:
    """Blocks that are seen when somebody asks for them; all of them are printed."""

    summary: str
    blocks: list
    kind: str = "fold"


@dataclasses.dataclass
class Row:
    """Blocks side by side, where there is room."""

    blocks: list
    kind: str = "row"


@dataclasses.dataclass
class Section:
    """A part of a page; without blocks it is left out."""

    title: str
    blocks: list


@dataclasses.dataclass
class Page:
    """A page.

    Args:
        title: of the page.
        what: what it is a report of, in a word or two.
        lead: sentences at the top.
        tiles: the most important numbers.
        sections: a list of `Section`.
        foot: where it comes from.
    """

    title: str
    what: str
    lead: list
    tiles: Tiles | None
    sections: list
    foot: str = ""


def markup(text):
    """Return text that is HTML already. Nothing of a stranger may be in it as it was."""
    return Markup(text)
