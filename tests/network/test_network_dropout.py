"""Dropout: one choice for all that a step asks of a layer, and none outside of training."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import transpose_inverses

import dtp_tf
from dtp_tf.errors import SettingError
from dtp_tf.evaluating.diagnostics import Diagnostics, angle
from dtp_tf.network.batch import Batch
from dtp_tf.numerics.activations import matched
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


def transposed_network(rule, rate, activation, convolutional=False, **taken):
    """A network whose inverses have the transposed weights and the slopes of their layers."""
    keras.utils.set_random_seed(0)
    alike = dict(
        activation=activation, inverse_activation=matched(activation), inverse_first=True,
        dropout=rate,
    )  # fmt: skip
    pairs = [dtp_tf.DensePair(30, **alike), dtp_tf.DensePair(20, **alike)]
    if convolutional:
        pairs.insert(0, dtp_tf.Conv2DPair(4, 3, pool="max", pool_size=2, **alike))
    made = dtp_tf.DTPNetwork(pairs, 3, rule=BY_NAME[rule](**taken), seed=4)
    made.build((None, 6, 6, 1) if convolutional else (None, 6))
    made.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.01), run_eagerly=True)
    transpose_inverses(made)
    return made


@pytest.mark.parametrize("activation", ["tanh", "elu"])
@pytest.mark.parametrize("convolutional", [False, True])
@pytest.mark.parametrize("rule", ["dtp", "ldrl"])
def test_with_transposed_weights_targets_teach_what_backpropagation_does(
    rule, convolutional, activation
):
    x = np.random.default_rng(1).normal(size=(40, 6, 6, 1)).astype("float32")
    x = x if convolutional else X
    of_rule = transposed_network(rule, 0.6, activation, convolutional, target_step=1e-3)
    of_bp = transposed_network("bp", 0.6, activation, convolutional)
    for weight, other in zip(of_bp.forward_variables, of_rule.forward_variables, strict=True):
        weight.assign(other)
    gradients, wanted = (n.forward_gradients(batch_of(n, x))[0] for n in (of_rule, of_bp))
    for one, other in zip(gradients[:-2], wanted[:-2], strict=True):  # the output has bp's own
        assert angle(one, other) < 0.5


@pytest.mark.parametrize("activation", ["tanh", "elu"])
def test_no_inverse_is_asked_outside_the_range_of_its_layer(activation):
    made = transposed_network("ldrl", 0.6, activation)
    batch = batch_of(made, 3 * X)
    assert np.min(batch.h[1]) < -2
    for layer, pair in enumerate(made.pairs):
        h = batch.h[layer + 1]
        whole = np.asarray(pair(batch.h[layer]))
        np.testing.assert_allclose(batch.undropped(layer, h), whole, rtol=1e-5)
        moved = np.asarray(batch.undropped(layer, h + 0.01)) - whole
        np.testing.assert_allclose(moved, np.where(np.asarray(h) == 0, 0, 0.025), atol=1e-5)


def test_targets_that_inverses_give_are_dropped_as_the_activations_are():
    made, plain = network("ccl"), network("ccl", rate=0.0)
    plain.set_weights(made.get_weights())
    batch, whole = batch_of(made), batch_of(plain)
    for target, other, h in zip(
        made.rule.targets(made, batch), plain.rule.targets(plain, whole), batch.h[1:], strict=False
    ):
        mask = np.asarray(h) != 0  # what comes down from the label does not depend on h
        np.testing.assert_allclose(target, other * mask / (1 - RATE), rtol=1e-5, atol=1e-6)
    made = network("tp")
    made.rule.target_step = 0.0
    batch, (_, pair) = batch_of(made), made.pairs
    back = pair(pair(batch.h[1]), reverse=True) * (np.asarray(batch.h[1]) != 0) / (1 - RATE)
    np.testing.assert_allclose(made.rule.targets(made, batch)[0], back, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rule", ["dtp", "ldrl", "sdtp", "ao_sdtp"])
def test_an_inverse_learns_the_same_whatever_its_own_layer_drops(rule):
    losses = []
    for rate in (0.0, RATE):
        made = network(rule, rate=0.0)
        made.pairs[1].dropout = rate
        losses.append(made.rule.inverse_loss(made, batch_of(made), 1, made.noise(1, 0)))
    np.testing.assert_allclose(*losses, rtol=1e-6)


def test_jacobians_are_measured_of_whole_layers():
    x = np.random.default_rng(1).normal(size=(8, 6, 6, 1)).astype("float32")
    made = transposed_network("ldrl", 0.6, "tanh", convolutional=True)
    found = Diagnostics(made, x, Y[:8]).measure()
    assert found["angle_jacobian_2"] < 0.1 and found["angle_jacobian_3"] < 0.1


def test_inverses_learn_from_whole_layers():
    taken = dict(jacobian_norm="transposed", noise=1e-3)
    made = transposed_network("ldrl", 0.6, "tanh", **taken)
    before = [weight.numpy() for weight in made.inverse_variables]
    made.train_step((tf.constant(X), tf.constant(Y)))  # V = W^T is where its loss is lowest
    for weight, other in zip(made.inverse_variables, before, strict=True):
        np.testing.assert_allclose(weight, other, atol=1e-8)


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
