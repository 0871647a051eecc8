"""The activations of inverses that have the slope of the layer's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dtp_tf.errors import SettingError
from dtp_tf.numerics.activations import is_element_wise, matched, slopes


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


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "elu", "relu", "gelu", "linear"])
def test_slopes_are_differences_over_small_distances(name):
    activation, h = keras.activations.get(name), tf.constant([[-1.3, -0.2, 0.4, 2.1]], "float64")
    expected = (activation(h + 1e-6) - activation(h - 1e-6)) / 2e-6
    np.testing.assert_allclose(slopes(activation, h), expected, atol=1e-8)


def test_a_constant_has_no_slope():
    np.testing.assert_array_equal(slopes(lambda h: tf.ones((1, 2)), tf.zeros((1, 2))), [[0, 0]])


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "relu", "elu", "gelu", "softsign", "linear"])
def test_activations_of_each_number_by_itself_are_element_wise(name):
    assert is_element_wise(keras.activations.get(name))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_activations_of_several_numbers_are_not(name):
    assert not is_element_wise(keras.activations.get(name))


def test_whether_an_activation_is_element_wise_can_be_asked_within_a_graph():
    found = []
    tf.function(lambda: found.append(is_element_wise(keras.activations.softmax)))()
    assert found == [False]
