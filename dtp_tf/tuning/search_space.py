"""What a search may change: ranges and choices of settings, in plain YAML.

    learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true}   a range; log = drawn by its logarithm
    inverse_steps: {low: 1, high: 8}                        a range of whole numbers
    optimizer: {choices: [adam, rmsprop]}                   some values
    noise: [0.1, {low: 0.1, high: 0.5}]                     one for each layer, each for itself
    units: [512, 512]                                       a value: fixed

This module imports neither TensorFlow nor Optuna.
"""

import contextlib
import dataclasses
import itertools
import math
import random

from dtp_tf.errors import SettingError
from dtp_tf.recipes.config_files import read_mapping, refuse_unnamed
from dtp_tf.recipes.recipe import SETTINGS, check_names, rule_settings, shown
from dtp_tf.recipes.recipe import recipe as find_recipe
from dtp_tf.recipes.settings import did_you_mean

# With other data, other epochs or another seed, accuracies could not be compared; another rule has
# other settings.
NEVER_SEARCHED = tuple(
    "recipe dataset image_folder image_size validation_fraction init model rule epochs "
    "early_stopping diagnostics_every diagnostics_images seed deterministic".split()
)
CORNERS = 1000  # combinations of extreme values that are tried before a search


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


class SearchSpace:
    """Which settings a search changes, and within what.

    Args:
        entries: by setting: a `Range`, a `Choices`, or a tuple of these and of plain values.

    Attributes:
        parameters: by name the `Range` or `Choices` of each single parameter. An entry of a list
            has the number of its layer: `noise.1`.
    """

    def __init__(self, entries):
        self.entries = dict(entries)
        self.parameters = {}
        for setting, entry in self.entries.items():
            if isinstance(entry, tuple):
                named = {_layer(setting, i): one for i, one in enumerate(entry, start=1)}
            else:
                named = {setting: entry}
            self.parameters |= {k: v for k, v in named.items() if isinstance(v, (Range, Choices))}

    @classmethod
    def from_plain(cls, content):
        """Return the space of a mapping as YAML has it, and its fixed values.

        Raises:
            SettingError: an unknown setting, one that cannot be searched, a reversed range, or a
                value out of what recipes allow.
        """
        check_names(content)
        parsed = {name: _parse(name, value) for name, value in content.items()}
        fixed = {name: content[name] for name, entry in parsed.items() if entry is None}
        return cls({name: entry for name, entry in parsed.items() if entry is not None}), fixed

    def to_plain(self):
        """Return the space as YAML has it."""
        return {
            name: [_plain(one) for one in entry] if isinstance(entry, tuple) else _plain(entry)
            for name, entry in self.entries.items()
        }

    def without(self, names):
        """Return the space without some settings."""
        return SearchSpace({k: v for k, v in self.entries.items() if k not in names})

    def suggest(self, trial):
        """Give every parameter of an Optuna trial a value."""
        for name, parameter in self.parameters.items():
            parameter.suggest(trial, name)

    def settings(self, params):
        """Return the settings that a trial's parameters stand for."""
        found = {}
        for setting, entry in self.entries.items():
            if isinstance(entry, tuple):
                value = [params.get(_layer(setting, i), one) for i, one in enumerate(entry, 1)]
            else:
                value = params[setting]
            found[setting] = SETTINGS[setting].parse(setting, value)
        return found

    def params_of(self, recipe):
        """Return the parameters of a recipe, or None if it lies outside of the space."""
        params = {}
        for setting, entry in self.entries.items():
            value = getattr(recipe, setting)
            if not isinstance(entry, tuple):
                pairs = {setting: (entry, value)}
            else:
                values = value if isinstance(value, tuple) else (value,) * len(entry)
                if len(values) != len(entry):
                    return None
                both = zip(entry, values, strict=True)
                pairs = {_layer(setting, i): pair for i, pair in enumerate(both, start=1)}
            for name, (one, mine) in pairs.items():
                varied = isinstance(one, (Range, Choices))
                if not (one.has(mine) if varied else one == mine):
                    return None
                if varied:
                    params[name] = as_parameter(mine)
        return params

    def check(self, base):
        """Raise `SettingError` if a combination of extreme values is no recipe.

        Args:
            base: the `Recipe` whose settings the trials change.
        """
        extremes = {name: one.extremes() for name, one in self.parameters.items()}
        if math.prod(map(len, extremes.values())) <= CORNERS:
            corners = itertools.product(*extremes.values())
        else:
            draw = random.Random(0)
            corners = (tuple(map(draw.choice, extremes.values())) for _ in range(CORNERS))
        for corner in corners:
            values = map(as_parameter, corner)
            self._check_one(base, self.settings(dict(zip(extremes, values, strict=True))))

    def _check_one(self, base, settings):
        refusal = _refusal(base, settings)
        if refusal is None:
            return
        if any(_refusal(base, {name: value}) == refusal for name, value in settings.items()):
            raise SettingError(refusal)
        values = ", ".join(f"{name} {shown(value)}" for name, value in settings.items())
        raise SettingError(f"a trial might have {values}: {refusal}")


