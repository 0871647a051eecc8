"""The activations of inverses that have the slope of the layer's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dtp_tf.errors import SettingError
from dtp_tf.numerics.activations import matched


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "elu", "relu", "linear"])
def test_a_matched_activation_has_the_slope_of_the_original_at_its_values(name):
    a = tf.constant(np.linspace(-3.05, 3, 41), "float64")
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(a)
        value = keras.activations.get(name)(a)
        held = tf.stop_gradient(value)
        tape.watch(held)
        answer = matched(name)(held)
    np.testing.assert_allclose(tape.gradient(answer, held), tape.gradient(value, a), atol=1e-12)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "elu"])
def test_a_matched_activation_is_found_again_by_its_name(name):
    again = keras.activations.get(keras.activations.serialize(matched(name)))
    assert again is matched(name)


def test_an_activation_without_a_match_is_refused_with_those_that_have_one():
    with pytest.raises(SettingError, match="matched is known for tanh, sigmoid.*'gelu'"):
        matched("gelu")
