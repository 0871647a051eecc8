"""Recipes: every setting explains and checks itself, and every wrong value is named."""

import dataclasses
import inspect
import itertools
import json
import pathlib
import re
import subprocess
import sys

import keras
import pytest

import dtp_tf
from dtp_tf.errors import SettingError, UserError
from dtp_tf.recipes.config_files import read_config
from dtp_tf.recipes.layers_in_words import Conv, Dense, parse_layers
from dtp_tf.recipes.named import RECIPES, NamedRecipe
from dtp_tf.recipes.recipe import (
    ACTIVATIONS,
    INITIALIZERS,
    RULE_SETTINGS,
    RULES,
    SCHEDULES,
    SETTINGS,
    Recipe,
    recipe,
    rule_settings,
    shown,
)
from dtp_tf.recipes.settings import did_you_mean
from dtp_tf.rules import BY_NAME

DEFAULTS = {field.name: field.default for field in dataclasses.fields(Recipe)}


def message(call, *args, **kwargs):
    """Return the text of the SettingError that a call must raise."""
    with pytest.raises(SettingError) as caught:
        call(*args, **kwargs)
    return str(caught.value)


def write(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


# The table of recipes and the settings


@pytest.mark.parametrize("name", RECIPES)
def test_every_named_recipe_builds_and_keeps_its_name(name):
    built = recipe(name)
    rule, own = next(iter(RECIPES[name].rules.items()))
    assert (built.recipe, built.rule) == (name, rule)
    for key, value in {**RECIPES[name].settings, **own}.items():
        assert getattr(built, key) == value


@pytest.mark.parametrize("name", RECIPES)
def test_every_named_recipe_has_a_summary(name):
    assert isinstance(RECIPES[name], NamedRecipe)
    assert len(RECIPES[name].summary) > 20


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_has_a_help_text_of_whole_sentences(name):
    text = SETTINGS[name].help
    assert len(text) > 10
    assert text.rstrip(")").endswith(".")


@pytest.mark.parametrize("name", SETTINGS)
def test_every_default_passes_its_own_check_unchanged(name):
    assert SETTINGS[name].parse(name, DEFAULTS[name]) == DEFAULTS[name]


@pytest.mark.parametrize("name", [name for name, s in SETTINGS.items() if s.choices])
def test_every_choice_is_accepted_and_listed_in_words(name):
    setting = SETTINGS[name]
    for choice in setting.choices:
        assert setting.parse(name, choice) == choice
        assert choice in setting.range_text()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_keras_knows_every_activation(name):
    assert callable(keras.activations.get(name))


# These are no Keras names: `dtp_tf.training.building.initializer` resolves them.
OUR_INITIALIZERS = ("torch_uniform", "small_uniform")


@pytest.mark.parametrize("name", [name for name in INITIALIZERS if name not in OUR_INITIALIZERS])
def test_keras_knows_every_initializer(name):
    assert isinstance(keras.initializers.get(name), keras.initializers.Initializer)


def test_the_range_of_a_number_is_said_in_words():
    assert SETTINGS["batch_size"].range_text() == "at least 1"
    assert SETTINGS["validation_fraction"].range_text() == "above 0 and below 1"
    assert SETTINGS["seed"].range_text() == "at least 0 and at most 2.14748e+09"
    assert SETTINGS["flip"].range_text() == ""


# Published constants, as literals: a change of the table must not change them along.


def test_mnist_paper_has_the_published_constants():
    paper = recipe("mnist-paper")
    assert paper.dataset == "mnist"
    assert paper.units == (240, 240, 240, 240, 240, 240, 240)
    assert (paper.activation, paper.inverse_activation) == ("tanh", "tanh")
    assert (paper.initializer, paper.inverse_initializer) == ("orthogonal", "orthogonal")
    assert paper.preprocessing == "unit"
    assert paper.batch_size == 100
    assert paper.epochs == 100
    assert round(60000 * paper.validation_fraction) == 10000
    assert paper.schedule == "alternating"
    # Published for the gradient of a mean over 100 examples.
    assert paper.target_step * 100 == pytest.approx(0.327736332653, rel=1e-12)
    assert paper.noise == 0.359829566008
    assert paper.noise_decay_epochs is None
    assert (paper.optimizer, paper.inverse_optimizer) == ("rmsprop-graves", "rmsprop-graves")
    assert paper.learning_rate == 0.0148893490317
    assert paper.inverse_learning_rate == 0.00501149118237
    assert paper.learning_rate_schedule == paper.inverse_learning_rate_schedule == "constant"


def test_cifar10_notebook_has_the_constants_of_the_notebook():
    notebook = recipe("cifar10-notebook")
    assert notebook.dataset == "cifar10"
    assert notebook.units == (1000, 1000, 1000)
    assert (notebook.activation, notebook.inverse_activation) == ("tanh", "tanh")
    assert notebook.preprocessing == "imagenet"
    assert (notebook.flip, notebook.crop) == (False, 0)
    assert notebook.validation_fraction == 0.2
    assert notebook.batch_size == 1024
    assert notebook.epochs == 30
    assert notebook.schedule == "parallel"
    # The notebook's step is for the gradient of a mean over its 1024 examples.
    assert notebook.target_step * 1024 == pytest.approx(0.327736332653, rel=1e-12)
    assert notebook.noise == pytest.approx(0.179914783, rel=1e-9)
    assert (notebook.optimizer, notebook.inverse_optimizer) == ("rmsprop-torch", "rmsprop-torch")
    assert (notebook.learning_rate, notebook.inverse_learning_rate) == (0.01, 0.01)


# Values that are accepted


@pytest.mark.parametrize(
    "value", ["1000,500", " 1000 , 500 ", "1000,500,", [1000, 500], (1000, 500), ["1000", 500.0]]
)
def test_a_list_comes_from_text_with_commas_or_from_a_list(value):
    assert Recipe(units=value).units == (1000, 500)


@pytest.mark.parametrize("value", ["64", 64, [64]])
def test_one_value_is_a_list_of_one(value):
    assert Recipe(units=value).units == (64,)


@pytest.mark.parametrize("name", [name for name, s in SETTINGS.items() if s.optional])
@pytest.mark.parametrize("value", [None, "none", "None"])
def test_an_optional_setting_takes_none(name, value):
    """For a setting of the learning rule, and for `units`, that means its default."""
    defaults = {**RULES["dtp"], "units": (256, 256)}
    assert getattr(Recipe(**{name: value}), name) == defaults.get(name)


@pytest.mark.parametrize("name", [name for name, s in SETTINGS.items() if not s.optional])
def test_a_setting_that_needs_a_value_refuses_none(name):
    assert message(Recipe, **{name: None}) == f"`{name}` must have a value, got none."


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("epochs", "12", 12),
        ("epochs", "1e2", 100),
        ("epochs", 12.0, 12),
        ("learning_rate", "1e-3", 0.001),
        ("learning_rate", 1, 1.0),
        ("flip", "true", True),
        ("flip", "No", False),
        ("image_size", "32,48", (32, 48)),
        ("image_folder", pathlib.Path("pictures"), "pictures"),
        ("early_stopping", "5", 5),
        ("noise", 0, 0.0),
        ("seed", 2**31 - 1, 2147483647),
    ],
)
def test_text_and_numbers_arrive_in_the_type_of_the_setting(name, text, value):
    got = getattr(Recipe(**{name: text}), name)
    assert got == value
    assert type(got) is type(value)