def _refusal(base, settings):
    """Return why a recipe cannot have these settings, or None."""
    try:
        base.replace(**settings).check()
    except SettingError as error:
        return str(error)
    return None


def _layer(setting, number):
    return f"{setting}.{number}"


def _plain(entry):
    return entry.to_plain() if isinstance(entry, (Range, Choices)) else entry


def _parse(name, value):
    """Return the entry of a setting, or None if its value is fixed."""
    setting = SETTINGS[name]
    lists = setting.many or setting.per_layer
    is_range = isinstance(value, dict)
    varied = is_range or (isinstance(value, list) and any(isinstance(v, dict) for v in value))
    if varied and name in NEVER_SEARCHED:
        raise SettingError(
            f"`{name}` cannot be searched, for the trials could not be compared; give it one value."
        )
    if is_range:
        return _parse_range(name, value)
    if isinstance(value, list) and not lists:
        raise SettingError(
            f"`{name}` has one value, got a list; for some values to choose from write "
            f"{{choices: [{', '.join(map(str, value))}]}}."
        )
    if varied:
        return tuple(
            _parse_range(name, one) if isinstance(one, dict) else _one(name, one) for one in value
        )
    setting.parse(name, value)
    return None


def _parse_range(name, content):
    known = ("low", "high", "log", "step", "choices")
    for key in content:
        if key not in known:
            raise SettingError(
                f"`{name}` has an unknown key {key!r}; a range has low, high, log and step, and "
                f"some values are choices.{did_you_mean(str(key), known)}"
            )
    if "choices" in content:
        return _parse_choices(name, content)
    setting = SETTINGS[name]
    if setting.kind not in (int, float):
        raise SettingError(f"`{name}` is no number: give it choices, not a range.")
    for key in ("low", "high"):
        if key not in content:
            raise SettingError(f"`{name}` needs both low and high, got no {key}.")
    low, high = _one(name, content["low"]), _one(name, content["high"])
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


def _parse_choices(name, content):
    values = content["choices"]
    if len(content) > 1:
        raise SettingError(f"`{name}` has choices and a range; give one of them.")
    if not isinstance(values, list):
        raise SettingError(f"`{name}`: choices must be a list, got {values!r}.")
    parsed = tuple(dict.fromkeys(SETTINGS[name].parse(name, value) for value in values))
    if len(parsed) < 2:
        raise SettingError(f"`{name}` needs at least two different choices, got {values!r}.")
    return Choices(parsed)


def _one(name, value):
    """Return one number or word of a setting that may have several."""
    parsed = SETTINGS[name].parse(name, value)
    return parsed[0] if isinstance(parsed, tuple) and len(parsed) == 1 else parsed


# -- the space of a recipe -------------------------------------------------------------------------

# Their learning rates are of a kind; those of the others would need a range of their own.
ADAPTIVE = ("adam", "rmsprop", "rmsprop-torch")


