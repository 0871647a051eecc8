"""Preprocessing against NumPy, and augmentation against every result there may be."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dtp_tf.data.preprocessing import augment, pixel_statistics, preprocessing_layer
from dtp_tf.recipes.recipe import PREPROCESSINGS

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (7, 4, 5, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (7, 4, 5, 1), dtype=np.uint8)
SETS = pytest.mark.parametrize("images", [COLOUR, GREY], ids=["colour", "grey"])


def in_numpy(kind, images, training_images):
    """Return the inputs of `kind` by their definition, in float64."""
    unit, training = images / 255, training_images / 255
    if kind == "raw":
        inputs = images
    elif kind == "unit":
        inputs = unit
    elif kind == "symmetric":
        inputs = 2 * unit - 1
    elif kind == "center":
        inputs = unit - training.mean(0)
    elif kind == "standardize":
        inputs = (unit - training.mean(0)) / (training.std(0) + 0.01)
    elif kind == "channels":
        every = training.reshape(-1, images.shape[-1])
        inputs = (unit - every.mean(0)) / every.std(0)
    else:
        channels = images.shape[-1]
        mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
        inputs = (unit - mean[:channels]) / deviation[:channels]
    return inputs.reshape(len(images), -1)


# preprocessing_layer


@SETS
@pytest.mark.parametrize("kind", PREPROCESSINGS)
def test_inputs_equal_their_definition(kind, images):
    inputs = preprocessing_layer(kind, images)(images)
    assert inputs.shape == (7, 4 * 5 * images.shape[-1])
    assert inputs.dtype == tf.float32
    np.testing.assert_allclose(inputs, in_numpy(kind, images, images), rtol=1e-5, atol=2e-6)


@SETS
@pytest.mark.parametrize("kind", PREPROCESSINGS)
def test_the_statistics_are_those_of_the_training_images(kind, images):
    other = 255 - images[:3]
    inputs = preprocessing_layer(kind, images)(other)
    np.testing.assert_allclose(inputs, in_numpy(kind, other, images), rtol=1e-5, atol=2e-6)


def test_black_and_white_are_the_ends_of_the_range():
    ends = np.array([0, 255], np.uint8).reshape(2, 1, 1, 1)
    np.testing.assert_array_equal(preprocessing_layer("unit", ends)(ends), [[0], [1]])
    np.testing.assert_array_equal(preprocessing_layer("symmetric", ends)(ends), [[-1], [1]])


def test_a_pixel_that_never_changes_stays_finite_when_standardized():
    images = COLOUR.copy()
    images[:, 0, 0, 0] = 77
    inputs = np.asarray(preprocessing_layer("standardize", images)(images))
    assert np.isfinite(inputs).all()
    np.testing.assert_allclose(inputs[:, 0], 0, atol=1e-4)


@pytest.mark.parametrize("kind", PREPROCESSINGS)
def test_only_keras_own_layers_are_used(kind):
    # An exported model needs nothing but Keras to be loaded.
    layers = preprocessing_layer(kind, COLOUR).layers
    assert layers
    for layer in layers:
        assert type(layer) is getattr(keras.layers, type(layer).__name__)


@pytest.mark.parametrize("kind", PREPROCESSINGS)
def test_a_layer_rebuilt_from_its_config_gives_the_same_inputs(kind):
    layer = preprocessing_layer(kind, COLOUR)
    rebuilt = keras.Sequential.from_config(layer.get_config())
    np.testing.assert_array_equal(layer(COLOUR), rebuilt(COLOUR))


@pytest.mark.parametrize("kind", PREPROCESSINGS)
def test_nothing_in_preprocessing_is_trained(kind):
    assert preprocessing_layer(kind, COLOUR).trainable_variables == []


# pixel_statistics


@pytest.mark.parametrize("count", [1, 999, 1000, 1001, 2300])
def test_statistics_in_pieces_equal_those_of_all_images(count):
    # The images grow brighter, so that a piece that is left out or counted twice would show.
    bright = np.linspace(0, 200, count)[:, None, None, None]
    images = (bright + RNG.integers(0, 56, (count, 2, 3, 1))).astype(np.uint8)
    mean, deviation = pixel_statistics(images)
    flat = images.reshape(count, -1) / 255
    assert mean.shape == deviation.shape == (6,)
    np.testing.assert_allclose(mean, flat.mean(0), rtol=1e-12)
    np.testing.assert_allclose(deviation, flat.std(0), rtol=1e-9, atol=1e-12)


def test_the_deviation_of_equal_images_is_zero():
    mean, deviation = pixel_statistics(np.full((50, 2, 2, 1), 173, np.uint8))
    np.testing.assert_allclose(mean, 173 / 255)
    np.testing.assert_allclose(deviation, 0, atol=1e-7)


# augment


def copies(count, height=4, width=3, channels=2):
    """Return equal images, no two pixels of them alike."""
    size = height * width * channels
    image = np.arange(1, size + 1, dtype=np.uint8).reshape(height, width, channels)
    return np.broadcast_to(image, (count, height, width, channels)).copy()


def windows(image, crop):
    """Return every window of the image's own size in the image with a mirrored border, as bytes."""
    height, width, _ = image.shape
    padded = np.pad(image, [(crop, crop), (crop, crop), (0, 0)], mode="symmetric")
    return {
        padded[y : y + height, x : x + width].tobytes()
        for y in range(2 * crop + 1)
        for x in range(2 * crop + 1)
    }


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize(("flip", "crop"), [(True, 0), (False, 2), (True, 1)])
def test_augmented_images_keep_shape_and_type(dtype, flip, crop):
    images = copies(5).astype(dtype)
    augmented = augment(images, (1, 2), flip, crop)
    assert augmented.shape == images.shape
    assert augmented.dtype == dtype


