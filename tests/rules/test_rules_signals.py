"""Backpropagation and feedback alignment: against Keras's gradients and numbers by hand."""

import numpy as np
import pytest
import reference
import tensorflow as tf
from rule_networks import (
    CLASSES,
    all_close,
    batch_of,
    feedback_weights,
    library,
    random_batch,
    random_net,
)


def gradients(network, x, y):
    return network.forward_gradients(batch_of(network, x, y))[0]


def keras_gradients(network, x, y):
    """The gradients of the plain loss over a stock functional model with the same weights."""
    model = network.classifier()
    with tf.GradientTape() as tape:
        scores = model(tf.constant(x, "float32"))
        loss = network.compute_loss(None, tf.constant(y), scores)
    return tape.gradient(loss, model.trainable_variables)


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("s", ["tanh", "elu", "relu"])
def test_backpropagation_is_what_keras_computes(depth, s):
    net, (x, y) = random_net("bp", depth), random_batch()
    net.s = s
    network = library(net, "bp")
    all_close(gradients(network, x, y), keras_gradients(network, x, y), rtol=1e-6)


@pytest.mark.parametrize("s", ["tanh", "elu"])
def test_feedback_alignment_by_the_transposed_weights_is_backpropagation(s):
    net, (x, y) = random_net("fa", 4, s), random_batch()
    net.q = {i: (net.f[i][0].T,) for i in net.q}
    network = library(net, "fa")
    all_close(gradients(network, x, y), keras_gradients(network, x, y), rtol=2e-6)


def test_direct_feedback_by_the_transposed_weights_of_linear_layers_is_backpropagation():
    net, (x, y) = random_net("dfa", 4, "linear"), random_batch()
    transposed = np.eye(CLASSES)
    for i in range(net.last, 1, -1):
        transposed = transposed @ net.f[i][0].T
        net.q[i - 1] = (transposed,)
    network = library(net, "dfa")
    all_close(gradients(network, x, y), keras_gradients(network, x, y), rtol=1e-5)


@pytest.mark.parametrize("rule", ["fa", "dfa"])
def test_the_forward_weights_above_do_not_matter_to_the_signals_but_through_the_error(rule):
    # Other weights in layer 2 that give the same h_2 = 0 for h_1 = 0.
    net, (x, y) = random_net(rule, 2, "tanh"), random_batch()
    net.f[1] = (net.f[1][0], 0 * net.f[1][1])
    net.f[2] = (net.f[2][0], 0 * net.f[2][1])
    x = 0 * x
    before = library(net, rule)
    signals = before.rule.signals(before, batch_of(before, x, y))
    net.f[2] = (7 * net.f[2][0], net.f[2][1])
    after = library(net, rule)
    all_close(after.rule.signals(after, batch_of(after, x, y)), signals, rtol=1e-6)
    backprop = [library(random_net("bp", 2), "bp") for _ in range(2)]
    for network, scale in zip(backprop, (1, 7), strict=True):
        network.pairs[0].forward_variables[1].assign(tf.zeros(6))
        kernel, bias = network.pairs[1].forward_variables
        kernel.assign(scale * kernel)
        bias.assign(tf.zeros(4))
    one, other = (network.rule.signals(network, batch_of(network, x, y))[0] for network in backprop)
    all_close([other], [7 * one], rtol=1e-5)


# -- numbers that a person can verify -------------------------------------------------------------


def hand_network(rule, feedback):
    """One example, x = 1, layers of 1 - 2 - 1 - 2 units with whole weights, all linear.

    h_1 = 1 * (1, 2) = (1, 2), h_2 = 1 * 3 + 2 * -1 = 1, scores 1 * (2, 0) + (-2, 0) = (0, 0),
    so that p = (0.5, 0.5), and for the label 1 the error is e = (0.5, -0.5).
    """
    net = reference.Net(
        f={
            1: ([[1.0, 2.0]], [0.0, 0.0]),
            2: ([[3.0], [-1.0]], [0.0]),
            3: ([[2.0, 0.0]], [-2.0, 0.0]),
        },
        g={},
        q=feedback,
        s="linear",
        r="linear",
    )
    return library(net, rule)


# signal_2 and signal_1 for the error (0.5, -0.5):
HAND = [
    # bp: signal_2 = 0.5 * 2 + -0.5 * 0 = 1;          signal_1 = 1 * (3, -1)
    ("bp", {}, [1.0], [3.0, -1.0]),
    # fa: signal_2 = 0.5 * 4 + -0.5 * -2 = 3;         signal_1 = 3 * (1, 2) = (3, 6)
    ("fa", {3: ([[4.0], [-2.0]],), 2: ([[1.0, 2.0]],)}, [3.0], [3.0, 6.0]),
    # dfa: signal_2 = 0.5 * 4 + -0.5 * -2 = 3;        signal_1 = 0.5 * (2, 6) - 0.5 * (4, -2)
    ("dfa", {2: ([[4.0], [-2.0]],), 1: ([[2.0, 6.0], [4.0, -2.0]],)}, [3.0], [-1.0, 4.0]),
]


@pytest.mark.parametrize(("rule", "feedback", "second", "first"), HAND)
def test_signals_and_gradients_by_hand(rule, feedback, second, first):
    network = hand_network(rule, feedback)
    batch = batch_of(network, [[1.0]], [1])
    found = network.rule.signals(network, batch)
    assert [signal.numpy().tolist() for signal in found] == [[first], [second]]
    # dW_i = h_{i-1}^T signal_i, db_i = signal_i: h_0 = 1, h_1 = (1, 2), h_2 = 1.
    found = [gradient.numpy().tolist() for gradient in network.forward_gradients(batch)[0]]
    assert found == [
        [first],
        first,
        [[second[0]], [2 * second[0]]],
        second,
        [[0.5, -0.5]],
        [0.5, -0.5],
    ]


@pytest.mark.parametrize("rule", ["fa", "dfa"])
def test_the_fixed_feedback_has_no_bias_and_does_not_learn(rule):
    network = library(random_net(rule), rule)
    assert all(len(layer.weights) == 1 for layer in network.feedback.values())
    assert network.inverse_variables == []
    fixed = {id(weight) for weight in feedback_weights(network)}
    assert len(fixed) == 3
    assert not fixed & {id(variable) for variable in network.trainable_variables}
