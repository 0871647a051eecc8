"""Settings that are a word with arguments. This module does not import TensorFlow.

    adam beta_2=0.95 epsilon=1e-4                 as a flag, and as recipes keep it
    {name: adam, beta_2: 0.95, epsilon: 1.0e-4}   as a mapping in files and in Python
"""

import collections.abc
import dataclasses
import re

from dtp_tf.errors import SettingError
from dtp_tf.recipes.settings import Setting, did_you_mean, shown
from dtp_tf.schema import brief


@dataclasses.dataclass(frozen=True)
class WithArguments(Setting):
    """A setting with `choices` that take arguments; its value is text, `CHOICE NAME=VALUE ..`.

    Args:
        arguments: by choice, the arguments that it takes, each a `Setting` by its name.
        elsewhere: what to say of arguments that a person may expect here, by their names.
        together: a function of the choice and of its arguments that returns why they do not go
            together, or None.
    """

    arguments: dict = dataclasses.field(default_factory=dict)
    elsewhere: dict = dataclasses.field(default_factory=dict)
    together: collections.abc.Callable = lambda choice, given: None

    def parse(self, name, value):
        if not isinstance(value, (str, dict)) or (self.optional and value in ("none", "None")):
            return super().parse(name, value)
        choice, given = self._words(name, value) if isinstance(value, str) else _named(name, value)
        if isinstance(choice, str) and choice.lower() in self.choices:
            choice = choice.lower()  # as Keras reads names
        choice, taken = self._parse_one(name, choice), {}
        for key in given:
            if key not in self.arguments[choice]:
                raise SettingError(self._unknown(name, choice, key))
        for key, argument in self.arguments[choice].items():
            if key in given:
                whole = f"{name}.{key}"
                # In words a list of one is no list.
                one = argument.per_layer and isinstance(given[key], (list, tuple))
                one = one and len(given[key]) == 1
                parse = argument._parse_one if one else argument.parse
                taken[key] = _separable(whole, parse(whole, given[key]))
        reason = self.together(choice, taken)
        if reason is not None:
            raise SettingError(f"`{name}`: {reason}")
        return " ".join([choice, *(f"{key}={_text(one)}" for key, one in taken.items())])

    def values(self, name, value):
        """Return the choice of a value, and its arguments by name; a wrong one is refused."""
        choice, given = self._words(name, self.parse(name, value))
        taken = self.arguments[choice]
        return choice, {key: taken[key].parse(key, value) for key, value in given.items()}

    def _words(self, name, text):
        """Return the choice and the arguments in a text."""
        choice, *words = text.split() or [""]
        given = {}
        for word in words:
            key, equals, value = word.partition("=")
            if not (key and equals and value):
                raise SettingError(
                    f"`{name}` must be a word and then NAME=VALUE without spaces inside, got "
                    f"{brief(word)}."
                )
            if key in given:
                raise SettingError(f"`{name}` has {brief(key)} twice; give it once.")
            given[key] = value
        return choice, given

    def _unknown(self, name, choice, key):
        if key in self.elsewhere:
            return f"`{name}`: {key} has no place here; {self.elsewhere[key]}."
        known = self.arguments[choice]
        return (
            f"`{name}`: {choice} has no argument {brief(key)}; it takes "
            f"{', '.join(known) or 'none'}.{did_you_mean(str(key), known)}"
        )


def _separable(name, value):
    """Return the value of an argument, if it can be read back from among the words of a text."""
    for one in value if isinstance(value, tuple) else (value,):
        if isinstance(one, str) and re.search(r"[\s,]", one):
            raise SettingError(f"`{name}` must have no spaces and commas in it, got {brief(one)}.")
    return value


def _text(value):
    """Return the value of an argument in words, 20 for 20.0."""
    if isinstance(value, tuple):
        return ",".join(map(_text, value))
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return str(int(value)) if whole else shown(value)


def _named(name, mapping):
    """Return the choice and the arguments in a mapping."""
    if "name" not in mapping:
        raise SettingError(
            f"`{name}` needs a name among its arguments, {{name: .., ..}}; got {brief(mapping)}."
        )
    return mapping["name"], {key: value for key, value in mapping.items() if key != "name"}
