"""`Conv2DPair`: a convolution with pooling and its inverse. Its numbers: test_conv_reference.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dtp_tf import Conv2DPair
from dtp_tf.errors import SettingError

IMAGE = (7, 6, 2)
POOLS = {
    "none": {},
    "max": {"pool": "max"},
    "overlapping": {"pool": "max", "pool_size": 3, "pool_strides": 2, "pool_padding": 1},
    "average": {"pool": "average", "pool_size": 3, "pool_strides": 2, "pool_padding": 1},
}
every_pool = pytest.mark.parametrize("pool", POOLS)


def random_pair(pool="none", image=IMAGE, **settings):
    keras.utils.set_random_seed(0)
    pair = Conv2DPair(4, **POOLS[pool], **settings)
    pair.build((None, *image))
    for variable in pair.trainable_variables:
        variable.assign(keras.random.normal(variable.shape))
    return pair


def images(shape=IMAGE, examples=3):
    return np.random.default_rng(1).normal(size=(examples, *shape)).astype("float32")


def arrays(variables):
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


@every_pool
@pytest.mark.parametrize("strides", [1, 2])
def test_both_directions_have_the_shapes_that_are_told_before(pool, strides):
    pair = random_pair(pool, strides=strides)
    pre_activation, h, aux = pair.record(images())
    assert h.shape == (3, *pair.above) == pair.compute_output_shape((3, *IMAGE))
    assert pre_activation.shape[-1] == 4
    assert (aux is not None) == (pool in ("max", "overlapping"))
    assert pair(h, reverse=True, aux=aux).shape == (3, *IMAGE)
    np.testing.assert_array_equal(h, pair(images()))
    np.testing.assert_array_equal(h, pair.tell(images())[0])
    assert pair(keras.Input(IMAGE)).shape == (None, *pair.above)
    assert pair(keras.Input(pair.above), reverse=True).shape == (None, *IMAGE)


@every_pool
def test_inverse_differences_are_differences_of_the_inverse(pool):
    for inverse_first in (False, True):
        pair = random_pair(pool, inverse_first=inverse_first)
        _, base, aux = pair.record(images())
        points = [base + images(pair.above), 2 * base]
        found = pair.inverse_differences(base, points, aux)
        for difference, point in zip(found, points, strict=True):
            expected = pair(point, reverse=True, aux=aux) - pair(base, reverse=True, aux=aux)
            np.testing.assert_allclose(difference, expected, atol=2e-5)
        one = pair.difference(base, points[0], aux)
        np.testing.assert_allclose(one, found[0], atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["none", "max", "overlapping"])
def test_with_its_kernel_and_a_matched_activation_the_inverse_has_the_transposed_jacobian(pool):
    from dtp_tf.numerics.activations import matched_tanh

    pair = random_pair(pool, strides=2, padding=1, inverse_activation=matched_tanh,
                       inverse_first=True, image=(9, 8, 2))
    pair.inverse_layer.kernel.assign(pair.forward_layer.kernel)
    x = tf.constant(images((9, 8, 2), 1)) * 0.1
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        _, h, aux = pair.record(x)
        held = tf.stop_gradient(h)
        tape.watch(held)
        back = pair(held, reverse=True, aux=aux)
    of_f = np.reshape(tape.jacobian(h, x, experimental_use_pfor=False), (np.size(h), -1))
    of_g = np.reshape(tape.jacobian(back, held, experimental_use_pfor=False), (-1, np.size(h)))
    np.testing.assert_allclose(of_g, of_f.T, atol=1e-5)


def test_average_pooling_counts_its_padding_and_its_way_back_is_transposed():
    pair = random_pair("average", activation="linear", kernel_size=1)
    x, t = images(), images(pair.above)
    padded = np.pad(pair.pre_activation(x), ((0, 0), (1, 1), (1, 1), (0, 0)))
    assert np.allclose(pair(x)[:, 0, 0], padded[:, :3, :3].mean((1, 2)), atol=1e-6)
    spread = pair._unpooled(tf.constant(t), None)
    left = np.sum(np.asarray(pair(x)) * t)
    right = np.sum(np.asarray(pair.pre_activation(x)) * spread)
    np.testing.assert_allclose(left, right, rtol=1e-4)


def test_the_choice_of_one_batch_serves_every_point_of_it():
    pair = random_pair("max", kernel_size=1, activation="linear", inverse_activation="linear")
    _, h, aux = pair.record(images())
    for point in (h, -h, 3 * h):
        unpooled = pair._unpooled(point, aux)
        assert np.count_nonzero(unpooled) == np.size(point)
        np.testing.assert_array_equal(np.asarray(unpooled) != 0, pair._unpooled(h, aux) != 0)


def test_an_inverse_that_unpools_needs_the_choice():
    pair = random_pair("max", name="second")
    with pytest.raises(ValueError, match="'second'.*`aux`.*`record`.*`Batch.aux`"):
        pair(images(pair.above), reverse=True)


def test_a_pair_without_an_inverse_has_no_weights_for_one_and_refuses_to_go_back():
    pair = random_pair("max", inverse=False, name="first")
    assert pair.inverse_variables == []
    assert len(pair.trainable_variables) == 2
    with pytest.raises(ValueError, match="first.*has no inverse"):
        pair(images(pair.above), reverse=True)


@every_pool
@pytest.mark.parametrize("padding", ["same", "valid", 2])
@pytest.mark.slow
def test_stock_layers_compute_the_same_and_can_be_saved(tmp_path, pool, padding):
    pair = random_pair(pool, padding=padding, activation="elu")
    pair.forward_layer.bias.assign(-3 * np.ones(4))  # below zero: zeros would win a pooling
    inputs = outputs = keras.Input(IMAGE)
    for step in pair.stock_layers():
        assert type(step).__module__.startswith("keras.") or callable(step)
        outputs = step(outputs)
    keras.Model(inputs, outputs).save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(images()), pair(images()), rtol=1e-6, atol=1e-6)


def test_a_pair_is_made_again_from_its_configuration():
    pair = Conv2DPair(
        4, 5, 2, 3, "elu", "max", 3, 2, 1, "linear", "he_normal", "glorot_uniform", False, True,
        name="middle",
    )  # fmt: skip
    config = pair.get_config()
    again = Conv2DPair.from_config(config)
    assert again.get_config() == config
    assert (again.padding, again.pool_size, again.inverse) == (3, 3, False)
    assert again.inverse_activation is keras.activations.linear


def test_a_saved_model_with_a_pair_predicts_the_same(tmp_path):
    pair = random_pair("average", strides=2)
    inputs = keras.Input(IMAGE)
    hidden = pair(inputs)
    model = keras.Model(inputs, [hidden, pair(hidden, reverse=True)])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for found, expected in zip(loaded(images()), model(images()), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_building_again_keeps_the_weights():
    pair = random_pair("max")
    before = arrays(pair.trainable_variables)
    pair.build((None, *IMAGE))
    for now, old in zip(arrays(pair.trainable_variables), before, strict=True):
        np.testing.assert_array_equal(now, old)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (dict(filters=0), "`filters`.*at least 1, got 0"),
        (dict(filters=2.5), "`filters`.*got 2.5"),
        (dict(kernel_size=True), "`kernel_size`.*got True"),
        (dict(strides=0), "`strides`.*got 0"),
        (dict(padding="full"), "`padding`.*same.*valid.*got 'full'"),
        (dict(padding=-1), "`padding`.*got -1"),
        (dict(pool="min"), "`pool`.*max or average; got 'min'"),
        (dict(pool="max", pool_size=12), "`pool_size` must be at most 11, got 12"),
        (dict(pool="max", pool_strides=0), "`pool_strides`.*got 0"),
        (dict(pool="max", pool_padding=2), "`pool_padding` must be less than `pool_size` 2.*got 2"),
    ],
)
def test_impossible_settings_are_refused_with_what_arrived(settings, words):
    with pytest.raises(SettingError, match=words):
        Conv2DPair(**{"filters": 3, **settings})


@pytest.mark.parametrize(
    ("settings", "shape", "words"),
    [
        ({}, (None, 20), "takes images.*got \\(None, 20\\).*below dense"),
        ({}, (None, None, 8, 3), "whose sizes are known"),
        (dict(padding="valid", kernel_size=5), (None, 4, 9, 3), "5x5 pixels.*images of 4x9x3"),
        (dict(pool="max", pool_size=3), (None, 2, 9, 3), "3x3 pixels.*images of 2x9x3; pool less"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_with_what_arrived(settings, shape, words):
    with pytest.raises(SettingError, match=words):
        Conv2DPair(4, **settings).build(shape)
