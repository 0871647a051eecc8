"""Normal noise on the inputs of training steps."""

import battery
import keras
import numpy as np
import pytest
import tensorflow as tf

import dtp_tf
from dtp_tf.errors import SettingError
from dtp_tf.network.batch import Batch


def network(noise, preprocessing=None):
    keras.utils.set_random_seed(0)
    pairs = [dtp_tf.DensePair(6), dtp_tf.DensePair(5)]
    model = dtp_tf.DTPNetwork(pairs, 3, preprocessing=preprocessing, input_noise=noise, seed=4)
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), run_eagerly=True)
    model.build((None, 400))
    return model


def examples(count=50):
    return tf.zeros((count, 400)), tf.constant(np.arange(count) % 3)


def inputs(model, update=True):
    return Batch(model, *examples(), update=update).h[0].numpy()


def test_it_is_normal_around_the_preprocessed_input_and_not_clipped():
    h = inputs(network(0.3, keras.layers.Rescaling(2.0, offset=0.25)))
    assert h.mean() == pytest.approx(0.25, abs=0.01)
    assert h.std() == pytest.approx(0.3, rel=0.02)
    assert h.min() < -0.5
    assert np.abs(np.corrcoef(h)[np.triu_indices(50, 1)]).max() < 0.3  # fresh for each example


def test_it_is_the_same_again_in_the_same_step_and_another_in_the_next():
    model, same = network(0.3), network(0.3)
    first = inputs(model)
    np.testing.assert_array_equal(first, inputs(same))
    model.train_step(examples())
    assert np.abs(first - inputs(model)).mean() > 0.1
    same.train_step(examples())
    np.testing.assert_array_equal(inputs(model), inputs(same))


def test_answers_evaluations_and_what_is_no_training_step_have_none():
    noisy, clean = network(0.3), network(0.0)
    x, y = examples()
    np.testing.assert_array_equal(noisy(x), clean(x))
    np.testing.assert_array_equal(inputs(noisy, update=False), np.zeros((50, 400)))
    assert noisy.evaluate(x, y, verbose=0) == clean.evaluate(x, y, verbose=0)
    assert float(noisy.train_step((x, y))["loss"]) != float(clean.train_step((x, y))["loss"])


def test_the_first_layer_learns_from_the_noisy_input():
    """With inputs of 0 its weights would not move."""
    for noise, moves in ((0.0, False), (0.3, True)):
        model = network(noise)
        (kernel, _), data = model.pairs[0].forward_variables, examples()
        before = battery.arrays([kernel])[0]
        model.train_step(data)
        assert (np.abs(battery.arrays([kernel])[0] - before).max() > 0) == moves


def test_a_network_is_made_again_with_it():
    assert dtp_tf.DTPNetwork.from_config(network(0.3).get_config()).input_noise == 0.3
    config = {k: v for k, v in network(0.0).get_config().items() if k != "input_noise"}
    assert dtp_tf.DTPNetwork.from_config(config).input_noise == 0  # of an earlier version


@pytest.mark.parametrize("value", [-0.1, "much", None])
def test_what_is_no_standard_deviation_is_refused(value):
    with pytest.raises(SettingError, match="`input_noise` must be at least 0"):
        network(value)


def test_a_recipe_gives_it_to_networks_of_layers_and_of_models(tmp_path):
    from dtp_tf.data.splits import ImageData, Split
    from dtp_tf.training.building import build_network

    images = Split(np.zeros((6, 8, 8, 1), np.uint8), np.arange(6, dtype=np.int32) % 3)
    data = ImageData("none", images, images, images, ("a", "b", "c"), "none")
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(4, "tanh"),
         keras.layers.Dense(3, "softmax")]
    )  # fmt: skip
    model.save(tmp_path / "model.keras")
    for what in ({"units": (4,)}, {"units": None, "model": str(tmp_path / "model.keras")}):
        recipe = dtp_tf.recipe("digits", input_noise=0.25, **what)
        assert build_network(recipe, data).input_noise == 0.25
