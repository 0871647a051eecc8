"""`sign_symmetry` with the fixed magnitudes of a random matrix, by its equation in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import invoke, refusal
from reference.net import activations, logits_gradient, slope
from rule_networks import all_close, batch_of, library, random_batch, random_net

import dtp_tf
from dtp_tf.errors import SettingError
from dtp_tf.rules import FA, SignSymmetry

RANDOM = {"feedback_magnitudes": "fixed-random"}


def in_numpy(net, magnitudes, x, y):
    """signal_{i-1} = ( signal_i * s'(a_i) ) (|B_i| * sign(W_i)^T), from the top layer on."""
    h = activations(net, x)
    signals, signal = {}, logits_gradient(h, y, net.output)
    for i in range(net.last, 1, -1):
        feedback = np.abs(magnitudes[i]) * np.sign(net.f[i][0]).T
        signals[i - 1] = signal = (signal * slope(net, i, h[i])) @ feedback
    return [signals[i] for i in range(1, net.last)]


def test_its_signals_are_those_of_the_equation():
    net, (x, y) = random_net("fa", 3), random_batch()
    network = library(net, "sign_symmetry", **RANDOM)
    magnitudes = {i: weights[0] for i, weights in net.q.items()}
    found = network.rule.signals(network, batch_of(network, x, y))
    all_close(found, in_numpy(net, magnitudes, x, y), rtol=1e-4)


def test_the_magnitudes_never_learn_and_the_signs_follow_the_weights():
    net, (x, y) = random_net("fa", 2), random_batch()
    network = library(net, "sign_symmetry", **RANDOM)
    before = [layer.kernel.numpy() for layer in network.feedback.values()]
    assert not network.trained_feedback
    network.fit(x, y, epochs=2, verbose=0)
    for layer, value in zip(network.feedback.values(), before, strict=True):
        np.testing.assert_array_equal(layer.kernel, value)
    kernel = network.layers_up[-1].forward_layer.kernel
    batch = batch_of(network, x, y)
    signals = network.rule.signals(network, batch)[-1]
    kernel.assign(-kernel)
    error = batch.output_gradient()
    flipped = network.rule.sent_down(network, batch, len(network.pairs), error)
    np.testing.assert_allclose(flipped, -signals, rtol=1e-5)


@pytest.mark.slow
def test_in_a_convolution_it_is_feedback_alignment_by_the_signed_magnitudes():
    network, other = images_network(SignSymmetry("fixed-random")), images_network(FA())
    images = np.random.default_rng(0).normal(size=(4, 6, 6, 2)), np.arange(4) % 3
    for variable, value in zip(other.forward_variables, network.forward_variables, strict=True):
        variable.assign(value)
    for i, layer in other.feedback.items():
        kernel, drawn = network.layers_up[i].forward_layer.kernel, network.feedback[i].kernel
        signs = tf.sign(kernel)
        signs = tf.transpose(signs) if len(kernel.shape) == 2 else signs
        layer.kernel.assign(tf.abs(drawn) * signs)
    found, expected = (n.rule.signals(n, batch_of(n, *images)) for n in (network, other))
    all_close(found, expected, rtol=1e-5)


def images_network(rule):
    pairs = [dtp_tf.Conv2DPair(3, 3), dtp_tf.Conv2DPair(4, 3, strides=2), dtp_tf.DensePair(5)]
    network = dtp_tf.DTPNetwork(pairs, classes=3, rule=rule)
    network.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    network.build((None, 6, 6, 2))
    return network


def test_another_word_and_an_initializer_of_no_use_are_refused():
    with pytest.raises(SettingError, match="must be one of uniform, fixed-random; got 'random'"):
        SignSymmetry(feedback_magnitudes="random")
    words = ("train", "digits", "--rule", "sign_symmetry", "--inverse-initializer", "he_normal")
    assert "`feedback_magnitudes` fixed-random" in refusal(invoke(*words), 2)
    kept = dtp_tf.recipe("digits", rule="sign_symmetry", **RANDOM, inverse_initializer="he_normal")
    assert kept.inverse_initializer == "he_normal"
