"""Backpropagation straight through signs: equal to a transcription in float64, and local."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import TINY, train

import dtp_tf
from dtp_tf.errors import SettingError
from dtp_tf.network.batch import Batch
from dtp_tf.rules import BY_NAME, FA

RNG = np.random.default_rng(5)
X, Y = RNG.normal(size=(8, 6)).astype("float32"), RNG.integers(3, size=8)
WEIGHTS = RNG.uniform(0.5, 2.0, size=8).astype("float32")


def network(output="continuous", rule=None):
    keras.utils.set_random_seed(1)
    pairs = [
        dtp_tf.DensePair(7),
        dtp_tf.DensePair(5, activation="elu", transmission="sign"),
        dtp_tf.DensePair(4, transmission="sign"),
    ]
    rule = BY_NAME["bp"](straight_through=True) if rule is None else rule
    model = dtp_tf.DTPNetwork(pairs, 3, rule=rule, output_transmission=output)
    model.compile(keras.optimizers.SGD(0.5))
    model.build((None, 6))
    return model


def transcription(model, output, weights):
    """The signals for h_1, h_2, h_3: sign' taken to be 1, all in float64."""
    layers = [
        [v.numpy().astype("float64") for v in one.forward_variables] for one in model.layers_up
    ]
    sent = [lambda h: h, np.sign, np.sign, np.sign if output == "sign" else lambda h: h]
    slopes = [None, lambda h: np.where(h > 0, 1, h + 1), lambda h: 1 - h**2]
    activations = [np.tanh, lambda a: np.where(a > 0, a, np.exp(a) - 1), np.tanh, lambda a: a]
    h = [X.astype("float64")]
    for (w, b), send, s in zip(layers, sent, activations, strict=True):
        h.append(s(send(h[-1]) @ w + b))
    p = np.exp(h[4]) / np.exp(h[4]).sum(axis=1, keepdims=True)
    error = (p - np.eye(3)[Y]) * weights[:, None]
    signals = [error @ layers[3][0].T]
    for i in (2, 1):
        signals.insert(0, (signals[0] * slopes[i](h[i + 1])) @ layers[i][0].T)
    return signals


@pytest.mark.parametrize("output", ["continuous", "sign"])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_the_signals_are_those_of_the_transcription(output, weights):
    model = network(output)
    given = None if weights is None else tf.constant(weights)
    batch = Batch(model, tf.constant(X), tf.constant(Y), given)
    found = model.rule.signals(model, batch)
    expected = transcription(model, output, np.ones(8) if weights is None else weights)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6)


def test_feedback_alignment_by_the_transposed_weights_goes_straight_through_too():
    model, aligned = network(), network(rule=FA())
    for i, layer in aligned.feedback.items():
        layer.kernel.assign(tf.transpose(aligned.layers_up[i].forward_layer.kernel))
    signals = [
        one.rule.signals(one, Batch(one, tf.constant(X), tf.constant(Y)))
        for one in (model, aligned)
    ]
    for one, other in zip(*signals, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_a_step_moves_every_layer_and_each_local_loss_its_own_alone():
    model = network()
    batch = Batch(model, tf.constant(X), tf.constant(Y))
    taught = model.rule.teach(model, batch)
    for i, layer in enumerate(model.pairs):
        with batch.tape:
            loss = model.rule.local_loss(batch.outputs[i], tf.stop_gradient(taught[i]))
        for other in model.layers_up:
            gradients = batch.tape.gradient(loss, other.forward_variables)
            assert all((one is not None) == (other is layer) for one in gradients)
    model.run_eagerly = True
    before = [v.numpy() for v in model.trainable_variables]
    model.train_step((tf.constant(X), tf.constant(Y)))
    for variable, old in zip(model.trainable_variables, before, strict=True):
        assert np.any(variable.numpy() != old), variable.path


def test_where_nothing_sends_signs_it_changes_nothing():
    keras.utils.set_random_seed(1)
    pairs = [dtp_tf.DensePair(7), dtp_tf.DensePair(5)]
    model = dtp_tf.DTPNetwork(pairs, 3, rule=BY_NAME["bp"]())
    model.compile(keras.optimizers.SGD(0.5))
    model.build((None, 6))
    batch = Batch(model, tf.constant(X), tf.constant(Y))
    plain = model.rule.signals(model, batch)
    straight = BY_NAME["bp"](straight_through=True).signals(model, batch)
    for one, other in zip(plain, straight, strict=True):
        np.testing.assert_array_equal(one, other)


def test_it_must_be_asked_for():
    with pytest.raises(SettingError, match="layer 2 gets nothing but signs.*`straight_through`"):
        network(rule=BY_NAME["bp"]())
    with pytest.raises(SettingError, match="must be True or False, got 'yes'"):
        BY_NAME["bp"](straight_through="yes")
    with pytest.raises(SettingError, match="`straight_through` has no place in the rule dtp"):
        dtp_tf.recipe("digits", straight_through=True)


@pytest.mark.slow
def test_a_run_of_the_recipe_setting_learns_and_is_opened_again(tmp_path):
    settings = {
        "units": (32, 32), "epochs": 4, "learning_rate": 3e-3, "batch_size": 32,
        "learning_rate_schedule": TINY["learning_rate_schedule"], "transmission": "sign",
    }  # fmt: skip
    model, history = train(tmp_path / "run", rule="bp", straight_through=True, **settings)
    assert history.metrics["validation"]["accuracy"] > 0.5
    loaded = keras.saving.load_model(tmp_path / "run/best.keras")
    assert loaded.rule.straight_through is True
    images = dtp_tf.load_data(dtp_tf.recipe("digits")).test.images[:5]
    np.testing.assert_allclose(loaded(images), model(images), rtol=1e-5)
