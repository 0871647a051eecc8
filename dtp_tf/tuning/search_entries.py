"""What a search may change about one setting, as it stands in a file: a range, or some choices.

This module imports neither TensorFlow nor Optuna.
"""

import dataclasses
import math

from dtp_tf.errors import SettingError
from dtp_tf.recipes.arguments import WithArguments
from dtp_tf.recipes.recipe import SETTINGS, shown
from dtp_tf.recipes.settings import did_you_mean

# With other data, other epochs or another seed, accuracies could not be compared; another rule has
# other settings.
NEVER_SEARCHED = tuple(
    "recipe dataset image_folder records image_feature label_feature classes image_size "
    "validation_fraction init model rule epochs early_stopping diagnostics_every "
    "diagnostics_images seed deterministic".split()
)


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included.

    Args:
        kind: `int` or `float`.
        low, high: the bounds, `low` below `high`.
        log: whether the logarithm is drawn evenly, and not the number itself.
        step: the distance between neighbours; None = 1 for whole numbers, none for others.
    """

    kind: type
    low: float
    high: float
    log: bool = False
    step: float | None = None

    def suggest(self, trial, name):
        """Return a value from an Optuna trial."""
        if self.kind is int:
            step = 1 if self.step is None else self.step
            return trial.suggest_int(name, self.low, self.high, step=step, log=self.log)
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    def has(self, value):
        """Return whether a trial may have this value."""
        if not isinstance(value, (int, float)) or not self.low <= value <= self.high:
            return False
        steps = 0 if self.step is None else (value - self.low) / self.step
        return math.isclose(steps, round(steps), abs_tol=1e-9)

    def extremes(self):
        return self.low, self.high

    def to_plain(self):
        """Return the range as it is written in YAML."""
        more = {"log": True} if self.log else {}
        more |= {} if self.step is None else {"step": self.step}
        return {"low": self.low, "high": self.high, **more}


@dataclasses.dataclass(frozen=True)
class Choices:
    """Some values of a setting; a list of values is one of them."""

    values: tuple

    def suggest(self, trial, name):
        """Return a value from an Optuna trial, which knows lists as text."""
        return trial.suggest_categorical(name, [as_parameter(value) for value in self.values])

    def has(self, value):
        """Return whether a trial may have this value, or this text for it."""
        return value in self.values or value in [as_parameter(one) for one in self.values]

    def extremes(self):
        return self.values

    def to_plain(self):
        return {"choices": [list(v) if isinstance(v, tuple) else v for v in self.values]}


def as_parameter(value):
    """Return a setting's value as an Optuna parameter; `Setting.parse` reads it back."""
    return shown(value) if isinstance(value, tuple) else value


def varied(entry):
    """Whether a part of an entry is a parameter of the search, and no value."""
    return isinstance(entry, (Range, Choices))


def parts_of(name, entry):
    """Return the parts of a setting's entry by their names: `noise.1`, `optimizer.epsilon`."""
    if isinstance(entry, tuple):
        return {f"{name}.{i}": one for i, one in enumerate(entry, start=1)}
    if isinstance(entry, dict):
        return {f"{name}.{key}": one for key, one in entry.items()}
    return {name: entry}


def value_of(name, entry, params):
    """Return what a trial's parameters make of a setting, checked."""
    values = [params.get(part, one) for part, one in parts_of(name, entry).items()]
    if isinstance(entry, dict):
        return SETTINGS[name].parse(name, dict(zip(entry, values, strict=True)))
    return SETTINGS[name].parse(name, values if isinstance(entry, tuple) else values[0])


def values_in(name, entry, value):
    """Return the parts that a setting's value has by the entry, or None where they do not fit."""
    if isinstance(entry, tuple):
        values = value if isinstance(value, tuple) else (value,) * len(entry)
        return values if len(values) == len(entry) else None
    if isinstance(entry, dict):
        choice, given = (None, {}) if value is None else SETTINGS[name].values(name, value)
        given = {"name": choice, **given}
        return [given[key] for key in entry] if given.keys() == entry.keys() else None
    return [value]