# Values that are refused: the error names the setting and shows what arrived.


@pytest.mark.parametrize(
    ("name", "value", "needed"),
    [
        ("epochs", "many", "a whole number"),
        ("epochs", 2.5, "a whole number"),
        ("epochs", True, "a whole number"),
        ("epochs", float("inf"), "a whole number"),
        ("epochs", [3], "a whole number"),
        ("learning_rate", "fast", "a number"),
        ("learning_rate", float("nan"), "a number"),
        ("learning_rate", False, "a number"),
        ("learning_rate", {}, "a number"),
        ("flip", "maybe", "true or false"),
        ("flip", 1, "true or false"),
        ("dataset", 7, "text"),
        ("activation", False, "text"),
        ("units", {"first": 3}, "a whole number"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(name, value, needed):
    text = message(Recipe, **{name: value})
    assert f"`{name}` must be {needed}" in text
    assert repr(value) in text


def test_a_wrong_value_within_a_list_is_shown_alone():
    text = message(Recipe, units="100,wide")
    assert text == "`units` must be a whole number, got 'wide'."


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("epochs", 0, "at least 1"),
        ("batch_size", -1, "at least 1"),
        ("crop", -1, "at least 0"),
        ("seed", -1, "at least 0"),
        ("seed", 2**31, "at most"),
        ("noise", -0.1, "at least 0"),
        ("learning_rate", 0, "above 0"),
        ("target_step", 0.0, "above 0"),
        ("validation_fraction", 0, "above 0"),
        ("validation_fraction", 1.0, "below 1"),
        ("early_stopping", 0, "at least 1"),
    ],
)
def test_a_number_out_of_range_is_refused(name, value, allowed):
    text = message(Recipe, **{name: value})
    assert text.startswith(f"`{name}` must be ")
    assert allowed in text
    assert text.endswith(f"got {value}.")


def test_a_number_out_of_range_within_a_list_is_refused():
    text = message(Recipe, units=(100, 0))
    assert text == "`units` must be at least 1, got 0."


@pytest.mark.parametrize("value", ["", " , ", []])
def test_an_empty_list_is_refused(value):
    assert message(Recipe, units=value) == "`units` needs at least one value, got an empty list."


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("activation", "tahn", "tanh"),
        ("initializer", "orthogonel", "orthogonal"),
        ("optimizer", "rmsprop-grave", "rmsprop-graves"),
        ("preprocessing", "symetric", "symmetric"),
        ("schedule", "alternate", "alternating"),
    ],
)
def test_an_unknown_choice_lists_the_choices_and_suggests_the_nearest(name, value, meant):
    text = message(Recipe, **{name: value})
    assert f"`{name}` must be one of {', '.join(SETTINGS[name].choices)}; got {value!r}." in text
    assert text.endswith(f"Did you mean {meant!r}?")


