"""Which settings the class of a user's own rule has a use for."""

import inspect

from dtp_tf.errors import SettingError
from dtp_tf.recipes.rules import OF_CLASS, RULES, rule_settings
from dtp_tf.rules.base import Rule

_OF_TRAINED = (
    "schedule", "inverse_epochs_before", "inverse_epochs_after", "inverse_optimizer",
    "inverse_learning_rate", "inverse_learning_rate_schedule",
)  # fmt: skip
_OF_INVERSES = "inverse_activation", "inverse_first"
_OF_FEEDBACK = "inverse_initializer", "symmetric_start"


def arguments(rule):
    """Return the names of what a rule's `__init__` takes.

    One with `**kwargs` hands them on, so that those of the class that it extends count, too.
    """
    names = set()
    for one in rule.__mro__:
        if "__init__" not in vars(one) or one is object:
            continue
        taken = inspect.signature(one.__init__).parameters.values()
        names |= {each.name for each in taken}
        if not any(each.kind is each.VAR_KEYWORD for each in taken):
            break
    return names


def unused_settings(rule):
    """Return the names of the settings that do nothing for a class of rules."""
    taken = arguments(rule)
    unused = {name for name in OF_CLASS if name not in taken}
    if "noise" in unused:
        unused |= {"noise_decay_epochs"}
    if rule.trains_feedback is False:
        unused |= set(_OF_TRAINED)
    inverses = rule.uses_inverse is not Rule.uses_inverse
    if not inverses:
        unused |= set(_OF_INVERSES)
    if not inverses and rule.feedback_layers is Rule.feedback_layers:
        unused |= set(_OF_FEEDBACK)
    return unused


def check_own_rule(recipe, rule, searched=()):
    """Raise `SettingError` if a user's own rule has no use for what is given.

    Recipes cannot know this before the rule's file was run; a setting with the default of `dtp`
    may be one that nobody gave.

    Args:
        recipe: the `Recipe`.
        rule: the class of its rule.
        searched: settings that are to be varied.
    """
    if recipe.rule in RULES:
        return
    defaults, unused = rule_settings(recipe.rule), unused_settings(rule)
    for name in sorted(unused):
        if name in searched or getattr(recipe, name) != defaults[name]:
            taken = ", ".join(f"`{one}`" for one in defaults if one not in unused)
            taken = taken or "none of the rules' settings"
            raise SettingError(
                f"`{name}` has no place in the rule {recipe.rule}, whose class takes {taken}; "
                "leave it out."
            )
