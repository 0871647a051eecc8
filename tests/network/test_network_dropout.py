"""Dropout: one choice for all that a step asks of a layer, and none outside of training."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import dtp_tf
from dtp_tf.errors import SettingError
from dtp_tf.network.batch import Batch
from dtp_tf.rules import BY_NAME

RATE = 0.5
X = np.random.default_rng(0).normal(size=(40, 6)).astype("float32")
Y = np.arange(40) % 3


def network(rule="dtp", rate=RATE, **settings):
    keras.utils.set_random_seed(0)
    pairs = [dtp_tf.DensePair(30, dropout=rate), dtp_tf.DensePair(20, dropout=rate)]
    taken = {"orthogonality": 0} if rule == "gait_prop" else {}  # a loss of all weights
    made = dtp_tf.DTPNetwork(pairs, 3, rule=BY_NAME[rule](**taken), seed=4, **settings)
    made.build((None, 6))
    made.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.01), run_eagerly=True)
    return made


def batch_of(made, x=X):
    return Batch(made, tf.constant(x), tf.constant(Y[: len(x)]))


def test_about_the_share_is_dropped_and_the_rest_is_larger():
    made = network()
    batch = batch_of(made)
    whole = np.asarray(made.pairs[0](X))
    found = np.asarray(batch.h[1])
    dropped = found == 0
    assert dropped.mean() == pytest.approx(RATE, abs=0.05)
    np.testing.assert_allclose(found[~dropped], whole[~dropped] / (1 - RATE), rtol=1e-5)
    assert np.any(dropped[0] != dropped[1])


def test_a_step_asks_the_same_choice_at_every_point_and_the_next_has_another():
    made = network()
    batch = batch_of(made)
    dropped = np.asarray(batch.h[1]) == 0
    for point in (batch.h[0], batch.h[0] + 1.0):
        np.testing.assert_array_equal(np.asarray(batch.f(0, point)) == 0, dropped)
    np.testing.assert_array_equal(batch_of(made).h[1], batch.h[1])
    assert np.any((np.asarray(batch.h[2])[:, :20] == 0) != dropped[:, :20])
    made.step.assign_add(1)
    assert np.any((np.asarray(batch_of(made).h[1]) == 0) != dropped)


@pytest.mark.parametrize("rule", [name for name in BY_NAME])
@pytest.mark.slow
def test_units_that_are_dropped_teach_their_weights_nothing(rule):
    made = network(rule)
    batch = batch_of(made, X[:1])
    gradients, _ = made.forward_gradients(batch)
    dropped = np.asarray(batch.h[1])[0] == 0
    kernel, bias, *_ = (np.asarray(one) for one in gradients)
    if rule != "autoencoder":  # whose decoder has the same weights
        assert not kernel[:, dropped].any()
    assert not bias[dropped].any() and bias[~dropped].any()


def test_backpropagation_is_that_of_keras_with_the_same_choice():
    made = network("bp")
    batch = batch_of(made)
    gradients, _ = made.forward_gradients(batch)
    masks = [np.asarray(h) != 0 for h in batch.h[1:-1]]
    with tf.GradientTape() as tape:
        h = tf.constant(X)
        for pair, mask in zip(made.pairs, masks, strict=True):
            h = pair(h) * mask / (1 - RATE)
        scores = tf.nn.softmax(made.output_pair(h))
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(Y, scores))
    for one, other in zip(gradients, tape.gradient(loss, made.forward_variables), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_answers_and_reports_drop_nothing():
    made, plain = network(), network(rate=0.0)
    plain.set_weights(made.get_weights())
    np.testing.assert_array_equal(made(X), plain(X))
    np.testing.assert_array_equal(made.classifier()(X), plain.classifier()(X))
    one, other = (n.evaluate(X, Y, verbose=0, return_dict=True) for n in (made, plain))
    assert one == other


@pytest.mark.slow
def test_it_trains_on_from_a_file_with_the_choices_of_the_uninterrupted_network(tmp_path):
    made = network()
    data = tf.constant(X), tf.constant(Y)
    made.train_step(data)
    made.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert [pair.dropout for pair in loaded.pairs] == [RATE, RATE]
    for one in (made, loaded):
        one.train_step(data)
    for weight, other in zip(made.weights, loaded.weights, strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("transmission", ["sign", "sample"])
def test_dropout_below_signs_and_samples_is_refused(transmission):
    pairs = [
        dtp_tf.DensePair(4, "sigmoid", dropout=0.5),
        dtp_tf.DensePair(4, "sigmoid", transmission=transmission),
    ]
    with pytest.raises(SettingError, match=f"`dropout` of layer 1.*{transmission}.*continuous"):
        dtp_tf.DTPNetwork(pairs, 3)
