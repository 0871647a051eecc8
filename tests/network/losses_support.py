"""What the tests of outputs and losses share: networks, labels that fit, and stock models."""

import keras
import numpy as np
import tensorflow as tf

import dtp_tf
from dtp_tf.rules import BP

BATCH, INPUTS, UNITS = 6, 4, 3
L = keras.losses


class PinballLoss(keras.losses.Loss):
    """A loss of a user's own, of which nothing is known."""

    def call(self, y_true, y_pred):
        error = y_true - y_pred
        return keras.ops.mean(keras.ops.maximum(0.3 * error, -0.7 * error), axis=-1)


def cubed(y_true, y_pred):
    return keras.ops.sum(keras.ops.abs(y_true - y_pred) ** 3, axis=-1)


def already_a_mean(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_true - y_pred))


# (output activation, units, loss, labels): what a Keras user may ask for.
CASES = {
    "softmax": ("softmax", 3, None, "numbers"),
    "softmax, numbers in a column": ("softmax", 3, None, "column"),
    "softmax, chosen by the labels": ("softmax", 3, "crossentropy", "one-hot"),
    "softmax, one-hot": ("softmax", 3, "categorical_crossentropy", "one-hot"),
    "softmax, smoothed": ("softmax", 3, L.CategoricalCrossentropy(label_smoothing=0.2), "one-hot"),
    "softmax, focal": ("softmax", 3, L.CategoricalFocalCrossentropy(gamma=1.5), "one-hot"),
    "softmax, generalized": (
        "softmax",
        3,
        L.CategoricalGeneralizedCrossEntropy(q=0.5),
        "numbers",
    ),
    "softmax, Kullback-Leibler": ("softmax", 3, "kl_divergence", "shares"),
    "softmax, ignoring a class": (
        "softmax",
        3,
        L.SparseCategoricalCrossentropy(ignore_class=1),
        "numbers",
    ),
    "softmax, squared": ("softmax", 3, "mse", "one-hot"),
    "binary": ("sigmoid", 1, None, "bits"),
    "binary, in a column": ("sigmoid", 1, "bce", "bits in a column"),
    "binary, logits": ("linear", 1, L.BinaryCrossentropy(from_logits=True), "bits"),
    "several labels": ("sigmoid", 3, None, "vectors of bits"),
    "several labels, smoothed": (
        "sigmoid",
        3,
        L.BinaryCrossentropy(label_smoothing=0.1),
        "vectors of bits",
    ),
    "several labels, focal": (
        "sigmoid",
        3,
        L.BinaryFocalCrossentropy(apply_class_balancing=True),
        "vectors of bits",
    ),
    "logits": ("linear", 3, L.SparseCategoricalCrossentropy(from_logits=True), "numbers"),
    "squared": ("linear", 3, None, "numbers of any kind"),
    "squared, one unit": ("linear", 1, "mse", "one number"),
    "squared, whole numbers": ("linear", 1, "mse", "whole numbers"),
    "absolute": ("linear", 3, "mae", "numbers of any kind"),
    "huber": ("linear", 3, L.Huber(delta=0.4), "numbers of any kind"),
    "log-cosh": ("linear", 3, "log_cosh", "numbers of any kind"),
    "logarithmic": ("sigmoid", 3, "msle", "shares"),
    "percentage": ("linear", 3, "mape", "numbers of any kind"),
    "poisson": ("sigmoid", 3, "poisson", "shares"),
    "cosine": ("linear", 3, L.CosineSimilarity(), "numbers of any kind"),
    "hinge": ("linear", 3, "hinge", "vectors of bits"),
    "hinge of signs": ("linear", 3, "squared_hinge", "signs"),
    "categorical hinge": ("linear", 3, L.CategoricalHinge(), "one-hot"),
    "own class": ("linear", 3, PinballLoss(), "numbers of any kind"),
    "own function": ("sigmoid", 3, cubed, "vectors of bits"),
    "own mean": ("linear", 3, already_a_mean, "numbers of any kind"),
}
# Of these the answers with the smallest loss are not known in closed form.
UNKNOWN = (
    "softmax, ignoring a class",
    "binary, logits",
    "logits",
    "own class",
    "own function",
    "own mean",
)


def labels(kind, count=BATCH):
    """Labels of one kind, float32 or int64."""
    rng = np.random.default_rng(3)
    numbers, bits = np.arange(count) % UNITS, rng.integers(2, size=(count, UNITS))
    return {
        "numbers": numbers,
        "column": numbers[:, None],
        "one-hot": np.eye(UNITS, dtype="float32")[numbers],
        "shares": rng.dirichlet(np.ones(UNITS), size=count).astype("float32"),
        "bits": bits[:, 0],
        "bits in a column": bits[:, :1],
        "vectors of bits": bits,
        "signs": 2.0 * bits - 1,
        "numbers of any kind": rng.normal(size=(count, UNITS)).astype("float32"),
        "one number": rng.normal(size=count).astype("float32"),
        "whole numbers": rng.integers(-3, 9, size=count),
    }[kind]


def examples(count=BATCH):
    return np.random.default_rng(1).normal(size=(count, INPUTS)).astype("float32")


def network_of(activation, units, loss=None, rule=None, metrics="default", widths=(5, 4)):
    """A small network, compiled; eager, for tracing takes a second."""
    keras.utils.set_random_seed(0)
    network = dtp_tf.DTPNetwork(
        [dtp_tf.DensePair(width) for width in widths],
        units,
        rule=rule or BP(),
        output_activation=activation,
    )
    network.build((None, INPUTS))
    rates = keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.05)
    network.compile(*rates, loss=loss, metrics=metrics, run_eagerly=True)
    return network


def stock_gradients(network, x, y, weights=None):
    """The loss and the gradients of a stock model with the network's weights and loss."""
    layers = [keras.layers.Dense(pair.units, "tanh") for pair in network.pairs]
    output = keras.layers.Dense(network.units, network.output_activation)
    model = keras.Sequential([keras.Input((INPUTS,)), *layers, output])
    model.set_weights(network.forward_variables)
    model.compile("sgd", loss=network.loss, run_eagerly=True)
    with tf.GradientTape() as tape:
        answers = model(x, training=True)
        loss = model.compute_loss(x, tf.constant(y), answers, weights)
    return loss, tape.gradient(loss, model.trainable_variables)