def parse_entry(name, value):
    """Return the entry of a setting, or None if its value is fixed."""
    setting = SETTINGS[name]
    lists = setting.many or setting.per_layer
    with_arguments = isinstance(setting, WithArguments) and isinstance(value, dict)
    with_arguments = with_arguments and "name" in value
    is_range = isinstance(value, dict) and not with_arguments
    of_lists = isinstance(value, list) and any(isinstance(v, dict) for v in value)
    if (is_range or of_lists) and name in NEVER_SEARCHED:
        raise SettingError(
            f"`{name}` cannot be searched, for the trials could not be compared; give it one value."
        )
    if with_arguments:
        return _parse_arguments(setting, name, value)
    if is_range:
        return _parse_range(setting, name, value)
    if isinstance(value, list) and not lists:
        raise SettingError(
            f"`{name}` has one value, got a list; for some values to choose from write "
            f"{{choices: [{', '.join(map(str, value))}]}}."
        )
    if of_lists:
        return tuple(_parse_part(setting, name, one) for one in value)
    setting.parse(name, value)
    return None


def _parse_arguments(setting, name, content):
    """Return the entry of a word with arguments, of which some are searched, or None."""
    if not any(isinstance(one, dict) for one in content.values()):
        setting.parse(name, content)
        return None
    bare = dataclasses.replace(setting, arguments=dict.fromkeys(setting.choices, {}))
    entry = {"name": _parse_part(bare, name, content["name"])}
    word = entry["name"].values[0] if varied(entry["name"]) else entry["name"]
    for key, one in content.items():
        known = setting.arguments[word].get(key)
        if key != "name" and known is None:
            setting.parse(name, {"name": word, key: one})  # which refuses it
        elif key != "name":
            entry[key] = _parse_part(known, f"{name}.{key}", one)
    return entry


def _parse_part(setting, name, value):
    if isinstance(value, dict):
        return _parse_range(setting, name, value)
    return _one(setting, name, value)


def _parse_range(setting, name, content):
    known = ("low", "high", "log", "step", "choices")
    for key in content:
        if key not in known:
            raise SettingError(
                f"`{name}` has an unknown key {key!r}; a range has low, high, log and step, and "
                f"some values are choices.{did_you_mean(str(key), known)}"
            )
    if "choices" in content:
        return _parse_choices(setting, name, content)
    if setting.kind not in (int, float):
        raise SettingError(f"`{name}` is no number: give it choices, not a range.")
    for key in ("low", "high"):
        if key not in content:
            raise SettingError(f"`{name}` needs both low and high, got no {key}.")
    low, high = (_one(setting, name, content[key]) for key in ("low", "high"))
    if low is None or high is None:  # which stands for the rule's own value, where one may be left
        raise SettingError(f"`{name}`: low and high must be numbers, got {low} and {high}.")
    if low > high:
        raise SettingError(f"`{name}` has low {low} above high {high}; swap them.")
    if low == high:
        raise SettingError(f"`{name}` has low and high {low}; write {name}: {low} to fix it.")
    log, step = content.get("log", False), content.get("step")
    if not isinstance(log, bool):
        raise SettingError(f"`{name}`: log must be true or false, got {log!r}.")
    if log and low <= 0:
        raise SettingError(f"`{name}`: a log scale needs low above 0, got {low}.")
    if step is not None:
        number = isinstance(step, (int, float)) and not isinstance(step, bool)
        if not number or not 0 < step <= high - low or (setting.kind is int and step != int(step)):
            raise SettingError(f"`{name}`: step must be a number that fits the range, got {step}.")
        if log:
            raise SettingError(f"`{name}`: log and step exclude each other; drop one.")
        step = setting.kind(step)
        # Optuna would lower it, and warn.
        count = math.floor((high - low) / step + 1e-9)
        high = setting.kind(low + count * step)
    return Range(setting.kind, low, high, log, step)


def _parse_choices(setting, name, content):
    values = content["choices"]
    if len(content) > 1:
        raise SettingError(f"`{name}` has choices and a range; give one of them.")
    if not isinstance(values, list):
        raise SettingError(f"`{name}`: choices must be a list, got {values!r}.")
    parsed = tuple(dict.fromkeys(setting.parse(name, value) for value in values))
    if len(parsed) < 2:
        raise SettingError(f"`{name}` needs at least two different choices, got {values!r}.")
    return Choices(parsed)


def _one(setting, name, value):
    """Return one number or word of a setting that may have several."""
    parsed = setting.parse(name, value)
    return parsed[0] if isinstance(parsed, tuple) and len(parsed) == 1 else parsed
