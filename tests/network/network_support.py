"""What the tests of `DTPNetwork` share: small networks, examples, steps, and equal arrays."""

import os
import pathlib
import subprocess
import sys
import textwrap

import keras
import numpy as np
import tensorflow as tf

import dtp_tf
from dtp_tf.rules import DTP

SCHEDULES = ("parallel", "alternating", "inverse-first")
INPUTS, WIDTHS, CLASSES, BATCH = 5, (6, 4, 7), 3, 8


def build(
    widths=WIDTHS,
    optimizer=None,
    inverse_optimizer=None,
    loss="sparse_categorical_crossentropy",
    run_eagerly=True,
    **settings,
):
    """A small network with steps large enough to see. Eager, for tracing takes a second."""
    keras.utils.set_random_seed(0)
    network = dtp_tf.DTPNetwork(
        [dtp_tf.DensePair(units) for units in widths],
        CLASSES,
        rule=DTP(**{"target_step": 0.5, **settings}),
    )
    network.build((None, INPUTS))
    network.compile(
        optimizer=optimizer or keras.optimizers.SGD(0.5),
        inverse_optimizer=inverse_optimizer or keras.optimizers.SGD(0.5),
        loss=loss,
        run_eagerly=run_eagerly,
    )
    return network


def examples(count=BATCH, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, INPUTS)).astype("float32")
    return x, np.arange(count) % CLASSES


def arrays(variables):
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def step(network, *data):
    """One training step; the updates of the forward and of the inverse weights."""
    before = arrays(network.forward_variables), arrays(network.inverse_variables)
    network.train_step(tuple(tf.constant(part) for part in data))
    after = arrays(network.forward_variables), arrays(network.inverse_variables)
    return tuple(
        [now - old for now, old in zip(*pair, strict=True)]
        for pair in zip(after, before, strict=True)
    )


def moved(updates):
    """Whether each variable moved at all."""
    return [bool(np.any(update != 0)) for update in updates]


def equal(found, expected):
    return all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def near(found, expected):
    """Equal up to rounding."""
    for one, other in zip(found, expected, strict=True):
        atol = 1e-5 * np.abs(other).max()
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


def different(found, expected):
    """Whether each array differs by more than rounding."""
    return [
        bool(np.abs(one - other).max() > 1e-3 * np.abs(other).max())
        for one, other in zip(found, expected, strict=True)
    ]


def preprocessed_network():
    keras.utils.set_random_seed(0)
    network = dtp_tf.DTPNetwork(
        [dtp_tf.DensePair(6), dtp_tf.DensePair(4)],
        CLASSES,
        preprocessing=keras.Sequential([keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]),
    )
    network.build((None, 4, 4, 1))
    return network


def run(code, folder):
    """Run Python with this `dtp_tf`, in a folder of its own; what it warns of is an error."""
    strict = "import warnings\nwarnings.simplefilter('error', UserWarning)\n"
    command = [sys.executable, "-c", strict + textwrap.dedent(code)]
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(dtp_tf.__file__).parents[1])}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
