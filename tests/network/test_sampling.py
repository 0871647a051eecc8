"""Networks whose layers send binary samples (Lee et al. 2015, section 3.3)."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import TINY, train

import dtp_tf
from dtp_tf.errors import SettingError
from dtp_tf.export.saved_model import export
from dtp_tf.network.batch import Batch
from dtp_tf.numerics.sampling import PASSES, thresholds
from dtp_tf.rules import BY_NAME

RNG = np.random.default_rng(4)
X, Y = RNG.normal(size=(8, 6)).astype("float32"), RNG.integers(3, size=8)
# The others need the activations.
SUPERVISED = [name for name in BY_NAME if name not in ("autoencoder", "gait_prop")]


def network(rule="dtp", **settings):
    keras.utils.set_random_seed(1)
    pairs = [
        dtp_tf.DensePair(7, "sigmoid", "tanh"),
        dtp_tf.DensePair(5, "sigmoid", "tanh", transmission="sample"),
    ]
    model = dtp_tf.DTPNetwork(
        pairs, 3, rule=BY_NAME[rule](**settings), output_transmission="sample", seed=5
    )
    model.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5))
    model.build((None, 6))
    return model


def batch(model):
    return Batch(model, tf.constant(X), tf.constant(Y))


def weights(model):
    return [[v.numpy() for v in layer.forward_variables] for layer in model.layers_up]


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def softmax(a):
    e = np.exp(a - a.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# -- a training step -------------------------------------------------------------------------------


def test_a_layer_gets_zeros_and_ones_that_are_ones_as_often_as_the_activations_say():
    model = network()
    h = tf.constant(np.tile([[0.0, 0.1, 0.5, 0.9, 1.0]], (20000, 1)), "float32")
    sent = model.sent(2, h).numpy()
    assert set(np.unique(sent)) == {0.0, 1.0}
    np.testing.assert_allclose(sent.mean(axis=0), [0, 0.1, 0.5, 0.9, 1], atol=0.015)
    np.testing.assert_array_equal(model.sent(0, h), h)  # the first layer gets the input itself


def test_samples_depend_on_the_step_and_the_layer_only():
    model, h = network(), tf.fill((50, 7), 0.5)
    first = model.sent(1, h).numpy()
    np.testing.assert_array_equal(model.sent(1, h), first)
    assert 0.3 < np.mean(model.sent(2, h).numpy() != first) < 0.7
    model.step.assign_add(1)
    assert 0.3 < np.mean(model.sent(1, h).numpy() != first) < 0.7


def test_activations_follow_from_the_samples_below():
    model = network()
    found, layers = batch(model), weights(model)
    below = X
    for i, (weight, bias) in enumerate(layers):
        if i > 0:
            below = model.sent(i, found.h[i]).numpy()
        a = below @ weight + bias
        np.testing.assert_allclose(found.h[i + 1], a if i == 2 else sigmoid(a), rtol=1e-5)


def test_targets_are_those_of_the_paper():
    # t_2 = h_2 - h_2b + t_2b with t_2b = h_2b - eta dC/dh_2b, the gradient at the sample h_2b;
    # t_1 = h_1 - g_2(h_2) + g_2(t_2), of the probabilities.
    model = network(target_step=3.0)
    found = batch(model)
    weight, bias = weights(model)[2]
    sample = model.sent(2, found.h[2]).numpy()
    error = softmax(sample @ weight + bias) - np.eye(3)[Y]
    h1, h2 = found.h[1].numpy(), found.h[2].numpy()
    target = h2 - sample + (sample - 3.0 * error @ weight.T)
    v, c = (one.numpy() for one in model.pairs[1].inverse_variables)
    t1, t2 = model.rule.targets(model, found)
    np.testing.assert_allclose(t2, target, rtol=1e-4, atol=1e-6)
    expected = h1 - np.tanh(h2 @ v + c) + np.tanh(target @ v + c)
    np.testing.assert_allclose(t1, expected, rtol=1e-4, atol=1e-6)


def test_backpropagation_goes_straight_through_the_samples():
    model = network("bp")
    found, layers = batch(model), weights(model)
    h2 = found.h[2].numpy()
    sample = model.sent(2, h2).numpy()
    error = softmax(sample @ layers[2][0] + layers[2][1]) - np.eye(3)[Y]
    top = error @ layers[2][0].T
    below = (top * h2 * (1 - h2)) @ layers[1][0].T
    signals = model.rule.signals(model, found)
    np.testing.assert_allclose(signals[1], top, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(signals[0], below, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rule", SUPERVISED)
@pytest.mark.slow
def test_by_every_rule_a_local_loss_has_a_gradient_in_its_own_layer_only(rule):
    model = network(rule)
    found = batch(model)
    taught = model.rule.teach(model, found)
    for i, layer in enumerate(model.pairs):
        with found.tape:
            loss = model.rule.local_loss(found.outputs[i], tf.stop_gradient(taught[i]))
        for other in model.layers_up:
            gradients = found.tape.gradient(loss, other.forward_variables)
            assert all((one is not None) == (other is layer) for one in gradients)


@pytest.mark.slow
@pytest.mark.parametrize("rule", SUPERVISED)
def test_every_rule_moves_every_layer(rule):
    model = network(rule)
    model.run_eagerly = True
    before = [v.numpy() for v in model.trainable_variables]
    model.fit(X, Y, epochs=len(model.rule.passes), verbose=0)
    moved = [
        np.any(v.numpy() != old)
        for v, old in zip(model.trainable_variables, before, strict=True)
    ]
    assert all(moved)


# -- answers ---------------------------------------------------------------------------------------


def test_an_answer_is_the_mean_over_passes_with_fixed_thresholds():
    model = network()
    layers = weights(model)
    h = sigmoid(X @ layers[0][0] + layers[0][1])
    first, second = thresholds(5, 1, 7), thresholds(5, 2, 5)
    assert first.shape == (PASSES, 7)
    expected = np.zeros((8, 3))
    for k in range(PASSES):
        above = sigmoid((h > first[k]) @ layers[1][0] + layers[1][1])
        expected += softmax((above > second[k]) @ layers[2][0] + layers[2][1]) / PASSES
    np.testing.assert_allclose(model(X), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_an_answer_does_not_depend_on_the_other_examples_or_on_the_step():
    model = network()
    answers = model.predict(X, verbose=0)
    model.step.assign_add(7)
    np.testing.assert_allclose(model.predict(X[2:5], verbose=0), answers[2:5], rtol=1e-5)


def test_thresholds_of_layers_and_seeds_differ_and_are_spread_evenly():
    one = thresholds(0, 1, 50)
    assert np.mean(one == thresholds(0, 2, 50)) < 0.01
    assert np.mean(one == thresholds(1, 1, 50)) < 0.01
    assert 0 <= one.min() and one.max() < 1
    assert abs(one.mean() - 0.5) < 0.01


@pytest.mark.slow
def test_the_classifier_of_stock_layers_gives_the_same_answers_when_loaded_and_exported(tmp_path):
    run, _ = train(tmp_path / "run", **STOCHASTIC)
    images = dtp_tf.load_data(dtp_tf.recipe("digits")).test.images[:20]
    stock = keras.saving.load_model(tmp_path / "run/classifier.keras")
    np.testing.assert_allclose(stock(images), run(images), rtol=1e-5, atol=1e-6)
    assert not any(type(layer).__module__.startswith("dtp_tf") for layer in stock.layers)
    path = export(stock, [str(i) for i in range(10)], tmp_path, "digits", images)
    served = tf.saved_model.load(str(path)).signatures["serving_default"]
    np.testing.assert_allclose(
        served(images=tf.constant(images))["probabilities"], run(images), rtol=1e-5, atol=1e-6
    )
    again = keras.saving.load_model(tmp_path / "run/best.keras")
    np.testing.assert_allclose(again(images), run(images), rtol=1e-6)


# -- the recipe ------------------------------------------------------------------------------------

STOCHASTIC = {
    **TINY, "units": (32, 32), "epochs": 6, "learning_rate": 3e-3, "batch_size": 32,
    "target_step": 0.58, "activation": "sigmoid", "transmission": "sample",
    "initializer": "glorot_uniform", "inverse_initializer": "glorot_uniform",
}  # fmt: skip


@pytest.mark.slow
def test_the_recipe_setting_is_for_all_layers_but_the_first(tmp_path):
    settings = {**STOCHASTIC, "learning_rate": 0.02, "epochs": 12}
    model, history = train(tmp_path / "run", **settings, diagnostics_every=6, diagnostics_images=20)
    sent = [layer.transmission for layer in model.layers_up]
    assert sent == ["continuous", "sample", "sample"]
    assert history.metrics["validation"]["accuracy"] > 0.6
    assert "angle_bp_1" in history.history


def test_samples_need_probabilities():
    with pytest.raises(SettingError, match="sample needs `activation` sigmoid, .* got tanh"):
        dtp_tf.recipe("digits", transmission="sample")


def test_the_recipe_of_the_paper_has_its_network():
    recipe = dtp_tf.recipe("mnist-stochastic")
    assert (recipe.units, recipe.transmission) == ((200, 200), "sample")
    assert (recipe.activation, recipe.inverse_activation) == ("sigmoid", "tanh")
    assert recipe.noise_decay_epochs == 100
    assert (recipe.input_noise, recipe.pixel_noise) == (0.3, 0)  # of mean 0: not clipped