def test_a_choice_that_is_near_nothing_gets_no_suggestion():
    assert "Did you mean" not in message(Recipe, schedule="xyz")


def test_an_image_size_needs_height_and_width():
    assert message(Recipe, image_size=[32]) == "`image_size` must be height,width, got 1 number(s)."
    assert "got 3 number(s)" in message(Recipe, image_size="32,32,3")


def test_several_inverse_steps_need_the_schedule_that_makes_them():
    text = message(Recipe, inverse_steps=5)
    assert "`inverse_steps` 5 needs `schedule` inverse-first, got parallel" in text
    assert Recipe(inverse_steps=5, schedule="inverse-first").inverse_steps == 5


def test_a_setting_error_is_a_user_error_and_a_value_error():
    with pytest.raises(UserError):
        Recipe(epochs=0)
    with pytest.raises(ValueError, match="epochs"):
        Recipe(epochs=0)


# The settings of the learning rules


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
    "inverse_l2": 0.25,
    "inverse_activation": "elu",
    "inverse_first": True,
    "inverse_initializer": "he_normal",
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
TRAINED = {
    "schedule", "inverse_steps", "noise", "noise_decay_epochs", "inverse_initializer",
    "inverse_optimizer", "inverse_learning_rate", "inverse_learning_rate_schedule",
    "inverse_epochs_before", "inverse_epochs_after",
}  # fmt: skip
INVERSES = {"inverse_activation", "inverse_first", "inverse_initializer"}
TAKEN = {
    "tp": TRAINED | INVERSES | {"target_step"},
    "dtp": TRAINED | INVERSES | {"target_step"},
    "sdtp": TRAINED | INVERSES,
    "drl": TRAINED | INVERSES | {"target_step", "inverse_l2", "noise_directions"},
    "ddtp_linear": TRAINED | {"target_step", "inverse_l2", "noise_directions"},
    "ldrl": TRAINED | INVERSES | {"target_step", "noise_directions"},
    "fwdtp": INVERSES | {"target_step"},
    "bp": set(),
    "fa": {"inverse_initializer"},
    "dfa": {"inverse_initializer"},
    "autoencoder": TRAINED - {"inverse_initializer"} | {"inverse_activation"},
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_fills_in_what_it_takes_and_leaves_the_rest_without_a_value(rule):
    assert set(RULES[rule]) == TAKEN[rule]
    values = values_of(Recipe(rule=rule))
    for name in RULE_SETTINGS:
        assert values[name] == (RULES[rule][name] if name in TAKEN[rule] else None)


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
        ("target_step", "noise", "noise_directions", "schedule", "inverse_steps", "inverse_l2")
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
        "noise", "noise_directions", "inverse_steps", "inverse_learning_rate",
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
    for key, value in expected.items():
        assert getattr(built, key) == value, key
    assert Recipe.from_dict(json.loads(json.dumps(built.to_dict()))) == built


def test_what_a_recipe_says_of_one_rule_does_not_reach_another():
    assert recipe("cifar10").noise == RECIPES["cifar10"].rules["dtp"]["noise"] == 0.3
    assert recipe("cifar10", rule="tp").noise == RULES["tp"]["noise"]
    assert recipe("mnist-paper").inverse_optimizer == "rmsprop-graves"
    assert recipe("mnist-paper", rule="tp").inverse_optimizer == "adam"


def test_what_a_recipe_says_of_a_rule_are_settings_that_the_rule_takes_or_that_are_tuned():
    tuned = {"learning_rate", "learning_rate_schedule", "optimizer"}
    for named in RECIPES.values():
        for rule, own in named.rules.items():
            assert own.keys() <= RULES[rule].keys() | tuned


@pytest.mark.parametrize("name", RECIPES)
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


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "none"), (True, "true"), (False, "false"), ((1, 2), "1,2"), ([0.5], "0.5"), (3, "3"),
     ("adam", "adam")],
)
def test_a_value_is_shown_as_it_is_written(value, text):
    assert shown(value) == text


