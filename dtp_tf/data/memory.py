"""Whether the images of a set are held in memory, or read from the disk as they are needed."""

import dataclasses
import math

import psutil

from dtp_tf.errors import SettingError, UserError
from dtp_tf.machines.machine import IN_MEMORY

_SMALLER = "choose a smaller `image_size` (--image-size HEIGHT,WIDTH)"


@dataclasses.dataclass(frozen=True)
class Reading:
    """How the images of a set are read.

    Attributes:
        streamed: whether they are read as they are needed, and not at once.
        said: that and why, in words.
    """

    streamed: bool
    said: str


def choose_reading(name, count, shape, in_memory="auto"):
    """Return the `Reading` of so many images of a shape.

    Args:
        name: the set's, as the sentence of a refusal begins.
        count: of the images.
        shape: (height, width, channels).
        in_memory: "yes", "no", or "auto": if they fit twice into 80 % of the memory that is free,
            for training has a copy.

    Raises:
        SettingError: another `in_memory`.
        UserError: "yes", and they do not fit.
    """
    if in_memory not in IN_MEMORY:
        raise SettingError(
            f"`in_memory` must be one of {', '.join(IN_MEMORY)}; got {in_memory!r}."
        )
    needed, free = _needed(count, shape), psutil.virtual_memory().available
    sizes = f"{_gb(needed)} with their copy, {_gb(free)} are free"
    if in_memory == "no":
        return Reading(True, f"streamed from the disk, as asked ({sizes})")
    if in_memory == "yes":
        check_memory(name, count, shape, f"stream them (--in-memory no) or {_SMALLER}")
        return Reading(False, f"in memory, as asked ({sizes})")
    if needed > 0.8 * free:
        return Reading(True, f"streamed from the disk, for they are too many ({sizes})")
    return Reading(False, f"in memory ({sizes})")


def check_memory(name, count, shape, remedy=_SMALLER):
    """Raise `UserError` if so many images of a shape do not fit into memory, twice."""
    needed, free = _needed(count, shape), psutil.virtual_memory().available
    if needed > 0.8 * free:
        raise UserError(
            f"{name} needs {_gb(needed)} of memory at {shape[0]}x{shape[1]}, and "
            f"{_gb(free)} are free; {remedy}."
        )


def _needed(count, shape):
    return 2 * count * math.prod(map(int, shape))


def _gb(count):
    return f"{count / 1e9:.1f} GB"
