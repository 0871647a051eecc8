"""Differences of a mirrored block's inverse, and signals through a block, cost what they must."""

import collections

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from test_mirrored_blocks_graph import every_block, images, pair_of, residual

import dtp_tf
from dtp_tf import BlockPair
from dtp_tf.network.batch import Batch


@every_block
@pytest.mark.slow
def test_differences_of_a_mirror_are_those_of_its_values(name):
    pair = pair_of(name)
    _, base, aux = pair.record(tf.constant(images()), update=False)
    for weight in pair.inverse_variables:  # no constant may be 0, for it would cancel anyhow
        weight.assign(weight + 0.1)
    points = [base + 0.5, base * 1.5]
    at_base, *at_points = pair.invert([base, *points], aux)
    found = pair.inverse_differences(base, points, aux)
    for difference, at_point in zip(found, at_points, strict=True):
        np.testing.assert_allclose(difference, at_point - at_base, rtol=1e-4, atol=1e-5)


def test_an_activation_that_is_applied_as_it_is_has_differences_of_values():
    block = keras.Sequential([keras.Input((4, 4, 2)), layers.Conv2D(3, 3, activation="tanh")])
    pair = BlockPair(block)
    pair.build((None, 4, 4, 2))
    base, point = tf.zeros((1, 2, 2, 3)), tf.fill((1, 2, 2, 3), 3.0)
    (found,) = pair.inverse_differences(base, [point])
    expected = pair(point, reverse=True) - pair(base, reverse=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_an_inverse_block_of_a_users_own_class_is_asked_for_its_values():
    class Cube(layers.Dense):
        def call(self, inputs):
            return super().call(inputs) ** 3

    above = keras.Input((3,))
    pair = BlockPair(
        keras.Sequential([keras.Input((2,)), layers.Dense(3), layers.ELU()]),
        inverse_block=keras.Model(above, Cube(2)(above)),
    )
    pair.build((None, 2))
    base, point = tf.constant([[1.0, 2, 3]]), tf.constant([[2.0, 3, 5]])
    (found,) = pair.inverse_differences(base, [point])
    expected = pair(point, reverse=True) - pair(base, reverse=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def two_blocks():
    x = inputs = keras.Input((8, 8, 2))
    for _ in range(2):
        x = residual(x)
    return keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))


def convolutions(function):
    """Return how many convolutions and gradients of such a function computes, those that
    TensorFlow leaves out left out."""
    graph = function.get_concrete_function().graph
    reached, waiting = set(), [one.op for one in graph.outputs] + list(graph.control_outputs)
    while waiting:
        operation = waiting.pop()
        if operation not in reached:
            reached.add(operation)
            waiting += [one.op for one in operation.inputs] + list(operation.control_inputs)
    kinds = collections.Counter(operation.type for operation in reached)
    return {kind: count for kind, count in kinds.items() if kind.startswith("Conv2D")}


@pytest.mark.parametrize("weights", [None, [1.0, 2.0]], ids=["equal", "weighted"])
@pytest.mark.slow
def test_backpropagation_takes_a_signal_through_a_block_once_and_is_keras_s_own(weights):
    keras.utils.set_random_seed(0)
    model = two_blocks()
    network = dtp_tf.DTPNetwork.from_keras(model, rule=dtp_tf.rules.BP())
    network.compile(loss="mean_squared_error")
    x, y = tf.constant(images(2, (8, 8, 2))), tf.constant([[1.0, 0.0], [0.5, 2.0]])
    weights = None if weights is None else tf.constant(weights)
    loss = keras.losses.MeanSquaredError()

    @tf.function(autograph=False)
    def own():
        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=True), sample_weight=weights)
        return tape.gradient(value, [one.value for one in model.trainable_variables])

    @tf.function(autograph=False)
    def of_network():
        batch = Batch(network, x, y, weights, update=False)
        return network.forward_gradients(batch, weights)[0]

    def place(variable):
        layer, weight = variable.path.split("/")[-2:]
        return network.layer_names.get(layer, layer), weight

    gradients = zip(model.trainable_variables, own(), strict=True)
    expected = {place(variable): gradient for variable, gradient in gradients}
    for variable, found in zip(network.forward_variables, of_network(), strict=True):
        wanted = expected[place(variable)]
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5)
    assert convolutions(of_network) == convolutions(own)
