"""What a search may change: ranges and choices of settings, in plain YAML.

    learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true}   a range; log = drawn by its logarithm
    inverse_steps: {low: 1, high: 8}                        a range of whole numbers
    optimizer: {choices: [adam, rmsprop]}                   some values
    noise: [0.1, {low: 0.1, high: 0.5}]                     one for each layer, each for itself
    optimizer: {name: adam, epsilon: {low: 1.0e-8, high: 1.0e-3, log: true}}
                                                            an argument
    units: [512, 512]                                       a value: fixed

This module imports neither TensorFlow nor Optuna.
"""

import contextlib
import itertools
import math
import random

from dtp_tf.errors import SettingError
from dtp_tf.recipes.config_files import read_mapping, refuse_unnamed
from dtp_tf.recipes.recipe import SETTINGS, check_names, rule_settings, shown
from dtp_tf.recipes.recipe import recipe as find_recipe
from dtp_tf.tuning.search_entries import (
    as_parameter,
    parse_entry,
    parts_of,
    value_of,
    values_in,
    varied,
)

CORNERS = 1000  # combinations of extreme values that are tried before a search


class SearchSpace:
    """Which settings a search changes, and within what.

    Args:
        entries: by setting: a `Range`, a `Choices`, or a tuple or a dict of these and of plain
            values.

    Attributes:
        parameters: by name the `Range` or `Choices` of each single parameter. An entry of a list
            has the number of its layer, `noise.1`, and an argument its name, `optimizer.epsilon`.
    """

    def __init__(self, entries):
        self.entries = dict(entries)
        self.parameters = {
            part: one
            for setting, entry in self.entries.items()
            for part, one in parts_of(setting, entry).items()
            if varied(one)
        }

    @classmethod
    def from_plain(cls, content):
        """Return the space of a mapping as YAML has it, and its fixed values.

        Raises:
            SettingError: an unknown setting, one that cannot be searched, a reversed range, or a
                value out of what recipes allow.
        """
        check_names(content)
        parsed = {name: parse_entry(name, value) for name, value in content.items()}
        fixed = {name: content[name] for name, entry in parsed.items() if entry is None}
        return cls({name: entry for name, entry in parsed.items() if entry is not None}), fixed

    def to_plain(self):
        """Return the space as YAML has it."""
        return {name: _plain(entry) for name, entry in self.entries.items()}

    def without(self, names):
        """Return the space without some settings."""
        return SearchSpace({k: v for k, v in self.entries.items() if k not in names})

    def suggest(self, trial):
        """Give every parameter of an Optuna trial a value."""
        for name, parameter in self.parameters.items():
            parameter.suggest(trial, name)

    def settings(self, params):
        """Return the settings that a trial's parameters stand for."""
        return {name: value_of(name, entry, params) for name, entry in self.entries.items()}

    def params_of(self, recipe):
        """Return the parameters of a recipe, or None if it lies outside of the space."""
        params = {}
        for setting, entry in self.entries.items():
            values = values_in(setting, entry, getattr(recipe, setting))
            if values is None:
                return None
            for (name, one), mine in zip(parts_of(setting, entry).items(), values, strict=True):
                if not (one.has(mine) if varied(one) else one == mine):
                    return None
                if varied(one):
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


def _plain(entry):
    if isinstance(entry, tuple):
        return [_plain(one) for one in entry]
    if isinstance(entry, dict):
        return {key: _plain(one) for key, one in entry.items()}
    return entry.to_plain() if varied(entry) else entry


# -- the space of a recipe -------------------------------------------------------------------------

# Their learning rates are of a kind; those of the others would need a range of their own.
ADAPTIVE = ("adam", "rmsprop", "rmsprop-torch")


def default_search(recipe):
    """Return a search space around a recipe's values, as YAML has it.

    Learning rates, noise and a decay of the weights reach from a fifth to five times, `target_step`
    from a tenth to ten times; `inverse_steps`, where batches have several, from 1 to twice; half
    and twice the batch.
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
    choice, arguments = SETTINGS["optimizer"].values("optimizer", recipe.optimizer)
    decay = arguments.get("weight_decay")
    if decay and not isinstance(decay, tuple):
        space["optimizer"] = {"name": choice, **arguments, "weight_decay": _around(decay, 5)}
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
