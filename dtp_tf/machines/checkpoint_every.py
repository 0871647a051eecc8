"""How often a training writes its state within an epoch.

This module does not import TensorFlow.
"""

import dataclasses
import re

from dtp_tf.errors import SettingError

USUAL = "10min"
MOST_STEPS, MOST_SECONDS = 1_000_000_000, 10_000_000
_SECONDS = {"s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600}
_STEPS = ("", "step")


@dataclasses.dataclass(frozen=True)
class CheckpointEvery:
    """After how many batches, or how much time, the state within an epoch is written.

    It is written after each epoch, too. With neither it is written then only.

    Args:
        steps: batches of an epoch; None = they are not counted.
        seconds: since the state was written last; None = they are not counted.
    """

    steps: int | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, words):
        """Return what words say: `500`, `500steps`, `30s`, `10min`, `2h`, or `epoch`.

        Args:
            words: text, or a number of steps; None is `USUAL`.

        Raises:
            SettingError: they say none of it.

        >>> CheckpointEvery.parse("500steps"), CheckpointEvery.parse("1.5min")
        (CheckpointEvery(steps=500, seconds=None), CheckpointEvery(steps=None, seconds=90.0))
        """
        if words is None:
            words = USUAL
        text = "".join(str(words).split()).lower()
        if text == "epoch":
            return cls()
        found = re.fullmatch(r"(\d+|\d*\.\d+)([a-z]*)", text, re.ASCII)
        number, unit = found.groups() if found else ("0", "")
        unit = unit if unit in _SECONDS else unit.removesuffix("s")
        if unit in _STEPS and "." not in number and 1 <= int(number[:20]) <= MOST_STEPS:
            return cls(steps=int(number))
        if unit in _SECONDS and 0.001 <= float(number) * _SECONDS[unit] <= MOST_SECONDS:
            return cls(seconds=float(number) * _SECONDS[unit])
        raise SettingError(
            "`checkpoint_every` must be a number of steps from 1 (500, 500steps), a time from 1 ms "
            f"(30s, 10min, 2h; at most {MOST_SECONDS:,}s), or epoch; got {str(words)[:40]!r}."
        )

    def __str__(self):
        if self.steps is not None:
            return f"{self.steps}steps"
        return "epoch" if self.seconds is None else f"{self.seconds:f}s"
