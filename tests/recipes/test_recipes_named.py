"""Recipes by name: they have the published constants, take other settings, and come back whole."""

import dataclasses
import json
import pathlib
import subprocess
import sys

import pytest
from recipes_support import message

import dtp_tf
from dtp_tf.recipes.named import RECIPES, NamedRecipe
from dtp_tf.recipes.recipe import SETTINGS, Recipe, recipe, rule_settings

# The table of recipes


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
    decay = {"noise_decay_epochs": 50} if "noise" in rule_settings(recipe(name).rule) else {}
    first = recipe(name, image_size="32,32", early_stopping=9, **decay)
    settings = json.loads(json.dumps(first.to_dict()))
    assert set(settings) == set(SETTINGS)
    assert Recipe.from_dict(settings) == first


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
