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
