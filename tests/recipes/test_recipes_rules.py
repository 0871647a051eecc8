"""A recipe gives every rule the settings that it takes, and refuses all others by name."""

import dataclasses
import inspect
import itertools
import json

import pytest
from recipes_support import DEFAULTS, message

from dtp_tf.recipes.named import RECIPES
from dtp_tf.recipes.recipe import (
    RULE_SETTINGS,
    RULES,
    SCHEDULES,
    SETTINGS,
    Recipe,
    recipe,
    rule_settings,
)
from dtp_tf.rules import BY_NAME


def values_of(built):
    """Return the rule settings of a recipe."""
    return {name: getattr(built, name) for name in RULE_SETTINGS}


#: A value that is nobody's default, for each of the rules' settings.
OTHER = {
    "schedule": "inverse-first",
    "inverse_steps": 1,
    "inverse_epochs_before": 10,
    "inverse_epochs_after": 2,
    "target_step": 0.75,
    "noise": 0.625,
    "noise_decay_epochs": 7.0,
    "noise_directions": "orthogonal",
    "noise_samples": 3,
    "inverse_l2": 0.25,
    "damping": 0.375,
    "feedback_units": 7,
    "auxiliary_units": 9,
    "straight_through": True,
    "jacobian_norm": "analytic",
    "feedback_magnitudes": "fixed-random",
    "increment": 0.5,
    "orthogonality": 0.125,
    "denoising": False,
    "inverse_activation": "elu",
    "inverse_first": True,
    "inverse_initializer": "he_normal",
    "symmetric_start": True,
    "inverse_optimizer": "sgd",
    "inverse_learning_rate": 0.875,
    "inverse_learning_rate_schedule": "cosine",
}


def test_the_rules_settings_are_settings_and_all_have_no_value_by_default():
    assert set(OTHER) == set(RULE_SETTINGS) < set(SETTINGS)
    assert {DEFAULTS[name] for name in RULE_SETTINGS} == {None}
    assert all(SETTINGS[name].optional for name in RULE_SETTINGS)


def test_the_table_of_settings_has_exactly_the_rules_that_there_are():
    assert list(RULES) == list(BY_NAME)
    assert SETTINGS["rule"].choices == tuple(RULES)


