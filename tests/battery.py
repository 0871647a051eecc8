"""The networks of the battery: every rule, every kind of pair, and the same examples for all.

A rule of a new name in `BY_NAME` joins by itself; a new pair gets a row in `PAIRS`.
"""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import dtp_tf
from dtp_tf.network.batch import Batch
from dtp_tf.rules import BY_NAME, FA
from dtp_tf.rules.base import PASSES

INPUTS, WIDTHS, CLASSES, BATCH = 5, (6, 4, 7), 3, 8
IMAGE = (7, 6, 2)
TRAINED = tuple(name for name, rule in BY_NAME.items() if rule.trains_feedback)
DENSE_ONLY = "autoencoder", "gait_prop"
# Layers with feedback that does not learn.
FIXED = {"fwdtp": [1, 2], "fa": [1, 2, 3], "dfa": [0, 1, 2], "drtp": [0, 1, 2]}


def block(filters):
    return keras.Sequential(
        [
            keras.layers.Conv2D(filters, 3, padding="same", activation="tanh"),
            keras.layers.BatchNormalization(),
            keras.layers.AveragePooling2D(2, padding="same"),
        ]
    )


# Every kind of pair, below a dense one: what makes two of them, and the shapes of their outputs.
PAIRS = {
    "strided": (
        lambda: [dtp_tf.Conv2DPair(3, 3, 2, 1), dtp_tf.Conv2DPair(4, 2, 2, "valid")],
        [(4, 3, 3), (2, 1, 4)],
    ),
    "max": (
        lambda: [
            dtp_tf.Conv2DPair(3, 5, pool="max", pool_size=3, pool_strides=2, pool_padding=1),
            dtp_tf.Conv2DPair(4, 3, pool="max", inverse_first=True),
        ],
        [(4, 3, 3), (2, 1, 4)],
    ),
    "average": (
        lambda: [dtp_tf.Conv2DPair(3, pool="average"), dtp_tf.Conv2DPair(4, pool="average")],
        [(3, 3, 3), (1, 1, 4)],
    ),
    "local": (
        lambda: [
            dtp_tf.LocallyConnected2DPair(3, 3, 2, dropout=0.2),
            dtp_tf.LocallyConnected2DPair(4, 2, padding="valid", inverse_first=True),
        ],
        [(4, 3, 3), (3, 2, 4)],
    ),
    "block": (
        lambda: [dtp_tf.BlockPair(block(3)), dtp_tf.BlockPair(block(4))],
        [(4, 3, 3), (2, 2, 4)],
    ),
}
every_kind = pytest.mark.parametrize("kind", PAIRS)


def dealt(rows, columns, hand):
    """The pairs of a row and a column that one of two tests gets; the other gets the others.

    So every pair is tried, and each test tries every row and every column, but not all of both.
    """
    return [
        (row, column)
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
        if (i + j) % 2 == hand
    ]


def every_kind_and_every_rule(hand):
    """Every kind and every rule, and of their pairs those of a hand."""
    pairs = [
        (kind, rule)
        for kind, rule in dealt(PAIRS, [rule for rule in BY_NAME if rule not in DENSE_ONLY], hand)
        if not (kind == "block" and issubclass(BY_NAME[rule], FA))
    ]
    return pytest.mark.parametrize(("kind", "rule"), pairs)


every_rule = pytest.mark.parametrize("rule", BY_NAME)


def every_rule_and_every_schedule(hand):
    """Every rule and every schedule, and of their pairs those of a hand."""
    return pytest.mark.parametrize(
        ("rule", "schedule", "inverse_first"),
        [(rule, schedule, False) for rule, schedule in dealt(TRAINED, PASSES, hand)]
        + [(rule, None, False) for rule in BY_NAME if rule not in TRAINED]
        + [("dtp", "parallel", True), ("ldrl", "inverse-first", True)],
    )


# The activation of an inverse before or after its weights, for rules that differ in what they need.
every_shape = pytest.mark.parametrize(
    ("rule", "inverse_first"),
    [*((rule, False) for rule in BY_NAME), ("dtp", True), ("drl", True), ("ldrl", True)],
)


def make_rule(rule, schedule=None, **settings):
    if rule not in TRAINED:
        return BY_NAME[rule](**settings)
    given = {"schedule": schedule or "parallel", "inverse_steps": 1, **settings}
    if BY_NAME[rule].takes_noise:
        given = {"noise": 0.3, **given}
    return BY_NAME[rule](**given)


def build(rule, schedule=None, inverse_first=False, optimizers=None, **settings):
    """A small network with steps large enough to see. Eager, for tracing takes a second."""
    keras.utils.set_random_seed(0)  # initializers draw their seeds when they are made
    pairs = [dtp_tf.DensePair(units, inverse_first=inverse_first) for units in WIDTHS]
    return finish(pairs, (INPUTS,), make_rule(rule, schedule, **settings), optimizers)


@functools.cache
def unchanged(rule, schedule=None, inverse_first=False):
    """A network of `build` that tests share, for they only read it."""
    return build(rule, schedule, inverse_first)


def build_images(kind, rule):
    """A small network of pairs of one kind and a dense one, for images."""
    keras.utils.set_random_seed(0)
    return finish([*PAIRS[kind][0](), dtp_tf.DensePair(5)], IMAGE, make_rule(rule))


def finish(pairs, shape, rule, optimizers=None):
    keras.utils.set_random_seed(0)
    network = dtp_tf.DTPNetwork(pairs, CLASSES, rule=rule)
    network.build((None, *shape))
    forward, inverse = optimizers or (keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.05))
    network.compile(forward, inverse, run_eagerly=True)
    return network


def examples(count=BATCH):
    x = np.random.default_rng(1).normal(size=(count, INPUTS)).astype("float32")
    return x, np.arange(count) % CLASSES


def image_examples():
    x = np.random.default_rng(1).normal(size=(BATCH, *IMAGE)).astype("float32")
    return x, np.arange(BATCH) % CLASSES


def arrays(variables):
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def an_epoch(network, *data):
    """All passes over the data of one epoch, the data being a single batch."""
    for phase in network.rule.passes:
        network.set_phase(phase)
        logs = network.train_step(tuple(tf.constant(part) for part in data))
    return logs


def a_batch(network):
    return Batch(network, *(tf.constant(part) for part in examples()))


def near(found, expected, rtol=1e-5):
    for one, other in zip(found, expected, strict=True):
        atol = rtol * max(np.abs(other).max(), 1e-2)
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


def has_dead_bias(rule, inverse_first):
    """Whether a rule takes nothing but differences of affine feedback, from which biases cancel."""
    return rule in ("drl", "ldrl") and inverse_first


def fixed_weights(network):
    """The weights of feedback that does not learn."""
    layers = [network.layers_up[i].inverse_layer for i in network.inverted]
    layers += network.feedback.values()
    return [weight for layer in layers for weight in layer.non_trainable_weights]
