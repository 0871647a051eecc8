"""Whatever the output and the loss, gradients at the top are those of each example's own loss."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from losses_support import (
    CASES,
    UNKNOWN,
    examples,
    labels,
    network_of,
    stock_gradients,
)

from dtp_tf.network.batch import Batch
from dtp_tf.rules import DTP

every_case = pytest.mark.parametrize("case", CASES)


def batch_of(case, rule=None):
    activation, units, loss, kind = CASES[case]
    network = network_of(activation, units, loss, rule)
    x, y = tf.constant(examples()), tf.constant(labels(kind))
    return network, Batch(network, x, y), x, y


def close(found, expected, rtol=1e-5):
    for one, other in zip(found, expected, strict=True):
        atol = rtol * max(np.abs(other).max(), 1e-3)
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


@every_case
@pytest.mark.slow
def test_backpropagation_equals_the_gradients_of_keras(case):
    network, batch, x, y = batch_of(case)
    weights = tf.constant([0.5, 2.0, 0.0, 1.0, 3.0, 0.2])
    batches = [(None, batch)]
    if case != "own mean":  # a loss that is a mean already cannot weigh its examples
        batches.append((weights, Batch(network, x, y, weights)))
    for given, one in batches:
        loss, expected = stock_gradients(network, x, y, given)
        found, _ = network.forward_gradients(one, given)
        assert float(one.loss) == pytest.approx(float(loss), rel=1e-6)
        assert any(np.any(gradient != 0) for gradient in expected)
        close(found, expected)


@pytest.mark.parametrize("case", [case for case in CASES if case != "softmax, ignoring a class"])
@pytest.mark.slow
def test_gradients_at_the_top_are_of_each_example_alone(case):
    network, batch, x, y = batch_of(case)
    alone = Batch(network, x[:1], y[:1])
    close(batch.output_gradient()[:1], alone.output_gradient(), 1e-4)
    close(batch.top_gradient()[:1], alone.top_gradient(), 1e-4)


@pytest.mark.parametrize("case", ["softmax", "several labels", "squared", "logits"])
def test_the_factors_of_the_top_gradient_multiply_to_it(case):
    _, batch, _, _ = batch_of(case, DTP())
    error, rows = batch.top_gradient_factors()
    close([error @ rows], [batch.top_gradient()])


@pytest.mark.parametrize("case", [case for case in CASES if case not in UNKNOWN])
@pytest.mark.slow
def test_labels_are_the_answers_with_the_smallest_loss(case):
    network, batch, _, y = batch_of(case)
    name = "categorical_crossentropy" if network.loss == "crossentropy" else network.loss
    loss, rng = keras.losses.get(name), np.random.default_rng(0)
    best = np.asarray(batch.labels)
    assert best.shape == batch.answers.shape

    def of(answers):
        p = tf.constant(answers)
        given = tf.reshape(y, p.shape) if network.units == 1 else y
        return np.array([loss(given[n : n + 1], p[n : n + 1]) for n in range(len(answers))])

    smallest = of(best)
    assert (smallest <= of(np.asarray(batch.answers)) + 1e-6).all()
    for size in (0.01, 0.1):
        moved = best + size * rng.normal(size=best.shape).astype("float32")
        if network.output_activation != "linear":
            moved = np.clip(moved, 0, 1)
        if network.output_activation == "softmax":
            moved = moved / moved.sum(axis=1, keepdims=True)
        assert (smallest <= of(moved) + 1e-6).all()


def test_the_one_mean_of_a_batch_that_ignores_a_class_has_no_gradient_there():
    _, batch, _, y = batch_of("softmax, ignoring a class")
    gradient = np.asarray(batch.output_gradient())
    assert (np.any(gradient != 0, axis=1) == (np.asarray(y) != 1)).all()
