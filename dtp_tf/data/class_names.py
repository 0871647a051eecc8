"""What a class may be called, checked before anything is trained."""

import collections
import unicodedata

from dtp_tf.errors import UserError

#: The most classes, for the confusion matrix has their square of numbers, and reports are read up
#: to `dtp_tf.schema.MOST_VALUES`; and the longest name, in characters.
MAX_CLASSES, MAX_NAME = 2_000, 255


def check_class_names(names, where):
    """Raise `UserError` if classes have names that a report, a picture or an export cannot hold.

    Args:
        names: one per class.
        where: whose they are, as the sentence begins.
    """
    if len(names) > MAX_CLASSES:
        raise UserError(
            f"{where} has {len(names):,} classes, which is above the limit of {MAX_CLASSES:,}."
        )
    for name in names:
        fault = _fault(name)
        if fault is not None:
            shown = ascii(str(name)[:40])
            raise UserError(f"{where} has the class name {shown}, {fault}; rename it.")
    name, count = collections.Counter(names).most_common(1)[0] if names else (None, 0)
    if count > 1:
        raise UserError(f"{where} has {count} classes with the name {name!r}; rename all but one.")


def _fault(name):
    """Return why a class cannot have this name, or None."""
    if not isinstance(name, str):
        return "which is no text"
    if not name.strip():
        return "which is empty"
    if any(unicodedata.category(one) in ("Cc", "Zl", "Zp") for one in name):
        return "which has a control character or the end of a line in it"
    if len(name) > MAX_NAME:
        return f"which has {len(name)} characters, above the limit of {MAX_NAME}"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "which has bytes that are no UTF-8"
    return None
