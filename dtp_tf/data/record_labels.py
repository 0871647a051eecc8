"""The classes of records: numbers or names in the records, and what the user says of them."""

import os

import numpy as np

from dtp_tf.data.class_names import MAX_CLASSES
from dtp_tf.errors import UserError
from dtp_tf.files import read_bytes

_MOST = 1_000_000  # bytes of a file of class names


def class_numbers_of(labels, classes, place):
    """Return the class names and the number of each label, int32.

    Args:
        labels: numbers from 0, or names.
        classes: the recipe's: their number, their names, a file of them, or None.
        place: function from the number of a label to where it is, in words.

    Raises:
        UserError: labels of both kinds, or that are no classes; fewer than two classes.
    """
    kinds = {type(label) for label in labels}
    if len(kinds) > 1:
        other = next(i for i, label in enumerate(labels) if type(label) is not type(labels[0]))
        raise UserError(
            f"labels are numbers or names, not both; {place(0)} has {labels[0]!r}, {place(other)} "
            f"has {labels[other]!r}."
        )
    named = str in kinds
    names = _given_names(classes, named)
    if names is None and named:
        names = sorted(set(labels))
    elif names is None:
        names = [str(number) for number in range(_count(labels, place))]
    if len(names) < 2:
        raise UserError(
            f"the records are of {len(names)} class(es); a classification needs at least two."
        )
    numbers = {name: number for number, name in enumerate(names)} if named else range(len(names))
    for i, label in enumerate(labels):
        if label not in numbers:
            raise UserError(
                f"{place(i)} has the label {label!r}, and there are {len(names)} classes, "
                f"{names[0]!r} to {names[-1]!r}; give all of them with `classes` (--classes)."
            )
    found = [numbers[label] for label in labels] if named else labels
    return tuple(names), np.array(found, np.int32)


def _count(labels, place):
    """Return how many classes numbers are of."""
    most = max(labels)
    if most >= MAX_CLASSES:
        raise UserError(
            f"{place(labels.index(most))} has the label {most:,}, which is above the limit of "
            f"{MAX_CLASSES:,} classes."
        )
    return most + 1


def _given_names(classes, named):
    """Return the class names that a recipe gives, or None."""
    if classes is None:
        return None
    if len(classes) > 1:
        return list(classes)
    [one] = classes
    if one.endswith(".txt"):
        return _names_in(one)
    if one.isascii() and one.isdecimal() and not named:
        if int(one) > MAX_CLASSES:
            raise UserError(
                f"`classes` is {int(one):,}, which is above the limit of {MAX_CLASSES:,}."
            )
        return [str(number) for number in range(int(one))]
    raise UserError(
        f"`classes` must be names, or the file of them, FILE.txt, or of numbered labels how many "
        f"there are; got {one!r}."
    )


def _names_in(path):
    try:
        text = read_bytes(os.path.expanduser(path), _MOST).decode()
    except OSError as error:
        raise UserError(f"class names {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UserError(f"class names {path} are no UTF-8.") from None
    return [line.strip() for line in text.splitlines() if line.strip()]