# recipe(), replace(), to_dict() and from_dict()


def test_recipe_is_digits_by_default():
    assert recipe() == recipe("digits")
    assert recipe().dataset == "digits"


def test_overrides_win_over_the_named_recipe():
    changed = recipe("mnist-paper", epochs=3, units="20,10", flip="yes")
    assert (changed.epochs, changed.units, changed.flip) == (3, (20, 10), True)
    assert changed.replace(epochs=100, units=(240,) * 7, flip=False) == recipe("mnist-paper")


def test_a_recipe_passes_through_recipe_with_overrides():
    base = Recipe(epochs=7)
    assert recipe(base) == base
    assert recipe(base, seed=4) == Recipe(epochs=7, seed=4)


def test_an_unknown_recipe_lists_those_there_are_and_suggests_the_nearest():
    text = message(recipe, "mnist-papr")
    assert "unknown recipe 'mnist-papr'" in text
    assert all(name in text for name in RECIPES)
    assert text.endswith("Did you mean 'mnist-paper'?")


@pytest.mark.parametrize(
    "call",
    [
        lambda **settings: recipe("digits", **settings),
        lambda **settings: recipe(Recipe(), **settings),
        lambda **settings: Recipe().replace(**settings),
        lambda **settings: Recipe.from_dict(settings),
    ],
    ids=["recipe by name", "recipe of a recipe", "replace", "from_dict"],
)
def test_an_unknown_setting_is_refused_with_a_suggestion(call):
    text = message(call, learning_rat=0.1)
    assert "unknown setting 'learning_rat'." in text
    assert "Did you mean 'learning_rate'?" in text
    assert "dtp-tf recipes" in text
    assert "Did you mean" not in message(call, zzz=1)


def test_replace_leaves_the_first_recipe_as_it_was():
    first = Recipe()
    assert first.replace(epochs=2).epochs == 2
    assert first == Recipe()


def test_a_recipe_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().epochs = 3


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_survives_the_way_through_json(name):
    first = recipe(name, image_size="32,32", noise_decay_epochs=50, early_stopping=9)
    settings = json.loads(json.dumps(first.to_dict()))
    assert set(settings) == set(SETTINGS)
    assert Recipe.from_dict(settings) == first


def test_near_misses_are_suggested_and_nothing_else():
    assert did_you_mean("epoch", SETTINGS) == " Did you mean 'epochs'?"
    assert did_you_mean("qqq", SETTINGS) == ""


# Config files


def test_a_json_config_gives_its_settings(tmp_path):
    path = write(tmp_path, "run.json", '{"epochs": 3, "learning_rate": 1e-3, "units": [5, 4]}')
    built = recipe("digits", **read_config(path))
    assert (built.epochs, built.learning_rate, built.units) == (3, 0.001, (5, 4))


@pytest.mark.parametrize("name", ["run.yaml", "run.yml"])
def test_a_yaml_config_gives_its_settings(tmp_path, name):
    text = "epochs: 3\nlearning_rate: 1e-3\nunits: [5, 4]\nimage_folder: null\nflip: yes\n"
    settings = read_config(write(tmp_path, name, text))
    assert settings["learning_rate"] == 0.001  # in YAML 1.1, text
    built = recipe("digits", **settings)
    assert (built.epochs, built.learning_rate, built.units) == (3, 0.001, (5, 4))
    assert (built.image_folder, built.flip) == (None, True)


