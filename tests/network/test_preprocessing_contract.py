"""Preprocessing is in training what it is in a stock model's, and elsewhere what it is there."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from contract_support import INPUTS, arrays, examples, fit, network, same, twins

import dtp_tf
from dtp_tf.evaluating.diagnostics import Diagnostics
from dtp_tf.network.batch import Batch
from dtp_tf.rules import DTP

layers = keras.layers
RANDOM = {
    "dropout": lambda: layers.Dropout(0.5, seed=3),
    "noise": lambda: layers.GaussianNoise(0.5, seed=3),
    "several": lambda: keras.Sequential(
        [layers.GaussianNoise(0.1, seed=1), layers.Dropout(0.5, seed=2)]
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RANDOM)
def test_random_preprocessing_trains_as_in_a_stock_model(name):
    ours, stock = twins(lambda: keras.optimizers.SGD(0.5), RANDOM[name])
    plain, _ = twins(lambda: keras.optimizers.SGD(0.5))
    logs, expected, without = fit(ours), fit(stock), fit(plain)
    same(arrays(ours.forward_variables), arrays(stock.trainable_variables))
    assert logs["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert logs["loss"] != pytest.approx(without["loss"], rel=1e-3)


def augmented():
    """A network whose preprocessing takes a call that does not say for one in training."""
    keras.utils.set_random_seed(0)
    preprocessing = keras.Sequential(
        [layers.Reshape((5, 1, 1)), layers.RandomFlip("vertical", seed=1), layers.Flatten()]
    )
    return network(preprocessing=preprocessing)


@pytest.mark.slow
def test_augmentation_acts_in_training_alone(tmp_path):
    made, (x, y) = augmented(), examples()
    assert fit(made, epochs=1)["loss"] != pytest.approx(fit(network(), epochs=1)["loss"], rel=1e-3)
    plain = dtp_tf.DTPNetwork(made.pairs, 3, rule=made.rule)
    plain.build((None, INPUTS))
    for own, other in zip(plain.output_pair.weights, made.output_pair.weights, strict=True):
        own.assign(other)
    expected = plain(x).numpy()

    made.export(tmp_path / "exported", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "exported"))
    answers = {
        "call": made(x),
        "predict": made.predict(x, verbose=0),
        "predict_on_batch": made.predict_on_batch(x),
        "classifier": made.classifier()(x),
        "exported": served.serve(x),
    }
    for name, answer in answers.items():
        np.testing.assert_allclose(answer, expected, atol=1e-6, err_msg=name)
    loss = float(np.mean(-np.log(expected[np.arange(len(y)), y])))
    assert made.evaluate(x, y, verbose=0)[0] == pytest.approx(loss, rel=1e-5)
    assert made.test_on_batch(x, y)[0] == pytest.approx(loss, rel=1e-5)
    assert np.abs(made(x, training=True) - expected).max() > 1e-3


def test_diagnostics_leave_augmentation_and_its_random_numbers_alone():
    made, (x, y) = augmented(), examples()
    states = arrays(made._random_states())
    batch = Batch(made, tf.constant(x), tf.constant(y), update=False)
    np.testing.assert_allclose(batch.h[0], x)
    assert states and np.array_equal(states, arrays(made._random_states()))
    assert callable(Diagnostics(made, x, y).measure)


@pytest.mark.slow
def test_every_pass_of_the_alternating_schedule_augments():
    made = network(DTP(schedule="alternating"), preprocessing=RANDOM["dropout"]())
    states = [arrays(made._random_states())]
    for _ in range(2):
        fit(made, epochs=1)
        states.append(arrays(made._random_states()))
    assert not np.array_equal(states[0], states[1]) and not np.array_equal(states[1], states[2])


@pytest.mark.slow
@pytest.mark.parametrize("how", ["save", "save_weights"])
def test_a_saved_network_goes_on_with_the_random_numbers_of_the_one_that_was_not(tmp_path, how):
    def new():
        return network(preprocessing=RANDOM["several"]())

    whole, stopped = new(), new()
    fit(whole, epochs=2)
    fit(stopped, epochs=1)
    if how == "save":
        stopped.save(tmp_path / "it.keras")
        stopped = keras.saving.load_model(tmp_path / "it.keras")
    else:
        stopped.save_weights(tmp_path / "it.weights.h5")
        stopped = new()
        stopped.load_weights(tmp_path / "it.weights.h5")
    fit(stopped, epochs=1)
    same(arrays(stopped.trainable_variables), arrays(whole.trainable_variables), atol=0)


def test_a_file_without_random_states_loads(tmp_path, monkeypatch):
    made = network(preprocessing=RANDOM["dropout"]())
    with monkeypatch.context() as patch:
        patch.setattr(type(made), "_random_states", lambda self: [])
        made.save(tmp_path / "it.keras")
    again = keras.saving.load_model(tmp_path / "it.keras")
    same(arrays(again.weights), arrays(made.weights), atol=0)


@keras.saving.register_keras_serializable("tests")
class Halved(keras.layers.Layer):
    """A layer of one's own, which says what it does and not what shape comes of it."""

    def call(self, inputs):
        return keras.ops.reshape(inputs, (-1, INPUTS)) / 2


@pytest.mark.slow
def test_a_layer_of_ones_own_that_does_not_say_its_shape_preprocesses(tmp_path):
    made, (x, y) = network(preprocessing=Halved()), examples()
    fit(made, epochs=1)
    made.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(made.classifier()(x), made(x), atol=1e-6)
    made.save(tmp_path / "it.keras")
    np.testing.assert_allclose(keras.saving.load_model(tmp_path / "it.keras")(x), made(x))
