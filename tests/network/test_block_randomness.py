"""Random numbers inside a block: once a step for all that is asked of it, and afresh each step."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import dtp_tf
from dtp_tf.network.batch import Batch


def network(seed=0):
    keras.utils.set_random_seed(0)
    block = keras.Sequential(
        [keras.Input((20,)), layers.Dense(30), layers.Dropout(0.5), layers.ReLU(),
         layers.Dropout(0.5)]
    )  # fmt: skip
    made = dtp_tf.DTPNetwork([dtp_tf.BlockPair(block), dtp_tf.DensePair(4)], 3, seed=seed)
    made.build((None, 20))
    made.compile("sgd", "sgd", run_eagerly=True)
    return made


X, Y = tf.ones((6, 20)), tf.constant(np.arange(6) % 3)


def test_in_a_step_a_block_drops_the_same_for_all_that_is_asked_of_it():
    made = network()
    batch = Batch(made, X, Y)
    np.testing.assert_array_equal(batch.f(0, X), batch.h[1])
    np.testing.assert_array_equal(batch.f(0, X), batch.f(0, X))
    assert np.mean(batch.h[1] == 0) > 0.6
    masks = np.asarray(batch.h[1]) != 0
    assert len({tuple(row) for row in masks}) == 6  # each example has its own


def test_each_step_and_seed_drops_afresh_and_a_step_repeated_drops_alike():
    made = network()
    first = Batch(made, X, Y).h[1]
    np.testing.assert_array_equal(first, Batch(made, X, Y).h[1])
    made.step.assign(1)
    assert np.any(first != Batch(made, X, Y).h[1])
    made.step.assign(0)
    np.testing.assert_array_equal(first, Batch(made, X, Y).h[1])
    assert np.any(first != Batch(network(seed=1), X, Y).h[1])


def test_training_goes_on_from_a_file_with_the_numbers_that_it_would_have_drawn(tmp_path):
    made = network()
    made.train_step((X, Y))
    made.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras")
    again.run_eagerly = True
    for one in (made, again):
        one.train_step((X, Y))
    for one, other in zip(made.weights, again.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_outside_of_training_nothing_is_dropped():
    made = network()
    np.testing.assert_array_equal(made(X)[0], made(X)[5])
