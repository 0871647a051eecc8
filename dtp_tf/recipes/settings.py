"""How one setting is parsed, checked and explained. This module does not import TensorFlow."""

import dataclasses
import difflib
import math
import pathlib
import re

from dtp_tf.errors import SettingError
from dtp_tf.schema import brief, is_text

MOST = 100  # values of one setting
_LIMITS = {int: 1_000_000, float: 1e30}


@dataclasses.dataclass(frozen=True)
class Setting:
    """How one setting is parsed, checked and explained.

    Args:
        kind: `str`, `int`, `float` or `bool`.
        help: one or two sentences with the unit.
        choices: the allowed values, if they are few.
        low, high: the closed range of a number; `open_low`/`open_high` leave the bound itself out.
        limit: what a number is never above, for memory would end, or float32; no one meets it, so
            that the help does not name it. By default a million for whole numbers, else 1e30.
        many: a list of values, at most 100; on the command line they are separated by commas.
        per_layer: one value, or a list with one for each layer.
        other: values that contain this are allowed beside the choices.
        numbers: whether a whole number is taken as the text of it.
        optional: whether `None` is a value ("none" on the command line).
    """

    kind: type
    help: str
    choices: tuple = ()
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    limit: float | None = None
    many: bool = False
    per_layer: bool = False
    optional: bool = False
    numbers: bool = False
    other: str = ""

    def parse(self, name, value):
        """Return `value`, from Python, a config file or the command line, in the setting's type."""
        if value is None or (self.optional and value in ("none", "None")):
            if self.optional:
                return None
            raise SettingError(f"`{name}` must have a value, got none.")
        if self.per_layer and isinstance(value, str) and "," not in value:
            return self._parse_one(name, value)
        if not self.many and not (self.per_layer and isinstance(value, (str, list, tuple))):
            return self._parse_one(name, value)
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        elif not isinstance(value, (list, tuple)):
            value = [value]
        if not value:
            raise SettingError(f"`{name}` needs at least one value, got an empty list.")
        if len(value) > MOST:
            raise SettingError(f"`{name}` takes at most {MOST} values, got {len(value)}.")
        return tuple(self._parse_one(name, one) for one in value)

    def _parse_one(self, name, value):
        parsed = self._convert(name, value)
        if self.choices and parsed not in self.choices and not self._is_other(parsed):
            raise SettingError(
                f"`{name}` must be one of {', '.join(self.choices)}; got {brief(value)}."
                + did_you_mean(str(value), self.choices)
            )
        if self.kind in (int, float) and not self._in_range(parsed):
            raise SettingError(f"`{name}` must be {self.range_text()}, got {_number(value)}.")
        limit = self.limit or _LIMITS.get(self.kind)
        if limit is not None and parsed > limit:
            raise SettingError(f"`{name}` must be at most {limit:,}, got {_number(value)}.")
        return parsed

    def _is_other(self, value):
        return bool(self.other) and self.other in value

    def _convert(self, name, value):
        if self.kind is bool:
            words = dict.fromkeys(("true", "yes", "on"), True)
            words |= dict.fromkeys(("false", "no", "off"), False)
            if isinstance(value, bool):
                return value
            if str(value).lower() in words:
                return words[str(value).lower()]
            raise SettingError(f"`{name}` must be true or false, got {brief(value)}.")
        if self.kind is str:
            is_number = self.numbers and isinstance(value, int) and not isinstance(value, bool)
            text = str(value) if is_number or isinstance(value, (str, pathlib.Path)) else None
            # Others could not be written to a file, or be part of a path.
            if text is None or not is_text(text) or re.search(r"[\x00-\x1f\x7f]", text):
                raise SettingError(f"`{name}` must be text, got {brief(value)}.")
            return text
        noun = "a whole number" if self.kind is int else "a number"
        if isinstance(value, (bool, bytes)):
            raise SettingError(f"`{name}` must be {noun}, got {brief(value)}.")
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise SettingError(f"`{name}` must be {noun}, got {brief(value)}.") from None
        if not math.isfinite(number) or (self.kind is int and number != int(number)):
            raise SettingError(f"`{name}` must be {noun}, got {brief(value)}.")
        return self.kind(number)

    def _in_range(self, number):
        above = number > self.low if self.open_low else number >= self.low
        below = number < self.high if self.open_high else number <= self.high
        return above and below

    def range_text(self):
        """Say the allowed values in words, for help and errors; empty where anything goes."""
        if self.choices:
            return ", ".join(self.choices)
        parts = []
        if self.low > -math.inf:
            parts.append(f"{'above' if self.open_low else 'at least'} {self.low:g}")
        if self.high < math.inf:
            parts.append(f"{'below' if self.open_high else 'at most'} {self.high:g}")
        return " and ".join(parts)


def setting(default, kind, text, **checks):
    """Return the field of a dataclass that is a `Setting`."""
    return field_of(default, Setting(kind, text, **checks))


def field_of(default, one):
    """Return the field of a dataclass that is the `Setting` `one`."""
    return dataclasses.field(default=default, metadata={"setting": one})


def shown(value):
    """Return a setting's value as a person writes it."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)


def _number(value):
    return value[:40] if isinstance(value, str) else brief(value)


def did_you_mean(word, known):
    """Return ' Did you mean X?' where one of `known` is close to `word`, else nothing."""
    close = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
