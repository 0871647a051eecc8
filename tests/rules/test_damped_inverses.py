"""What large noise and a strong penalty make of an inverse of tanh units (docs/rules.md)."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import dtp_tf
from dtp_tf.numerics.activations import matched
from dtp_tf.rules import DTP, SDTP

UNITS, EXAMPLES = 12, 512


def angle(found, expected):
    cosine = np.sum(found * expected) / np.linalg.norm(found) / np.linalg.norm(expected)
    return np.degrees(np.arccos(cosine))


def learned(rule=None, **settings):
    """Return {layer: W of it and V of its inverse} of a tanh layer and the output, learned on
    inputs that are far from being spread alike in all directions."""
    keras.utils.set_random_seed(0)
    tanh = dict(activation="tanh", inverse_first=True, inverse_activation=matched("tanh"))
    pairs = [dtp_tf.DensePair(UNITS, **tanh), dtp_tf.DensePair(UNITS, **tanh)]
    network = dtp_tf.DTPNetwork(pairs, 3, rule=rule or DTP(target_step=0.3, **settings))
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
    return {
        layer: (
            network.layers_up[layer].forward_variables[0].numpy(),
            network.feedback_variables(layer)[0].numpy(),
        )
        for layer in network.trained_feedback
    }


def turned(weights, inverse):
    """Degrees between an inverse and the transposed weights, of columns of equal length."""
    return angle(inverse, (weights / np.linalg.norm(weights, axis=0)).T)


def test_large_noise_and_a_strong_penalty_make_an_inverse_the_transposed_weights():
    # V = (C + lambda I)^-1 cov(r, h + sigma n). By Stein's lemma the noise's part of the covariance
    # is sigma^2 E[r_j'] w_j, and where noise saturates tanh, E[r_j'] is proportional to 1 / |w_j|.
    found = learned(noise=30.0, inverse_l2=10.0)
    assert list(found) == [1]
    assert turned(*found[1]) < 8


@pytest.mark.parametrize("settings", [
    {"noise": 0.3, "inverse_l2": 0.0}, {"noise": 0.3, "inverse_l2": 10.0},
    {"noise": 30.0, "inverse_l2": 0.0},
], ids=["neither", "penalty", "noise"])  # fmt: skip
def test_either_one_alone_does_not(settings):
    assert turned(*learned(**settings)[1]) > 15


def of_classes(weights, inverse):
    """Degrees between them where the mean over the classes, which p - y has not, is left out."""
    return angle(inverse - inverse.mean(axis=0), (weights - weights.mean(axis=1)[:, None]).T)


@pytest.mark.parametrize("denoising", [False, True])
def test_so_does_sdtp_up_to_the_output_unless_it_takes_the_noise_away(denoising):
    rule = SDTP(30.0, schedule="parallel", inverse_l2=10.0, denoising=denoising)
    found = learned(rule)
    assert list(found) == [1, 2]
    far = [turned(*found[1]), of_classes(*found[2])]
    assert (min(far) > 45) if denoising else (max(far) < 4)
