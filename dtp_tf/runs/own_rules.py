"""A run by a file of the user's own is resumed without naming the file again, if it is safe.

A run's folder may come from a stranger, with any record and any file in it. So a rule's or a
model's file is run only if it is what the run was started with, and this user has named that very
file before.
"""

import os
import pathlib
import shlex

from dtp_tf.errors import SettingError
from dtp_tf.files import read_json
from dtp_tf.presets.facts import VERSIONS
from dtp_tf.recipes.own_files import file_digest, named_before
from dtp_tf.rules.own import load_own_rule


def load_rule_of(run, place):
    """Load the rule FILE.py:CLASS of a run that is to be resumed.

    Args:
        run: the `Run`.
        place: its recipe's rule.

    Raises:
        SettingError: the file is missing, or must be named by the call; the sentence says why.
    """
    refuse_untrusted(run, "rule", place)
    load_own_rule(place)


def refuse_untrusted(run, setting, place):
    """Raise `SettingError` if a call must name the file of a run that is to be resumed.

    Args:
        run: the `Run`.
        setting: "rule" or "model".
        place: FILE.py:NAME, as its recipe has it.
    """
    doubt = _doubt(run, setting, place)
    if doubt is not None:
        what = {"rule": "was trained by the rule", "model": "begins with the model"}[setting]
        raise SettingError(
            f"{run.path} {what} {place!r}, {doubt}: if you trust it, add --{setting} "
            f"{shlex.quote(place)}."
        )


def refuse_changed(run, place, digest):
    """Raise `SettingError` if the file of a run's model is not what the run was started with.

    Args:
        run: the `Run`.
        place: its recipe's model.
        digest: the SHA-256 of the file.
    """
    if recorded(run, "model") not in (None, digest):
        raise SettingError(
            f"{run.path} was started with the model {place!r}, whose file has changed since: bring "
            "that back, or start a new run."
        )


def _doubt(run, setting, place):
    digest, before = file_digest(place, setting), recorded(run, setting)
    if before is None:
        return "of whose file it has no record"
    if before != digest:
        return "whose file has changed since"
    if not named_before(digest):
        return "whose file you have not named in a call before"
    owners = {os.stat(path).st_uid for path in (run.path, pathlib.Path(place.rpartition(":")[0]))}
    if owners != {os.getuid()}:
        return "and the run or the file belongs to another user"
    return None


def recorded(run, setting):
    """Return the SHA-256 of the file that a run was started with, None if it has no record."""
    known = read_json(run.versions, VERSIONS) if run.versions.is_file() else {}
    return known.get(f"{setting}_sha256")
