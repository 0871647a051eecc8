"""Random numbers of training steps."""

import numpy as np
import tensorflow as tf

from dtp_tf.numerics import noise

STEP = tf.constant(5, tf.int64)


def test_normal_numbers_have_the_moments_of_the_normal_distribution():
    numbers = noise.gaussian(tf.zeros((1000, 300)), 3, STEP, 1, 2, 0).numpy().ravel()
    moments = [np.mean(numbers**power) for power in (1, 2, 3, 4)]
    np.testing.assert_allclose(moments, [0, 1, 0, 3], atol=0.05)
    assert 4.2 < np.abs(numbers).max() < 5.5
    assert len(np.unique(numbers)) > 0.95 * len(numbers)


def test_steps_that_are_traced_draw_the_numbers_of_those_that_are_not():
    like = tf.zeros((7, 5))
    traced = tf.function(lambda step: noise.gaussian(like, 3, step, 1, 2, 0))
    np.testing.assert_allclose(traced(STEP), noise.gaussian(like, 3, STEP, 1, 2, 0), rtol=1e-4)
    np.testing.assert_array_equal(traced(STEP), traced(STEP))
    assert not np.allclose(traced(STEP), traced(STEP + 1))


def test_random_signs_are_as_often_one_as_the_other_and_independent():
    signs = noise.rademacher(tf.zeros((2000, 33)), 3, STEP, 1, 2, 0).numpy()
    assert signs.dtype == np.float32
    assert set(np.unique(signs)) == {-1.0, 1.0}
    # Of 2,000 signs the mean is 0.022 from 0, as a rule; so is a product of two columns.
    assert np.abs(signs.mean(axis=0)).max() < 0.1
    covariance = signs.T @ signs / len(signs)
    assert np.abs(covariance - np.eye(33)).max() < 0.1
    assert np.abs(signs @ signs.T / 33)[np.triu_indices(2000, 1)].mean() < 0.15


def test_random_signs_have_any_shape_and_belong_to_a_step():
    for shape in ((1, 1), (3, 5, 2, 7), (32, 2), (0, 4)):
        like = tf.zeros(shape, tf.float16)
        signs = noise.rademacher(like, 3, STEP, 1, 2, 0)
        assert (signs.shape, signs.dtype) == (like.shape, like.dtype)
    like = tf.zeros((9, 50))
    traced = tf.function(lambda step: noise.rademacher(like, 3, step, 1, 2, 0))
    np.testing.assert_array_equal(traced(STEP), noise.rademacher(like, 3, STEP, 1, 2, 0))
    for other in (traced(STEP + 1), noise.rademacher(like, 4, STEP, 1, 2, 0),
                  noise.rademacher(like, 3, STEP, 1, 2, 1)):  # fmt: skip
        assert 0.3 < np.mean(traced(STEP) == other) < 0.7
