"""Recipes give `tp` a step that stands out, and `autoencoder` decoders that fit the pixels."""

import pytest

from dtp_tf.recipes.recipe import RULES, recipe


@pytest.mark.parametrize("name", ["digits", "mnist-compare", "cifar10-compare"])
def test_tp_takes_a_longer_step_than_the_rules_that_take_differences(name):
    tp, dtp = (recipe(name, rule=rule) for rule in ("tp", "dtp"))
    assert tp.target_step > 1000 * RULES["tp"]["target_step"] and tp.target_step > dtp.target_step
    assert tp.noise < dtp.noise


def test_the_decoders_of_digits_can_give_back_pixels_below_zero():
    built = recipe("digits", rule="autoencoder")
    assert (built.preprocessing, built.inverse_activation) == ("symmetric", "tanh")
