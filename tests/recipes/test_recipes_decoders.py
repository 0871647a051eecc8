"""An autoencoder's decoders reach what their layers get: by default, or it is refused."""

import pytest
from helpers import invoke, refusal

from dtp_tf.errors import SettingError
from dtp_tf.recipes.decoders import check_decoder, decoder
from dtp_tf.recipes.recipe import recipe


@pytest.mark.parametrize(
    ("preprocessing", "activations", "found"),
    [
        ("unit", ["tanh"], "sigmoid"),  # nothing decodes the top layer
        ("unit", ["tanh", "sigmoid"], "tanh"),
        ("unit", ["sigmoid", "tanh"], "sigmoid"),
        ("symmetric", ["sigmoid"], "tanh"),
        ("center", ["sigmoid"], "tanh"),
        ("imagenet", ["sigmoid"], "linear"),
        ("standardize", ["tanh"], "linear"),
        ("channels", ["tanh"], "linear"),
        ("raw", ["tanh"], "linear"),
        ("unit", ["relu", "tanh"], "linear"),
        ("unit", [], "sigmoid"),
    ],
)
def test_the_narrowest_that_reaches_all_is_the_default(preprocessing, activations, found):
    assert decoder(preprocessing, activations) == found
    check_decoder(found, preprocessing, activations)


@pytest.mark.parametrize("name", ["digits", "cifar10", "cifar10-notebook", "mnist-compare"])
def test_no_named_recipe_gives_the_rule_decoders_that_cannot_reach(name):
    recipe(name, rule="autoencoder").check()


def test_the_paper_has_sigmoid_decoders_and_other_pixels_have_others():
    assert recipe("mnist-autoencoder").inverse_activation == "sigmoid"
    other = recipe("mnist-autoencoder", preprocessing="imagenet")
    assert other.inverse_activation == "linear"


def test_decoders_that_cannot_reach_are_refused_before_anything_is_read():
    words = ("train", "digits", "--rule", "autoencoder", "--inverse-activation", "sigmoid")
    error = refusal(invoke(*words), 2)
    assert "cannot reach" in error and "use tanh" in error


def test_a_recipe_of_old_with_such_decoders_can_still_be_opened():
    old = recipe("digits", rule="autoencoder", inverse_activation="sigmoid")
    assert old.inverse_activation == "sigmoid"
    with pytest.raises(SettingError, match="preprocessing symmetric"):
        old.check()
