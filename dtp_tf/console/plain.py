"""Text of other people, made safe to show: names of classes, files, presets and servers."""

import shlex
import unicodedata

# Control and format characters (of which some turn the direction of a line round, or have no
# width), halves of characters, and ends of lines that only some programs know.
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def printable(text, lines=True):
    r"""Return a text in which all that a terminal would obey or hide is written as an escape.

    Args:
        text: any text.
        lines: whether ends of lines and tabs stay as they are.

    >>> print(printable("red \x1b[31m, \u202eback"))
    red \x1b[31m, \u202eback
    """
    kept = "\n\t" if lines else ""
    return "".join(
        one.encode("unicode_escape").decode()
        if unicodedata.category(one) in _HIDDEN and one not in kept
        else one
        for one in text
    )


def quoted(path):
    """Return a path as a word of a shell's command, for commands that are printed."""
    return shlex.quote(str(path))
