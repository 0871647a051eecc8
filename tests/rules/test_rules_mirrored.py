"""Feedback that follows the forward weights: what it comes to, in closed form."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from rule_networks import all_close, an_epoch, batch_of, close, library, random_batch, random_net

import dtp_tf
from dtp_tf.rules import BP, FA, GNT, KP, SignSymmetry, WeightMirror

RATE, DECAY = 0.1, 0.5


def images_network(rule):
    """Convolution and pooling below a dense layer, for 6x6 images of two channels."""
    keras.utils.set_random_seed(1)
    pairs = [
        dtp_tf.Conv2DPair(3, 3, pool="max"),
        dtp_tf.Conv2DPair(4, 2, padding="valid"),
        dtp_tf.DensePair(5),
    ]
    network = dtp_tf.DTPNetwork(pairs, 3, rule=rule)
    network.build((None, 6, 6, 2))
    network.compile(keras.optimizers.SGD(RATE), keras.optimizers.SGD(RATE), run_eagerly=True)
    return network


def images_batch(network):
    x = np.random.default_rng(2).normal(size=(8, 6, 6, 2))
    return batch_of(network, x, np.arange(8) % 3)


def give_transposed(network):
    """Let every B_i be its layer's transposed weights; kernels of convolutions have one layout."""
    for i, layer in network.feedback.items():
        kernel = network.layers_up[i].forward_layer.kernel
        layer.kernel.assign(tf.transpose(kernel) if len(kernel.shape) == 2 else kernel)


# -- Kolen-Pollack --------------------------------------------------------------------------------


def test_with_equal_decay_the_feedback_falls_towards_the_transposed_weights_geometrically():
    net, (x, y) = random_net("kp"), random_batch()
    network = library(net, "kp")
    network.compile(
        keras.optimizers.SGD(RATE, weight_decay=DECAY),
        keras.optimizers.SGD(RATE, weight_decay=DECAY),
        run_eagerly=True,
    )

    def difference():
        return [
            network.layers_up[i].forward_layer.kernel.numpy().T - layer.kernel.numpy()
            for i, layer in network.feedback.items()
        ]

    before = difference()
    for step in range(1, 4):
        an_epoch(network, x, y)
        all_close(difference(), [one * (1 - RATE * DECAY) ** step for one in before], rtol=1e-5)


def test_the_feedback_of_convolutions_gets_the_updates_of_their_kernels():
    network = images_network(KP())
    give_transposed(network)
    batch = images_batch(network)
    gradients, _ = network.forward_gradients(batch)
    kernels = dict(enumerate(gradients[::2]))
    for i, layer in network.feedback.items():
        with tf.GradientTape() as tape:
            loss = network.rule.inverse_loss(network, batch, i, None)
            mean = tf.reduce_mean(loss)
        expected = kernels[i] if len(kernels[i].shape) == 4 else tf.transpose(kernels[i])
        close(tape.gradient(mean, layer.kernel), expected, rtol=2e-5)


# -- weight mirrors -------------------------------------------------------------------------------


def mirrored(network, x, steps):
    network.set_phase(("inverse",))
    for _ in range(steps):
        network.train_step((tf.constant(x, "float32"), tf.zeros(len(x), tf.int32)))
    return {i: layer.kernel.numpy() for i, layer in network.feedback.items()}


@pytest.mark.slow
@pytest.mark.parametrize("decay", [0.5, 1.0])
def test_a_mirror_comes_to_the_transposed_weights_over_twice_the_decay(decay):
    net = random_net("weight_mirror", 2)
    network = library(net, "weight_mirror", inverse_l2=decay, noise=0.3)
    network.inverse_optimizer.learning_rate = 0.05
    x = np.zeros((300, len(net.f[1][0])))
    for i, found in mirrored(network, x, 120).items():
        expected = net.f[i + 1][0].T / (2 * decay)
        assert np.linalg.norm(found - expected) < 0.1 * np.linalg.norm(expected)


