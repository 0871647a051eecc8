"""What a seed gives as initial weights is what the same pairs have in Python."""

import keras
import numpy as np
from helpers import digits

import dtp_tf
from dtp_tf.training.building import build_network


def test_a_recipe_draws_the_initial_weights_that_its_pairs_draw_by_themselves():
    recipe = dtp_tf.recipe("digits", units=(6, 5), inverse_activation="tanh")
    keras.utils.set_random_seed(3)
    found = build_network(recipe, digits())
    keras.utils.set_random_seed(3)
    pairs = [dtp_tf.DensePair(units, recipe.activation) for units in recipe.units]
    expected = dtp_tf.DTPNetwork(pairs, 10, rule=dtp_tf.rules.DTP())
    expected.build((None, 64))
    for one, other in zip(found.forward_variables, expected.forward_variables, strict=True):
        np.testing.assert_array_equal(one, other)