# As literals: what a rule takes must not follow a slip in the table.
NOISE = {"noise", "noise_decay_epochs", "noise_samples"}
TRAINED = {
    "schedule", "inverse_steps", *NOISE, "inverse_initializer",
    "inverse_optimizer", "inverse_learning_rate", "inverse_learning_rate_schedule",
    "inverse_epochs_before", "inverse_epochs_after",
}  # fmt: skip
INVERSES = {"inverse_activation", "inverse_first", "inverse_initializer", "symmetric_start"}
TAKEN = {
    "tp": TRAINED | INVERSES | {"target_step", "inverse_l2", "noise_directions"},
    "dtp": TRAINED | INVERSES | {"target_step", "inverse_l2", "noise_directions"},
    "sdtp": TRAINED | INVERSES
    | {"target_step", "inverse_l2", "noise_directions", "denoising"},
    "ao_sdtp": TRAINED | INVERSES
    | {"target_step", "inverse_l2", "noise_directions", "denoising", "auxiliary_units"},
    "drl": TRAINED | INVERSES | {"target_step", "inverse_l2", "noise_directions"},
    "ddtp_linear": TRAINED | {"target_step", "inverse_l2", "noise_directions"},
    "ddtp_rhl": TRAINED | {"target_step", "inverse_l2", "noise_directions", "feedback_units"},
    "ddtp_control": TRAINED | {"target_step", "inverse_l2", "noise_directions"},
    "gnt": {"target_step", "damping"},
    "ldrl": TRAINED | INVERSES | {"target_step", "noise_directions", "jacobian_norm"},
    "ccl": TRAINED - NOISE | INVERSES,
    "fwdtp": INVERSES | {"target_step"},
    "gait_prop": {"increment", "orthogonality"},
    "bp": {"straight_through"},
    "fa": {"inverse_initializer", "symmetric_start"},
    "dfa": {"inverse_initializer"},
    "drtp": {"inverse_initializer"},
    "sign_symmetry": {"feedback_magnitudes", "inverse_initializer"},
    "kp": TRAINED - NOISE | {"symmetric_start"},
    "weight_mirror": TRAINED | {"inverse_l2", "symmetric_start"},
    "local_error": TRAINED - NOISE,
    "autoencoder": TRAINED - {"inverse_initializer"} | {"inverse_activation"},
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_fills_in_what_it_takes_and_leaves_the_rest_without_a_value(rule):
    assert set(RULES[rule]) == TAKEN[rule]
    values, defaults = values_of(Recipe(rule=rule)), RULES[rule]
    if rule == "autoencoder":  # as the layers need it
        defaults = {**defaults, "inverse_activation": "tanh"}
    for name in RULE_SETTINGS:
        assert values[name] == (defaults[name] if name in TAKEN[rule] else None)


@pytest.mark.parametrize("rule", RULES)
def test_the_default_of_a_rule_passes_its_own_check(rule):
    for name, value in RULES[rule].items():
        assert SETTINGS[name].parse(name, value) == value


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_and_its_recipe_agree_on_what_it_takes_and_on_the_defaults(rule):
    """`DTP()` in Python and `--rule dtp` are the same rule."""
    arguments = inspect.signature(BY_NAME[rule]).parameters
    assert {name for name in TAKEN[rule] if name in arguments} == set(arguments)
    for name, argument in arguments.items():
        assert argument.default == RULES[rule][name]


@pytest.mark.parametrize("rule", RULES)
def test_a_setting_that_a_rule_does_not_take_is_refused_by_name(rule):
    for name, value in OTHER.items():
        if name in TAKEN[rule]:
            settings = {"schedule": "inverse-first"} if name == "inverse_steps" else {}
            if rule == "sign_symmetry":
                settings = {"feedback_magnitudes": OTHER["feedback_magnitudes"]}
            settings.pop(name, None)
            assert getattr(Recipe(rule=rule, **{name: value, **settings}), name) == value
        else:
            text = message(Recipe, rule=rule, **{name: value})
            assert text.startswith(f"`{name}` has no place in the rule {rule}, which takes ")
            takes = [f"`{one}`" for one in RULES[rule]] or ["none of the rules' settings"]
            assert text.endswith(", ".join(takes) + ".")


def test_a_value_that_says_nothing_is_still_refused_where_the_rule_does_not_take_it():
    for name, value in (("inverse_first", False), ("inverse_l2", 0), ("noise", 0)):
        text = message(Recipe, rule="bp", **{name: value})
        assert f"`{name}` has no place in the rule bp" in text


def test_none_stands_for_what_the_rule_says():
    assert Recipe(rule="bp", noise=None, schedule="none") == Recipe(rule="bp")
    assert Recipe(rule="ldrl", noise="none") == Recipe(rule="ldrl")


def test_an_unknown_rule_lists_the_rules_and_suggests_the_nearest():
    text = message(Recipe, rule="ddtp-linear")
    assert f"`rule` must be one of {', '.join(RULES)}; got 'ddtp-linear'." in text
    assert text.endswith("Did you mean 'ddtp_linear'?")
    assert "`rule` must be one of" in message(Recipe, rule="my_rule.py")


def test_a_rule_of_ones_own_may_take_every_setting_and_its_class_has_the_defaults():
    own = Recipe(rule="my.py:Mine")
    assert set(rule_settings("my.py:Mine")) == set(RULE_SETTINGS)
    left_to_the_class = dict.fromkeys(
        ("target_step", "noise", "noise_directions", "schedule", "inverse_steps", "inverse_l2",
         "noise_samples")
    )
    assert values_of(own) == {**values_of(Recipe(rule="dtp")), **left_to_the_class}
    assert values_of(own.replace(**OTHER)) == OTHER


@pytest.mark.parametrize(
    ("name", "value", "parsed"),
    [
        ("noise", "0.5", 0.5),
        ("noise", "0.5,0.25", (0.5, 0.25)),
        ("noise", " 1 , 0 ", (1.0, 0.0)),
        ("noise", [0.5, "0.25"], (0.5, 0.25)),
        ("noise", "0.5,", (0.5,)),
        ("noise", 2, 2.0),
        ("inverse_steps", "3", 3),
        ("inverse_steps", "1,2,3", (1, 2, 3)),
        ("inverse_steps", [5.0], (5,)),
        ("inverse_learning_rate", "1e-3", 0.001),
        ("inverse_learning_rate", "1e-3,2e-3", (0.001, 0.002)),
        ("inverse_learning_rate", (0.5, 1), (0.5, 1.0)),
    ],
)
def test_a_setting_that_may_differ_from_layer_to_layer_is_one_value_or_a_list(name, value, parsed):
    got = getattr(Recipe(schedule="inverse-first", **{name: value}), name)
    assert got == parsed
    assert type(got) is type(parsed)
    if isinstance(parsed, tuple):
        assert [type(one) for one in got] == [type(one) for one in parsed]


def test_only_these_settings_may_differ_from_layer_to_layer():
    per_layer = {name for name, setting in SETTINGS.items() if setting.per_layer}
    assert per_layer == {
        "dropout", "learning_rate", "noise", "noise_directions", "noise_samples", "inverse_steps",
        "inverse_learning_rate", "inverse_l2",
    }  # fmt: skip
    assert "must be a number" in message(Recipe, target_step="1,2")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("noise", "0.5,-1", "`noise` must be at least 0, got -1."),
        ("noise", "0.5,much", "`noise` must be a number, got 'much'."),
        ("noise", ",", "`noise` needs at least one value, got an empty list."),
        ("noise", [], "`noise` needs at least one value, got an empty list."),
        ("inverse_steps", "2,0", "`inverse_steps` must be at least 1, got 0."),
        ("inverse_steps", (2, 1.5), "`inverse_steps` must be a whole number, got 1.5."),
        ("inverse_learning_rate", [0.1, 0], "`inverse_learning_rate` must be above 0, got 0."),
    ],
)
def test_a_wrong_value_among_those_of_the_layers_is_refused(name, value, expected):
    assert message(Recipe, schedule="inverse-first", **{name: value}) == expected