def default_search(recipe):
    """Return a search space around a recipe's values, as YAML has it.

    Learning rates and noise reach from a fifth to five times, `target_step` from a tenth to ten
    times; `inverse_steps`, where batches have several, from 1 to twice; half and twice the batch.
    """
    taken = rule_settings(recipe.rule)
    space = {"learning_rate": _around(recipe.learning_rate, 5)}
    for name, factor in {"inverse_learning_rate": 5, "target_step": 10, "noise": 5}.items():
        value = getattr(recipe, name)
        positive = value is not None and min(value if isinstance(value, tuple) else (value,)) > 0
        if name in taken and positive:  # nothing lies around a noise of 0
            space[name] = _around(value, factor)
    if recipe.schedule == "inverse-first":
        steps = recipe.inverse_steps
        space["inverse_steps"] = (
            [_steps(one) for one in steps] if isinstance(steps, tuple) else _steps(steps)
        )
    if recipe.optimizer in ADAPTIVE:
        space["optimizer"] = {"choices": list(dict.fromkeys([recipe.optimizer, *ADAPTIVE[:2]]))}
    batch = recipe.batch_size
    space["batch_size"] = {"choices": list(dict.fromkeys([max(1, batch // 2), batch, 2 * batch]))}
    return space


def _around(value, factor):
    if isinstance(value, tuple):
        return [_around(one, factor) for one in value]
    low, high = (float(f"{bound:.2g}") for bound in (value / factor, value * factor))
    return {"low": low, "high": high, "log": True}


def _steps(count):
    return {"low": 1, "high": max(4, 2 * count)}


def make_search(recipe="digits", search=None, machine=None, **settings):
    """Return the `Recipe` whose settings a search changes, and the `SearchSpace`.

    Args:
        recipe: the name of a recipe, or a `Recipe`.
        search: a search space as YAML has it, or the YAML or JSON file of one; by default the
            space of `default_search`.
        machine: the `dtp_tf.machines.Machine` that the trials are to be trained on, if it is known.
        **settings: override the recipe's, and are not searched.

    Raises:
        SettingError: an unknown recipe or setting, a setting that cannot be searched or has no
            place in the rule, a reversed range, a value out of what recipes allow, or a machine
            that trials cannot be trained on.
    """
    check_names(settings)
    where, fixed, space = "the search space", {}, None
    if search is not None:
        if not isinstance(search, dict):
            where = f"search file {search}"
            search = read_mapping(search)
        if "recipe" in search:
            raise SettingError(f"{where}: `recipe` is no setting to search; name it beside.")
        with _saying(where):
            space, fixed = SearchSpace.from_plain(search)
        if where.startswith("search file"):
            refuse_unnamed(where, fixed, settings)
    # Angles are measured only where they are asked for: they take time, and choose nothing.
    given = {"diagnostics_every": None, **fixed, **settings}
    base = find_recipe(recipe, **given)
    if space is None:
        space, _ = SearchSpace.from_plain(default_search(base))
    space = space.without(settings)
    if not space.parameters:
        raise SettingError(f"{where} leaves nothing to search: give some setting a range.")
    with _saying(where):
        base.check()
        space.check(base)
    if machine is not None:
        machine.check_shareable("a search")
        machine.check_fits(base)
    return base, space


@contextlib.contextmanager
def _saying(where):
    """Put in front of a `SettingError` where the setting stands."""
    try:
        yield
    except SettingError as error:
        raise SettingError(f"{where}: {error}") from None


def to_yaml(content):
    """Return a mapping as YAML, a line for each setting."""
    import yaml

    from dtp_tf.recipes.plain_yaml import PlainDumper

    lines = []
    for name, value in content.items():
        line = yaml.dump(
            {name: value}, Dumper=PlainDumper, default_flow_style=True, sort_keys=False,
            width=math.inf,
        )  # fmt: skip
        lines.append(line.strip()[1:-1])  # without the braces around all
    return "\n".join(lines) + "\n"