def test_a_config_may_be_given_by_a_path_in_text(tmp_path):
    path = write(tmp_path, "run.json", '{"seed": 8}')
    assert read_config(str(path)) == {"seed": 8}


def test_a_saved_recipe_is_a_config(tmp_path):
    first = recipe("mnist", seed=5)
    path = write(tmp_path, "config.json", json.dumps(first.to_dict()))
    assert Recipe.from_dict(read_config(path)) == first


@pytest.mark.parametrize(("name", "text"), [("a.json", '{"epoch": 3}'), ("a.yaml", "epoch: 3")])
def test_an_unknown_key_is_refused_with_the_file_and_the_key(tmp_path, name, text):
    path = write(tmp_path, name, text)
    error = message(read_config, path)
    assert str(path) in error
    assert "'epoch'" in error
    assert "Did you mean 'epochs'?" in error


def test_a_key_that_is_no_text_is_refused(tmp_path):
    path = write(tmp_path, "a.yaml", "3: epochs")
    error = message(read_config, path)
    assert str(path) in error
    assert "unknown setting '3'" in error


def test_a_missing_config_is_named(tmp_path):
    error = message(read_config, tmp_path / "none.json")
    assert f"config file {tmp_path / 'none.json'} cannot be read: No such file" in error


def test_a_folder_is_no_config(tmp_path):
    assert f"config file {tmp_path} cannot be read" in message(read_config, tmp_path)


@pytest.mark.parametrize("name", ["a.json", "a.yaml"])
def test_a_binary_file_is_no_config(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\x89PNG\xff\xfe\x00")
    assert f"config file {path} cannot be read: it is no UTF-8 text" in message(read_config, path)


@pytest.mark.parametrize("text", ["", '{"epochs": }', "{epochs: 3}"])
def test_invalid_json_is_named(tmp_path, text):
    path = write(tmp_path, "a.json", text)
    error = message(read_config, path)
    assert f"config file {path} is not valid JSON" in error
    assert "\n" not in error


@pytest.mark.parametrize("text", ["epochs: [3", "a: b: c", "\tepochs: 3"])
def test_invalid_yaml_is_named_in_one_line(tmp_path, text):
    path = write(tmp_path, "a.yaml", text)
    error = message(read_config, path)
    assert f"config file {path} is not valid YAML" in error
    assert "\n" not in error


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.json", "[1, 2]"), ("a.json", "3"), ("a.yaml", "- epochs"), ("a.yaml", ""), ("b.yml", "x")],
)
def test_a_config_that_is_no_mapping_is_refused(tmp_path, name, text):
    path = write(tmp_path, name, text)
    error = message(read_config, path)
    assert error == f"config file {path} must hold settings by name, got {text!r}."


# Imports


def modules_after(code):
    """Return the names of the modules that a fresh Python has loaded after running `code`."""
    home = pathlib.Path(dtp_tf.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        cwd=home, capture_output=True, text=True, check=True, timeout=60,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import dtp_tf",
        "import dtp_tf.recipes.recipe",
        "import dtp_tf\ndtp_tf.recipe('mnist-paper', epochs=2)\ndir(dtp_tf)",
    ],
)
def test_recipes_and_the_package_load_without_tensorflow(code):
    modules = modules_after(code)
    assert "dtp_tf" in modules
    # Any of these would cost the command line's help its speed.
    slow = {"tensorflow", "keras", "tensorflow_datasets", "numpy", "matplotlib", "sklearn", "PIL"}
    assert not modules & slow


# The hidden layers in words


LENET = ("conv 32 5 max 3/2 p1", "conv 64 5 max 3/2 p1", "dense 512")


