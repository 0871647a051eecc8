"""The target-propagated autoencoder against NumPy in float64, derivatives by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import digits
from rule_networks import all_close, close, values

import dtp_tf
from dtp_tf.network.batch import Batch
from dtp_tf.rules import Autoencoder

SIGMA, RATE, INVERSE_RATE = 0.3, 0.7, 0.04
SIZES, CLASSES, BATCH = (5, 6, 4), 3, 8


def draws(layer):
    """The noise on the code and on the input of a layer."""
    rng = np.random.default_rng((11, layer))
    return [
        rng.normal(size=(BATCH, width)).astype("float32")
        for width in (SIZES[layer + 1], SIZES[layer])
    ]


@pytest.fixture
def network(monkeypatch):
    """Two hidden layers with random biases too, and the noise of `draws`."""
    monkeypatch.setattr(
        "dtp_tf.network.trainer.gaussian",
        lambda like, seed, step, layer, k, draw: tf.constant(draws(layer)[draw]),
    )
    keras.utils.set_random_seed(0)
    pairs = [dtp_tf.DensePair(units, "tanh", "sigmoid") for units in SIZES[1:]]
    model = dtp_tf.DTPNetwork(pairs, CLASSES, rule=Autoencoder(noise=SIGMA))
    model.build((None, SIZES[0]))
    model.compile(keras.optimizers.SGD(RATE), keras.optimizers.SGD(INVERSE_RATE), run_eagerly=True)
    for variable in model.trainable_variables:
        variable.assign(0.5 * keras.random.normal(variable.shape))
    return model


def examples():
    rng = np.random.default_rng(7)
    return rng.normal(size=(BATCH, SIZES[0])).astype("float32"), rng.integers(CLASSES, size=BATCH)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def by_hand(x, weight, bias, decoder_bias, noise):
    """Target, losses and mean gradients of one layer: dW, db of its local loss, dc of the other."""
    on_code, on_input = noise
    h = np.tanh(x @ weight + bias)
    code = h + SIGMA * on_code
    z = sigmoid(code @ weight.T + decoder_bias)
    target = 2 * h - np.tanh(z @ weight + bias)
    moved = x + SIGMA * on_input
    encoded = np.tanh(moved @ weight + bias)
    by_encoder = 2 * (encoded - target) * (1 - encoded**2)  # at the encoder's pre-activations
    by_decoder = 2 * (z - x) * z * (1 - z)  # at the decoder's
    return {
        "target": target,
        "decoder_loss": ((z - x) ** 2).sum(axis=1),
        "local_loss": ((z - x) ** 2).sum(axis=1) + ((encoded - target) ** 2).sum(axis=1),
        "kernel": (moved.T @ by_encoder + by_decoder.T @ code) / BATCH,
        "bias": by_encoder.mean(axis=0),
        "decoder_bias": by_decoder.mean(axis=0),
    }


def expected(network, x):
    """What `by_hand` says of every hidden layer."""
    h, found = np.asarray(x, "float64"), []
    for i, pair in enumerate(network.pairs):
        weight, bias = (v.astype("float64") for v in values(pair.forward_variables))
        (decoder_bias,) = values(network.feedback_variables(i))
        found.append(by_hand(h, weight, bias, decoder_bias.astype("float64"), draws(i)))
        h = np.tanh(h @ weight + bias)
    return found


def test_targets_and_losses_equal_the_equations(network):
    x, y = examples()
    batch, layers = Batch(network, tf.constant(x), tf.constant(y)), expected(network, x)
    all_close(network.rule.targets(network, batch), [layer["target"] for layer in layers])
    gradients, losses = network.forward_gradients(batch)
    all_close(losses, [layer["local_loss"] for layer in layers], rtol=3e-5)
    wanted = [layer[name] for layer in layers for name in ("kernel", "bias")]
    for found, one in zip(gradients, wanted, strict=False):  # the output layer's come last
        close(found, one, rtol=3e-5)


@pytest.mark.slow
def test_a_step_moves_every_weight_as_the_equations_say(network):
    x, y = examples()
    layers, before = expected(network, x), values(network.forward_variables)
    biases = values(network.inverse_variables)
    logs = network.train_step((tf.constant(x), tf.constant(y)))
    for i, layer in enumerate(layers):
        for j, name in enumerate(("kernel", "bias")):
            moved = values(network.forward_variables)[2 * i + j] - before[2 * i + j]
            close(moved, -RATE * layer[name], rtol=1e-4)
        moved = values(network.inverse_variables)[i] - biases[i]
        close(moved, -INVERSE_RATE * layer["decoder_bias"], rtol=1e-4)
        assert float(logs[f"local_loss_{i + 1}"]) == pytest.approx(layer["local_loss"].mean(), 1e-4)
        inverse = float(logs[f"inverse_loss_{i + 1}"])
        assert inverse == pytest.approx(layer["decoder_loss"].mean(), 1e-4)


def test_the_gradients_by_hand_equal_finite_differences():
    rng = np.random.default_rng(3)
    x, noise = examples()[0].astype("float64"), draws(0)
    weights = [0.5 * rng.normal(size=shape) for shape in ((5, 6), (6,), (5,))]
    found = by_hand(x, *weights, noise)
    held = found["target"]

    def local_loss(weight, bias, as_decoder, decoder_bias):
        """Its mean with W as encoder and as decoder told apart, all else held constant."""
        h = np.tanh(x @ weights[0] + weights[1])
        z = sigmoid((h + SIGMA * noise[0]) @ as_decoder.T + decoder_bias)
        encoded = np.tanh((x + SIGMA * noise[1]) @ weight + bias)
        return (((z - x) ** 2).sum(axis=1) + ((encoded - held) ** 2).sum(axis=1)).mean()

    def slope(change):
        return (change(1e-6) - change(-1e-6)) / 2e-6

    weight, bias, decoder_bias = weights
    for index in np.ndindex(weight.shape):
        unit = np.zeros_like(weight)
        unit[index] = 1
        both = slope(
            lambda e, u=unit: local_loss(weight + e * u, bias, weight + e * u, decoder_bias)
        )
        assert both == pytest.approx(found["kernel"][index], rel=1e-5, abs=1e-7)
    for i in range(len(bias)):
        unit = np.eye(len(bias))[i]
        one = slope(lambda e, u=unit: local_loss(weight, bias + e * u, weight, decoder_bias))
        assert one == pytest.approx(found["bias"][i], rel=1e-5, abs=1e-7)


def test_a_perfect_reconstruction_asks_for_no_other_code():
    h = tf.constant([[0.25, -0.5]])
    np.testing.assert_array_equal(dtp_tf.rules.autoencoder.code_target(h, h), h)


@pytest.mark.slow
def test_labels_have_no_part_in_what_hidden_layers_learn(network):
    x, y = examples()
    moved = []
    kept = values(network.trainable_variables)
    for labels in (y, (y + 1) % CLASSES):
        for variable, value in zip(network.trainable_variables, kept, strict=True):
            variable.assign(value)
        network.train_step((tf.constant(x), tf.constant(labels)))
        moved.append(values(network.forward_variables))
    for one, other in zip(*moved, strict=True):
        same = np.array_equal(one, other)
        assert same == (one.shape[-1] != CLASSES)  # all but the output layer


@pytest.mark.slow
def test_reconstructions_improve_while_it_learns():
    x = digits().train
    inputs = x.images.reshape(len(x), -1).astype("float32") / 255
    keras.utils.set_random_seed(0)
    pairs = [dtp_tf.DensePair(32, "sigmoid", "sigmoid", kernel_initializer="glorot_uniform")]
    model = dtp_tf.DTPNetwork(pairs, 10, rule=Autoencoder(noise=0.1))
    model.compile(keras.optimizers.Adam(5e-3), keras.optimizers.Adam(5e-3))
    history = model.fit(inputs, x.labels, batch_size=32, epochs=5, verbose=0).history
    losses = history["inverse_loss_1"]
    # Always answering with the mean image would leave the variance of the images.
    assert losses[-1] < 0.7 * inputs.var(axis=0).sum() < losses[0] * 0.9
