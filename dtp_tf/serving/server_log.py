"""What the log of a model server says: which lines are errors, and which model is not loaded.

Servers up to TensorFlow 2.20 write `2026-01-01 00:00:00.000000: E file.cc:40] ...`, newer ones
`E0000 00:00:1767225600.000000 123 file.cc:40] ...`, and a few lines have no such beginning.
"""

import re

_MARK = re.compile(
    r"(?:\d{4}-\d\d-\d\d [\d:.]+: (?P<old>[A-Z])|(?P<new>[A-Z])\d{4} [\d:.]+ +\d+) (?:\S+:\d+\] )?"
)
_FAILED = re.compile(
    r"Loading servable: \{name: (?P<name>\S+) version: (?P<version>\d+)\} failed: (?P<cause>.+)"
)


def is_marked_error(line):
    """Return whether a line is marked as an error or as fatal."""
    match = _MARK.match(line)
    return match is not None and (match["old"] or match["new"]) in "EF"


def is_error(line):
    """Return whether a line is an error: by its mark, or without one by its words."""
    if _MARK.match(line):
        return is_marked_error(line)
    return re.search(r"error|fail|abort|terminat", line, re.IGNORECASE) is not None


def load_failure(line):
    """Return (model, version, cause) if a line says that a version cannot be loaded, or None."""
    match = _FAILED.search(line)
    return match and (match["name"], int(match["version"]), match["cause"].strip())