@pytest.mark.parametrize(("flip", "crop"), [(True, 0), (False, 2), (True, 1)])
def test_the_seed_alone_decides(flip, crop):
    images = copies(64)
    first = np.asarray(augment(images, (1, 2), flip, crop))
    np.testing.assert_array_equal(first, augment(images, (1, 2), flip, crop))
    assert (first != np.asarray(augment(images, (1, 3), flip, crop))).any()
    assert (first != np.asarray(augment(images, (2, 2), flip, crop))).any()


def test_flip_mirrors_about_half_of_the_images_left_to_right():
    images = copies(400)
    augmented = np.asarray(augment(images, (3, 4), True, 0))
    mirrored = (augmented == images[:, :, ::-1]).all((1, 2, 3))
    kept = (augmented == images).all((1, 2, 3))
    assert (mirrored ^ kept).all()
    assert 150 < mirrored.sum() < 250


@pytest.mark.parametrize("crop", [1, 2, 3])
def test_crop_gives_a_window_of_the_image_in_a_border_that_mirrors_it(crop):
    images = copies(60)
    possible = windows(images[0], crop)
    for image in np.asarray(augment(images, (5, 6), False, crop)):
        assert image.tobytes() in possible


def test_crop_gives_every_window_and_so_every_shift():
    augmented = np.asarray(augment(copies(600), (5, 6), False, 2))
    possible = windows(copies(1)[0], 2)
    assert len(possible) == 25
    assert {image.tobytes() for image in augmented} == possible


def test_flip_and_crop_together_give_windows_of_the_image_or_of_its_mirror():
    images = copies(600)
    plain, mirrored = windows(images[0], 1), windows(images[0, :, ::-1], 1)
    seen = {image.tobytes() for image in np.asarray(augment(images, (7, 8), True, 1))}
    assert seen == plain | mirrored
    assert not plain & mirrored


def test_each_image_keeps_its_place_in_the_batch():
    values = np.arange(1, 41, dtype=np.uint8)
    images = np.broadcast_to(values[:, None, None, None], (40, 5, 5, 1)).copy()
    augmented = np.asarray(augment(images, (9, 1), True, 1))
    np.testing.assert_array_equal(augmented, images)


def test_no_flip_and_no_crop_is_the_identity():
    images = copies(5)
    np.testing.assert_array_equal(augment(images, (1, 2), False, 0), images)


@pytest.mark.slow
def test_augment_works_within_a_dataset_and_gives_the_same_there():
    images = copies(20)
    seeds = np.array([[1, 2], [3, 4]])
    batches = tf.data.Dataset.from_tensor_slices((images.reshape(2, 10, 4, 3, 2), seeds)).map(
        lambda batch, seed: augment(batch, seed, True, 2)
    )
    assert batches.element_spec.shape == (10, 4, 3, 2)
    outside = [augment(images[:10], seed, True, 2) for seed in seeds]
    np.testing.assert_array_equal(list(batches.as_numpy_iterator()), outside)


def test_a_dataset_may_have_batches_of_unknown_size():
    batches = tf.data.Dataset.from_tensor_slices(copies(5)).batch(2)
    augmented = list(batches.map(lambda b: augment(b, (1, 2), True, 1)).as_numpy_iterator())
    assert [len(batch) for batch in augmented] == [2, 2, 1]


# -- noise ----------------------------------------------------------------------------------------


def grey(images=50, side=20, value=128):
    return np.full((images, side, side, 1), value, np.uint8)


def test_pixel_noise_has_its_standard_deviation_as_a_share_of_the_pixel_range():
    noisy = np.asarray(augment(grey(), (1, 2), False, 0, pixel_noise=0.1)).astype("float64")
    assert noisy.std() == pytest.approx(25.5, rel=0.02)
    assert noisy.mean() == pytest.approx(128, abs=1)
    assert abs(np.corrcoef(noisy[0].ravel(), noisy[1].ravel())[0, 1]) < 0.2  # fresh for each image


def test_noisy_pixels_stay_bytes_of_the_range():
    for value in (0, 255):
        noisy = augment(grey(value=value), (1, 2), False, 0, pixel_noise=0.5)
        assert noisy.dtype == np.uint8
        noisy = np.asarray(noisy)
        assert (noisy == value).mean() == pytest.approx(0.5, abs=0.05)  # clipped, not wrapped
        assert noisy.min() == 0
        assert noisy.max() == 255


def test_the_seed_alone_decides_the_noise():
    first = np.asarray(augment(grey(), (1, 2), False, 0, pixel_noise=0.1))
    np.testing.assert_array_equal(first, augment(grey(), (1, 2), False, 0, pixel_noise=0.1))
    assert (first != np.asarray(augment(grey(), (1, 3), False, 0, pixel_noise=0.1))).any()


def test_noise_changes_no_flip_and_no_shift():
    images = copies(64)
    plain = np.asarray(augment(images, (5, 6), True, 1)).astype("float64")
    noisy = np.asarray(augment(images, (5, 6), True, 1, pixel_noise=0.01)).astype("float64")
    assert 0 < np.abs(noisy - plain).mean() < 5
