"""Which runs a comparison of learning rules consists of, and what they have in common.

This module does not import TensorFlow, so that what cannot be compared is refused at once.
"""

import dataclasses
import pathlib

from dtp_tf.arguments import check_whole
from dtp_tf.errors import SettingError
from dtp_tf.recipes.commands import config_command as config_command
from dtp_tf.recipes.commands import train_command as train_command
from dtp_tf.recipes.config_files import read_mapping
from dtp_tf.recipes.recipe import RULE_SETTINGS, RULES, SETTINGS, check_names, rule_settings
from dtp_tf.recipes.recipe import recipe as find_recipe
from dtp_tf.recipes.settings import did_you_mean

# What all rules of a comparison share: with it they have the same images, splits, forward networks,
# initial forward weights, batches and epochs. Optimizers and what belongs to a rule are tuned.
HELD_EQUAL = tuple(
    "recipe dataset image_folder records image_feature label_feature classes image_size "
    "validation_fraction preprocessing flip crop pixel_noise input_noise units layers model "
    "activation dropout transmission initializer init batch_size epochs early_stopping "
    "class_weights precision deterministic".split()
)
MAX_SEEDS = 1_000


@dataclasses.dataclass(frozen=True)
class Plan:
    """The runs that are asked for: every rule with every seed.

    Args:
        recipes: one `Recipe` per run, all rules of the first seed first, so that a comparison that
            is stopped has equally many runs of each rule.
        rules: the rules in the order in which they are shown.
    """

    recipes: tuple
    rules: tuple


def make_plan(
    recipe="digits", rules=None, seeds=3, rule_config=None, machine=None, **settings
):
    """Return the `Plan` of a comparison.

    Args:
        recipe: the name of a recipe, or a `Recipe`.
        rules: names of rules, FILE.py:CLASS, or "all" for every rule of the library; a list, or
            text with commas. None = all.
        seeds: how many; the seeds are 0 .. seeds - 1.
        rule_config: settings by rule, `{rule: {setting: value}}`, or the file that holds them.
        machine: the `dtp_tf.machines.Machine` that the runs are to be trained on, if it is known.
        **settings: override the recipe's for every rule; those of rules only where they are taken.

    Raises:
        SettingError: an unknown recipe, rule or setting, a value out of its range, a setting that
            none of the rules takes, or one given to a single rule that all must share.
    """
    chosen = _chosen(rules)
    check_whole("seeds", seeds, most=MAX_SEEDS)
    check_names(settings)
    for name, instead in {"rule": "rules", "seed": "seeds"}.items():
        if name in settings:
            raise SettingError(f"`{name}` differs in a comparison: give `{instead}` instead.")
    own = _own_settings(rule_config, chosen)
    _refuse_unused(settings, chosen)
    # A rule in the file that is not compared here is checked all the same.
    bases = {rule: _base(recipe, rule, settings, own.get(rule, {})) for rule in (*chosen, *own)}
    recipes = [bases[rule].replace(seed=seed) for seed in range(seeds) for rule in chosen]
    for one in recipes[: len(chosen)]:
        one.check()
    if machine is not None:
        _check_machine(machine, recipes)
    return Plan(tuple(recipes), chosen)


def _check_machine(machine, recipes):
    machine.check_shareable("a comparison")
    for one in recipes:
        machine.check_fits(one)


def _chosen(rules):
    if rules is None:
        return tuple(RULES)
    words = rules.split(",") if isinstance(rules, str) else rules
    named = [word for word in (str(word).strip() for word in words) if word]
    chosen = tuple(rule for word in named for rule in (RULES if word == "all" else [word]))
    if not chosen:
        raise SettingError(f"`rules` needs at least one rule; there are {', '.join(RULES)}.")
    folders = {}
    for rule in chosen:
        SETTINGS["rule"].parse("rules", rule)
        other = folders.setdefault(folder_name(rule, 0), rule)
        if chosen.count(rule) > 1:
            raise SettingError(f"`rules` names {rule} {chosen.count(rule)} times; once is enough.")
        if other != rule:
            raise SettingError(
                f"`rules` has {other} and {rule}, whose runs would share a folder; rename one."
            )
    return chosen


def _own_settings(rule_config, chosen):
    """Return the checked settings by rule from a dict or a file."""
    if rule_config is None:
        return {}
    where = "`rule_config`"
    if not isinstance(rule_config, dict):
        where = f"rule config file {rule_config}"
        rule_config = read_mapping(rule_config)
    for rule, settings in rule_config.items():
        if rule not in RULES and rule not in chosen:
            raise SettingError(
                f"{where}: unknown rule {rule!r}; there are {', '.join(RULES)}."
                + did_you_mean(str(rule), RULES)
            )
        if not isinstance(settings, dict):
            raise SettingError(f"{where}: {rule} must have settings by name, got {settings!r}.")
        try:
            check_names(settings)
        except SettingError as error:
            raise SettingError(f"{where}: {rule}: {error}") from None
        for name in settings:
            if name in (*HELD_EQUAL, "rule", "seed"):
                raise SettingError(
                    f"{where}: {rule}: `{name}` cannot differ between the rules of a comparison."
                )
    return rule_config


def _refuse_unused(settings, chosen):
    for name in settings:
        if name in RULE_SETTINGS and not any(name in rule_settings(rule) for rule in chosen):
            raise SettingError(f"`{name}` is taken by none of the rules {', '.join(chosen)}.")


def _base(recipe, rule, settings, own):
    """Return the recipe of one rule; of `settings`, those of other rules are left out."""
    taken = rule_settings(rule)
    kept = {k: v for k, v in settings.items() if k not in RULE_SETTINGS or k in taken}
    try:
        return find_recipe(recipe, **{**kept, **own, "rule": rule})
    except SettingError as error:
        marks = [f"`{name}{end}" for name in (*RULE_SETTINGS, *own) for end in "`."]
        if any(mark in str(error) for mark in marks):
            raise SettingError(f"with the rule {rule}: {error}") from None
        raise


def folder_name(rule, seed):
    """Return the name of a run's folder: RULE-SEED; FILE_CLASS-SEED for a rule of one's own."""
    path, _, name = rule.rpartition(":")
    return f"{pathlib.Path(path).stem}_{name}-{seed}" if path else f"{rule}-{seed}"


def rule_label(rule):
    """Return the name of a rule as a table shows it: without the folder of its file."""
    path, _, name = rule.rpartition(":")
    return f"{pathlib.Path(path).name}:{name}" if path else rule


def difference(recipe, other, names=tuple(SETTINGS)):
    """Return the name of the first setting in which two recipes differ, or None."""
    return next((name for name in names if getattr(recipe, name) != getattr(other, name)), None)