def test_the_convolutional_recipes_have_the_published_layers():
    for name, activation in (("cifar10-cnn", "tanh"), ("cifar10-lenet", "elu")):
        built = recipe(name)
        assert (built.layers, built.units, built.activation) == (LENET, None, activation)
    vgg = recipe("cifar10-vgg")
    assert [one.split()[1] for one in vgg.layers] == ["128", "128", "256", "256", "512"]
    assert {tuple(one.split()[2:]) for one in vgg.layers} == {("3", "max", "2")}
    assert (vgg.activation, vgg.batch_size, vgg.epochs) == ("elu", 128, 90)
    assert (vgg.rule, vgg.target_step, vgg.learning_rate) == ("ldrl", 0.7, 0.05)
    assert (vgg.optimizer, vgg.inverse_optimizer) == ("sgd-momentum", "sgd-momentum")
    assert vgg.inverse_steps == (20, 30, 35, 55, 20)
    assert vgg.noise == (0.4, 0.4, 0.2, 0.2, 0.08)
    assert vgg.inverse_learning_rate == (1e-4, 3.5e-4, 8e-3, 8e-3, 0.18)
    assert all("/2" in one and "max" not in one for one in recipe("cifar10-allconv").layers)


def test_layers_are_what_their_words_say():
    found = parse_layers(
        ["conv 32 5", "conv 8 3/2 p1 elu max 3/2 p1", "conv 8 2 valid average 2", "dense 7",
         "dense 6 relu"],
        ACTIVATIONS,
    )  # fmt: skip
    assert found == [
        Conv(32, 5),
        Conv(8, 3, 2, 1, "elu", "max", 3, 2, 1),
        Conv(8, 2, padding="valid", pool="average", pool_size=2),
        Dense(7),
        Dense(6, "relu"),
    ]
    assert (found[0].padding, found[0].pool, found[0].activation) == ("same", None, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("convolution 32 5", "'convolution 32 5'; a layer is conv.*such as conv 32 5 max 2"),
        ("conv", "CHANNELS must be a whole number.*got nothing"),
        ("conv 0 5", "CHANNELS must be.*got '0'"),
        ("conv 32", "KERNEL must be pixels.*such as 3/2; got nothing"),
        ("conv 32 5x5", "KERNEL must be pixels.*got '5x5'"),
        ("conv 32 5/0", "KERNEL.*got '5/0'"),
        ("conv 32 5 max", "SIZE must be pixels.*got nothing"),
        ("conv 32 5 max 2 elu", "'elu' has no meaning, or not in this place.*the order is"),
        ("conv 32 5 pool 2", "'pool' has no meaning"),
        ("conv 32 5 max 2 same", "'same' has no meaning"),
        ("dense", "UNITS must be.*got nothing"),
        ("dense 2.5", "UNITS must be.*got '2.5'"),
        ("dense 5 max 2", "'max' has no meaning"),
        ("dense 5 tahn", "'tahn' has no meaning"),
    ],
)
def test_words_that_mean_nothing_are_refused_with_the_layer(text, words):
    found = message(recipe, layers=["conv 8 3", text])
    assert f"`layers` has {text!r}" in found
    assert re.search(words, found), found


def test_a_convolution_above_a_dense_layer_is_refused():
    assert "'conv 8 3' above a dense layer" in message(recipe, layers="dense 5, conv 8 3")


def test_layers_come_from_flags_lists_and_files_alike(tmp_path):
    expected = ("conv 8 3 max 2", "dense 5")
    config = write(tmp_path, "a.yaml", "layers:\n  - conv 8 3  max 2\n  - dense 5\n")
    for given in ("conv 8 3 max 2, dense 5", list(expected), read_config(config)["layers"]):
        built = recipe("digits", layers=given)
        assert (built.layers, built.units) == (expected, None)
        assert Recipe.from_dict(json.loads(json.dumps(built.to_dict()))) == built


def test_units_take_the_place_of_layers_and_the_other_way_round():
    assert recipe("cifar10-cnn", units=(10, 5)).layers is None
    assert recipe("cifar10-cnn").replace(units=(10, 5)).units == (10, 5)
    assert recipe("cifar10").replace(layers="dense 5").units is None
    assert recipe("cifar10-cnn", layers=None).units == (256, 256)
    assert recipe("cifar10-cnn", epochs=3).layers == LENET
    both = message(recipe, units=(3,), layers=("dense 3",))
    assert "`units` and `layers` both" in both and "3 and dense 3: give one" in both


def test_a_transmission_for_dense_layers_is_refused_for_convolutions():
    found = message(recipe, layers="conv 8 3", transmission="sign")
    assert "`transmission` sign is for dense layers" in found
    assert recipe(layers="dense 8", transmission="sign").layers == ("dense 8",)
