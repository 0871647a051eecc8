"""The optimizers that recipes name, against their authors' formulas."""

import keras
import numpy as np
import pytest

from dtp_tf.recipes.recipe import LEARNING_RATE_SCHEDULES, OPTIMIZERS
from dtp_tf.training.optimizers import make_optimizer

START = np.array([0.5, -1.0, 2.0, 0.0, 3.0])
# Large, small and changing gradients, and one that is always 0.
GRADIENTS = np.array(
    [
        [1.0, -0.02, 5.0, 0.0, 0.003],
        [0.5, 0.03, -5.0, 0.0, 0.003],
        [-2.0, -0.01, 4.0, 0.0, 0.003],
        [1.5, 0.02, -3.0, 0.0, 0.003],
        [0.1, -0.04, 6.0, 0.0, 0.003],
        [-0.7, 0.01, 1.0, 0.0, 0.003],
    ]
)


def path_of(optimizer):
    """Return the weights after each update with GRADIENTS."""
    variable = keras.Variable(START, dtype="float32")
    optimizer.build([variable])
    steps = []
    for gradient in GRADIENTS:
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [variable])
        steps.append(keras.ops.convert_to_numpy(variable).copy())
    return np.array(steps)


def graves(learning_rate):
    """Graves 2013, equations 38 to 41, with the constants of Lee et al."""
    weight = START.copy()
    square, mean, update = np.zeros(5), np.zeros(5), np.zeros(5)
    steps = []
    for gradient in GRADIENTS:
        square = 0.95 * square + 0.05 * gradient**2
        mean = 0.95 * mean + 0.05 * gradient
        update = 0.9 * update - learning_rate * gradient / np.sqrt(square - mean**2 + 1e-3)
        weight = weight + update
        steps.append(weight)
    return np.array(steps)


def torch(learning_rate):
    """PyTorch's RMSprop with its defaults: epsilon outside the root, no momentum."""
    weight, square, steps = START.copy(), np.zeros(5), []
    for gradient in GRADIENTS:
        square = 0.99 * square + 0.01 * gradient**2
        weight = weight - learning_rate * gradient / (np.sqrt(square) + 1e-8)
        steps.append(weight)
    return np.array(steps)


def test_rmsprop_graves_is_the_centred_rmsprop_of_graves():
    ours = path_of(make_optimizer("rmsprop-graves", 0.0149, "constant", 100))
    np.testing.assert_allclose(ours, graves(0.0149), rtol=2e-5, atol=1e-6)


def test_rmsprop_graves_is_not_keras_own_rmsprop():
    ours = path_of(make_optimizer("rmsprop-graves", 0.0149, "constant", 100))
    plain = path_of(make_optimizer("rmsprop", 0.0149, "constant", 100))
    assert np.abs(ours - plain).max() > 0.01


def test_rmsprop_torch_is_the_rmsprop_of_pytorch():
    ours = path_of(make_optimizer("rmsprop-torch", 0.01, "constant", 100))
    np.testing.assert_allclose(ours, torch(0.01), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_named_optimizer_goes_down_and_leaves_alone_what_has_no_gradient(name):
    weights = path_of(make_optimizer(name, 0.01, "constant", 100))
    assert weights[0, 0] < START[0]
    assert weights[0, 1] > START[1]
    assert (weights[:, 3] == START[3]).all()


@pytest.mark.parametrize("schedule", LEARNING_RATE_SCHEDULES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_starts_at_its_learning_rate(name, schedule):
    optimizer = make_optimizer(name, 0.25, schedule, 7)
    assert float(optimizer.learning_rate) == pytest.approx(0.25)


def test_a_constant_rate_stays():
    optimizer = make_optimizer("sgd", 0.25, "constant", len(GRADIENTS))
    expected = START - 0.25 * np.cumsum(GRADIENTS, axis=0)
    np.testing.assert_allclose(path_of(optimizer), expected, rtol=1e-5, atol=1e-6)


def test_a_cosine_rate_falls_to_0_over_the_whole_training():
    steps = len(GRADIENTS)
    optimizer = make_optimizer("sgd", 0.25, "cosine", steps)
    rates = 0.25 * (1 + np.cos(np.pi * np.arange(steps) / steps)) / 2
    expected = START - np.cumsum(rates[:, None] * GRADIENTS, axis=0)
    np.testing.assert_allclose(path_of(optimizer), expected, rtol=1e-5, atol=1e-6)
    assert int(optimizer.iterations) == steps
    assert float(optimizer.learning_rate) == pytest.approx(0, abs=1e-8)


def test_every_call_gives_an_optimizer_of_its_own():
    assert make_optimizer("adam", 0.1, "constant", 1) is not make_optimizer(
        "adam", 0.1, "constant", 1
    )


def test_an_unknown_optimizer_is_refused_by_name():
    with pytest.raises(ValueError, match="must be one of adam, .*; got 'adamin'"):
        make_optimizer("adamin", 0.1, "constant", 1)