def test_lists_of_the_layers_survive_the_way_through_json():
    first = Recipe(
        rule="drl", noise="0.5,0.25", inverse_steps=(1, 2), inverse_learning_rate=[0.1, 0.2]
    )
    settings = json.loads(json.dumps(first.to_dict()))
    assert settings["noise"] == [0.5, 0.25]
    again = Recipe.from_dict(settings)
    assert again == first
    assert (again.noise, again.inverse_steps) == ((0.5, 0.25), (1, 2))


@pytest.mark.parametrize("schedule", [one for one in SCHEDULES if one != "inverse-first"])
def test_several_inverse_steps_of_one_layer_need_their_schedule_too(schedule):
    text = message(Recipe, schedule=schedule, inverse_steps=(1, 3))
    assert f"`inverse_steps` 1,3 needs `schedule` inverse-first, got {schedule}." == text
    assert Recipe(schedule=schedule, inverse_steps=(1, 1)).inverse_steps == (1, 1)


def test_matched_inverses_apply_their_activation_first():
    assert Recipe(inverse_activation="matched", inverse_first=True).inverse_first is True
    text = message(Recipe, inverse_activation="matched")
    assert text.startswith("`inverse_activation` matched needs `inverse_first` true, got false")


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("rule", RULES)
def test_every_named_recipe_can_be_had_with_every_rule(name, rule):
    built = recipe(name, rule=rule)
    expected = {**RECIPES[name].settings, **RULES[rule], **RECIPES[name].rules.get(rule, {})}
    assert (built.recipe, built.rule) == (name, rule)
    if rule == "autoencoder":  # as pixels and layers need it
        del expected["inverse_activation"]
    for key, value in expected.items():
        assert getattr(built, key) == value, key
    assert Recipe.from_dict(json.loads(json.dumps(built.to_dict()))) == built


def test_what_a_recipe_says_of_one_rule_does_not_reach_another():
    assert recipe("cifar10").noise == RECIPES["cifar10"].rules["dtp"]["noise"] == 300.0
    assert recipe("cifar10", rule="tp").noise == RULES["tp"]["noise"]
    assert recipe("mnist-paper").inverse_optimizer == "rmsprop-graves"
    assert recipe("mnist-paper", rule="tp").inverse_optimizer == "adam"


def test_what_a_recipe_says_of_a_rule_are_settings_that_the_rule_takes_or_that_are_tuned():
    tuned = {"learning_rate", "learning_rate_schedule", "optimizer"}
    for named in RECIPES.values():
        for rule, own in named.rules.items():
            assert own.keys() <= RULES[rule].keys() | tuned


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.slow
def test_a_change_of_the_rule_leaves_nothing_behind_of_the_one_before(name):
    for first, second in itertools.permutations(RULES, 2):
        changed = recipe(name, rule=first).replace(rule=second)
        assert changed == recipe(name, rule=second), (first, second)


def test_a_learning_rate_that_is_nobodys_own_stays_when_the_rule_changes(monkeypatch):
    named = RECIPES["digits"]
    rules = {"dtp": {"learning_rate": 0.5}, "drl": {"learning_rate": 0.25}}
    monkeypatch.setitem(RECIPES, "digits", dataclasses.replace(named, rules=rules))
    assert recipe("digits").replace(rule="drl").learning_rate == 0.25
    assert recipe("digits").replace(rule="bp").learning_rate == named.settings["learning_rate"]
    assert recipe("digits", learning_rate=0.125).replace(rule="bp").learning_rate == 0.125


@pytest.mark.parametrize("rule", RULES)
def test_a_recipe_with_another_rule_starts_from_that_rules_own_settings(rule):
    tuned = recipe("cifar10", noise=0.125, inverse_learning_rate="1,2,3", epochs=3)
    changed = tuned.replace(rule=rule)
    assert changed.epochs == 3
    if rule == "dtp":
        assert changed == tuned
    else:
        assert values_of(changed) == values_of(recipe("cifar10", rule=rule))
        assert values_of(changed.replace(rule="dtp")) == values_of(recipe("cifar10"))


def test_settings_that_come_with_another_rule_are_kept():
    changed = Recipe(noise=0.125).replace(rule="drl", noise=0.5, inverse_l2=0.25)
    assert (changed.noise, changed.inverse_l2) == (0.5, 0.25)
    assert changed.target_step == RULES["drl"]["target_step"]
    assert "`noise` has no place" in message(Recipe().replace, rule="bp", noise=0.5)
