"""What large noise and a strong penalty make of an inverse of tanh units (docs/rules.md)."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import dtp_tf
from dtp_tf.numerics.activations import matched
from dtp_tf.rules import DTP

UNITS, EXAMPLES = 12, 512


def angle(found, expected):
    cosine = np.sum(found * expected) / np.linalg.norm(found) / np.linalg.norm(expected)
    return np.degrees(np.arccos(cosine))


def learned(**settings):
    """Return W of a tanh layer and V of its inverse, learned on inputs that are far from being
    spread alike in all directions."""
    keras.utils.set_random_seed(0)
    tanh = dict(activation="tanh", inverse_first=True, inverse_activation=matched("tanh"))
    pairs = [dtp_tf.DensePair(UNITS, **tanh), dtp_tf.DensePair(UNITS, **tanh)]
    network = dtp_tf.DTPNetwork(pairs, 3, rule=DTP(target_step=0.3, **settings))
    falling = keras.optimizers.schedules.CosineDecay(0.01, 600)
    network.compile(keras.optimizers.SGD(0.0), keras.optimizers.Adam(falling), metrics=None)
    network.build((None, 2))
    rng = np.random.default_rng(0)
    kernel = network.layers_up[1].forward_variables[0]
    kernel.assign(rng.normal(size=(UNITS, UNITS)) / np.sqrt(UNITS))
    x = rng.normal(size=(EXAMPLES, 2)).astype("float32")  # h_1 lies near a plane
    data = tf.data.Dataset.from_tensors((x, np.arange(EXAMPLES) % 3)).repeat()
    network.set_phase(("inverse",))
    network.fit(data, steps_per_epoch=600, shuffle=False, verbose=0)
    return kernel.numpy(), network.feedback_variables(1)[0].numpy()


def test_large_noise_and_a_strong_penalty_make_an_inverse_the_transposed_weights():
    # V = (C + lambda I)^-1 cov(r, h + sigma n). By Stein's lemma the noise's part of the covariance
    # is sigma^2 E[r_j'] w_j, and where noise saturates tanh, E[r_j'] is proportional to 1 / |w_j|.
    weights, inverse = learned(noise=30.0, inverse_l2=10.0)
    assert angle(inverse, (weights / np.linalg.norm(weights, axis=0)).T) < 8


@pytest.mark.parametrize("settings", [
    {"noise": 0.3, "inverse_l2": 0.0}, {"noise": 0.3, "inverse_l2": 10.0},
    {"noise": 30.0, "inverse_l2": 0.0},
], ids=["neither", "penalty", "noise"])  # fmt: skip
def test_either_one_alone_does_not(settings):
    weights, inverse = learned(**settings)
    assert angle(inverse, (weights / np.linalg.norm(weights, axis=0)).T) > 15