@pytest.mark.slow
def test_a_mirror_of_a_convolution_points_along_its_kernel():
    network = images_network(WeightMirror())
    network.inverse_optimizer.learning_rate = 0.05
    found = mirrored(network, np.zeros((100, 6, 6, 2)), 100)[1]
    kernel = network.layers_up[1].forward_layer.kernel.numpy()
    cosine = (found * kernel).sum() / np.linalg.norm(found) / np.linalg.norm(kernel)
    assert cosine > 0.95


# -- signs ----------------------------------------------------------------------------------------


def test_with_weights_of_plus_and_minus_one_sign_symmetry_is_backpropagation():
    hadamard = np.array([[1.0]])
    for _ in range(2):
        hadamard = np.block([[hadamard, hadamard], [hadamard, -hadamard]])
    net = random_net("sign_symmetry", 3, sizes=(4, 4, 4, 4, 3))
    net.f = {i: ((hadamard if i < 4 else hadamard[:, :3]), bias) for i, (_, bias) in net.f.items()}
    x, y = np.random.default_rng(0).normal(size=(8, 4)), np.arange(8) % 3
    one, other = library(net, "sign_symmetry"), library(net, "bp")
    signs, true = (n.rule.signals(n, batch_of(n, x, y)) for n in (one, other))
    all_close(signs, true, rtol=1e-6)


@pytest.mark.slow
def test_signs_of_convolutions_pass_the_signal_as_feedback_alignment_by_these_signs_does():
    network = images_network(SignSymmetry())
    other = images_network(FA())
    for variable, value in zip(other.forward_variables, network.forward_variables, strict=True):
        variable.assign(value)
    give_transposed(other)
    for layer in other.feedback.values():
        layer.kernel.assign(tf.sign(layer.kernel))
    found, expected = (n.rule.signals(n, images_batch(n)) for n in (network, other))
    all_close(found, expected, rtol=1e-5)


# -- Gauss-Newton ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_without_damping_the_targets_are_steps_of_the_pseudo_inverse():
    net, (x, y) = random_net("gnt", 2), random_batch()
    network = library(net, "gnt", damping=0.0, target_step=0.5)
    batch = batch_of(network, x, y)
    error = reference.logits_gradient(reference.activations(net, x), y)
    for i, target in enumerate(network.rule.targets(network, batch)):
        h = tf.constant(batch.h[i + 1])
        with tf.GradientTape() as tape:
            tape.watch(h)
            logits = h
            for layer in network.layers_up[i + 1 :]:
                logits = layer(logits)
        jacobians = tape.batch_jacobian(logits, h).numpy()
        steps = [np.linalg.pinv(j) @ e for j, e in zip(jacobians, error, strict=True)]
        close(target - h, -0.5 * np.array(steps), rtol=1e-3)


def test_gauss_newton_targets_of_images_have_their_shape_and_lower_the_loss():
    network = images_network(GNT(target_step=0.2))
    batch = images_batch(network)
    for i, target in enumerate(network.rule.targets(network, batch)):
        h = target
        for layer in network.layers_up[i + 1 :]:
            h = layer(h)
        loss = keras.losses.sparse_categorical_crossentropy(
            np.arange(8) % 3, h, from_logits=True
        )
        assert target.shape == batch.h[i + 1].shape
        assert float(tf.reduce_mean(loss)) < float(batch.loss)


def test_large_damping_makes_gauss_newton_a_small_step_of_backpropagation():
    net, (x, y) = random_net("gnt", 2), random_batch()
    network = library(net, "gnt", damping=1e4, target_step=1e4)
    batch = batch_of(network, x, y)
    signals = BP().signals(network, batch)
    steps = [t - h for t, h in zip(network.rule.targets(network, batch), batch.h[1:], strict=False)]
    all_close(steps, [-signal for signal in signals], rtol=1e-2)
