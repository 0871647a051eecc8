"""Every setting of a recipe explains and checks itself, and every wrong value is named."""

import pathlib

import keras
import pytest
from recipes_support import DEFAULTS, message

from dtp_tf.errors import UserError
from dtp_tf.recipes.recipe import ACTIVATIONS, INITIALIZERS, RULES, SETTINGS, Recipe, shown
from dtp_tf.recipes.settings import did_you_mean

# The table of settings


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


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "none"), (True, "true"), (False, "false"), ((1, 2), "1,2"), ([0.5], "0.5"), (3, "3"),
     ("adam", "adam")],
)
def test_a_value_is_shown_as_it_is_written(value, text):
    assert shown(value) == text


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


def test_near_misses_are_suggested_and_nothing_else():
    assert did_you_mean("epoch", SETTINGS) == " Did you mean 'epochs'?"
    assert did_you_mean("qqq", SETTINGS) == ""
