"""`LocallyConnected2DPair`. Its numbers: tests/rules/test_local_reference.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import dtp_tf
from dtp_tf import LocallyConnected2DPair
from dtp_tf.errors import SettingError
from dtp_tf.numerics.activations import matched_tanh
from dtp_tf.pairs.pooling import Window

IMAGE = (7, 6, 2)


def images(shape=IMAGE, examples=3):
    return np.random.default_rng(1).normal(size=(examples, *shape)).astype("float32")


def random_pair(**settings):
    keras.utils.set_random_seed(0)
    pair = LocallyConnected2DPair(4, **{"kernel_size": 3, "strides": 2, **settings})
    pair.build((None, *IMAGE))
    for variable in pair.trainable_variables:
        variable.assign(keras.random.normal(variable.shape))
    return pair


def test_symbolic_calls_know_the_shapes_of_both_directions():
    pair = random_pair()
    assert pair(keras.Input(IMAGE)).shape == (None, 4, 3, 4)
    assert pair(keras.Input(pair.above), reverse=True).shape == (None, *IMAGE)
    assert (pair.kind, pair.units) == ("local 3x3/2", 48)


def test_inverse_differences_are_differences_of_the_inverse():
    for inverse_first in (False, True):
        pair = random_pair(inverse_first=inverse_first)
        base = pair(images())
        points = [base + images(pair.above), 2 * base]
        found = pair.inverse_differences(base, points)
        for difference, point in zip(found, points, strict=True):
            expected = pair(point, reverse=True) - pair(base, reverse=True)
            np.testing.assert_allclose(difference, expected, atol=2e-5)


def test_windows_are_copied_pixel_by_pixel_and_each_direction_is_the_transposed_other():
    for image, size, stride, around in (
        ((7, 6), 3, 2, ((1, 1), (0, 1))),
        ((5, 5), 2, 3, ((0, 0), (0, 0))),  # gaps between windows, and pixels that none reaches
        ((4, 3), 3, 1, ((1, 1), (1, 1))),
    ):
        window = Window(size, stride, around, image)
        x = images((*image, 2))
        padded = np.pad(x, ((0, 0), *around, (0, 0)))
        expected = [
            [
                padded[:, i * stride : i * stride + size, j * stride : j * stride + size]
                for j in range(window.pooled[1])
            ]
            for i in range(window.pooled[0])
        ]
        found = window.patches(tf.constant(x))
        np.testing.assert_array_equal(
            found, np.moveaxis(expected, 2, 0).reshape(3, *window.pooled, -1)
        )
        said = tf.constant(images(found.shape[1:]))
        back = window.spread(said)
        assert back.shape == x.shape
        assert np.vdot(found, said) == pytest.approx(np.vdot(x, back), rel=1e-5)
        for function, point, upstream, expected in (
            (window.patches, tf.constant(x), said, back),
            (window.spread, said, tf.constant(x), found),
        ):
            with tf.GradientTape() as tape:
                tape.watch(point)
                value = function(point)
            gradient = tape.gradient(value, point, upstream)
            np.testing.assert_array_equal(gradient, expected)


SEEDED = keras.initializers.Orthogonal(seed=3)


@pytest.mark.parametrize("initializer", ["orthogonal", "he_normal", SEEDED])
@pytest.mark.slow
def test_every_place_has_a_kernel_of_its_own_drawn_as_that_of_a_convolution(initializer):
    pair = LocallyConnected2DPair(
        8, 5, 2, kernel_initializer=initializer, inverse_kernel_initializer=initializer
    )
    pair.build((None, 16, 16, 4))
    for layer in (pair.forward_layer, pair.inverse_layer):
        kernels = np.reshape(layer.kernel, (64, 100, 8))
        assert len({kernel.tobytes() for kernel in kernels}) == 64
        if initializer == "he_normal":
            assert kernels.std() == pytest.approx(np.sqrt(2 / 100), rel=0.02)
        else:
            np.testing.assert_allclose(np.linalg.svd(kernels)[1], 1, rtol=1e-4)
        assert not np.any(layer.bias)


@pytest.mark.slow
def test_the_same_seed_draws_the_same_kernels_and_constants_are_taken_as_they_are():
    def kernel(**settings):
        keras.utils.set_random_seed(5)
        pair = LocallyConnected2DPair(4, **settings)
        pair.build((None, *IMAGE))
        return pair.forward_layer.get_weights()[0]

    np.testing.assert_array_equal(kernel(), kernel())
    assert np.all(kernel(kernel_initializer="ones") == 1)
    assert np.all(kernel(kernel_initializer=lambda shape, dtype: keras.ops.full(shape, 2.0)) == 2)


def test_a_pair_without_an_inverse_has_no_weights_for_one_and_refuses_to_go_back():
    pair = random_pair(inverse=False, name="first")
    assert pair.inverse_variables == []
    assert len(pair.trainable_variables) == 2
    with pytest.raises(ValueError, match="first.*has no inverse"):
        pair(images(pair.above), reverse=True)


def test_building_again_keeps_the_weights():
    pair = random_pair()
    before = pair.get_weights()
    pair.build((None, *IMAGE))
    for now, old in zip(pair.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, old)


def test_a_pair_is_made_again_from_its_configuration():
    pair = LocallyConnected2DPair(
        4, 5, 2, "valid", "elu", matched_tanh, "he_normal", "glorot_uniform", False, True,
        dropout=0.25, name="middle",
    )  # fmt: skip
    config = pair.get_config()
    again = LocallyConnected2DPair.from_config(config)
    assert again.get_config() == config
    assert (again.padding, again.inverse, again.dropout) == ("valid", False, 0.25)


@pytest.mark.slow
def test_a_saved_model_with_a_pair_predicts_the_same_and_its_classifier_without_the_library(
    tmp_path, monkeypatch
):
    pair = random_pair()
    inputs = keras.Input(IMAGE)
    hidden = pair(inputs)
    keras.Model(inputs, [hidden, pair(hidden, reverse=True)]).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    h = pair(images())
    for found, expected in zip(loaded(images()), (h, pair(h, reverse=True)), strict=True):
        np.testing.assert_array_equal(found, expected)

    # Of a name that Keras gives to reshaping in a classifier by itself.
    before = keras.Sequential([keras.layers.Reshape(IMAGE, name="reshape")])
    above = LocallyConnected2DPair(2, 2, padding="valid"), dtp_tf.DensePair(5)
    network = dtp_tf.DTPNetwork([random_pair(dropout=0.5), *above], 3, preprocessing=before)
    network.build((None, *IMAGE))
    network.classifier().save(tmp_path / "classifier.keras")
    known = keras.saving.get_custom_objects()
    for name in [one for one in known if one.startswith("dtp_tf>")]:
        monkeypatch.delitem(known, name)
    classifier = keras.saving.load_model(tmp_path / "classifier.keras")
    np.testing.assert_allclose(classifier(images()), network(images()), rtol=1e-5, atol=1e-6)
    kinds = {type(one).__module__.split(".")[0] for one in classifier.layers}
    assert kinds == {"keras"}
    assert "Dropout" in {type(one).__name__ for one in classifier.layers}


@pytest.mark.slow
def test_products_in_bfloat16_leave_the_way_back_exact():
    mixed, exact = random_pair(dtype="mixed_bfloat16"), random_pair()
    for one, other in zip(mixed.trainable_variables, exact.trainable_variables, strict=True):
        one.assign(other)
    h = exact(images())
    assert mixed(images()).dtype == "float32"
    np.testing.assert_allclose(mixed(images()), h, atol=0.1)
    assert np.any(np.asarray(mixed(images())) != h)
    np.testing.assert_array_equal(mixed(h, reverse=True), exact(h, reverse=True))


@pytest.mark.slow  # it is traced
def test_images_of_an_unknown_number_learn_as_a_known_number_does():
    def network():
        keras.utils.set_random_seed(0)
        pairs = [LocallyConnected2DPair(3, 3, 2, dropout=0.3), LocallyConnected2DPair(2, 2)]
        made = dtp_tf.DTPNetwork(pairs, 3, rule=dtp_tf.rules.LDRL(inverse_steps=1))
        made.build((None, *IMAGE))
        made.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), run_eagerly=True)
        return made

    compiled, eager = network(), network()
    signature = [tf.TensorSpec([None, *IMAGE]), tf.TensorSpec([None], tf.int64)]
    step = tf.function(lambda x, y: compiled.train_step((x, y)), input_signature=signature)
    for count in (5, 3):
        data = tf.constant(images(examples=count)), tf.constant(np.arange(count) % 3)
        step(*data)
        eager.train_step(data)
    for weight, other in zip(compiled.weights, eager.weights, strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (dict(filters=0), "`filters`.*at least 1, got 0"),
        (dict(kernel_size=2.5), "`kernel_size`.*got 2.5"),
        (dict(kernel_size=12), "`kernel_size` must be at most 11, got 12"),
        (dict(strides=0), "`strides`.*got 0"),
        (dict(padding=1), '`padding` must be "same" or "valid", got 1'),
        (dict(dropout=1), "`dropout` must be at least 0 and below 1, got 1"),
        (dict(dropout="half"), "`dropout`.*got 'half'"),
    ],
)
def test_impossible_settings_are_refused_with_what_arrived(settings, words):
    with pytest.raises(SettingError, match=words):
        LocallyConnected2DPair(**{"filters": 3, **settings})


@pytest.mark.parametrize(
    ("settings", "shape", "words"),
    [
        ({}, (None, 20), "takes images.*got \\(None, 20\\)"),
        (dict(padding="valid", kernel_size=5), (None, 4, 9, 3), "5x5 pixels.*images of 4x9x3"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_with_what_arrived(settings, shape, words):
    with pytest.raises(SettingError, match=words):
        LocallyConnected2DPair(4, **settings).build(shape)
