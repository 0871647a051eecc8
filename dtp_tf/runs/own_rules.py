"""A run by a rule of the user's own is resumed without naming the rule's file again, if it is safe.

A run's folder may come from a stranger, with any record and any file in it. So the file is run only
if it is what the run was started with, and this user has named that very file before.
"""

import os
import pathlib
import shlex

from dtp_tf.errors import SettingError
from dtp_tf.files import read_json
from dtp_tf.presets.facts import VERSIONS
from dtp_tf.rules.own import file_digest, load_own_rule, named_before


def load_rule_of(run, place):
    """Load the rule FILE.py:CLASS of a run that is to be resumed.

    Args:
        run: the `Run`.
        place: its recipe's rule.

    Raises:
        SettingError: the file is missing, or must be named by the call; the sentence says why.
    """
    doubt = _doubt(run, place)
    if doubt is not None:
        raise SettingError(
            f"{run.path} was trained by the rule {place!r}, {doubt}: if you trust it, add --rule "
            f"{shlex.quote(place)}."
        )
    load_own_rule(place)


def _doubt(run, place):
    digest = file_digest(place)
    recorded = read_json(run.versions, VERSIONS) if run.versions.is_file() else {}
    if "rule_sha256" not in recorded:
        return "of whose file it has no record"
    if recorded["rule_sha256"] != digest:
        return "whose file has changed since"
    if not named_before(digest):
        return "whose file you have not named in a call before"
    owners = {os.stat(path).st_uid for path in (run.path, pathlib.Path(place.rpartition(":")[0]))}
    if owners != {os.getuid()}:
        return "and the run or the file belongs to another user"
    return None
