"""Every image is in exactly one split, and the test split depends on no setting."""

import numpy as np
import pytest
from data_support import numbered
from sklearn.datasets import load_digits

from dtp_tf.data.sets import ImageData, hold_out, load_data
from dtp_tf.recipes.recipe import recipe

# The bundled digits


@pytest.fixture(scope="module")
def digits():
    return load_data(recipe("digits"))


def test_digits_are_split_into_training_validation_and_test(digits):
    assert isinstance(digits, ImageData)
    assert digits.name == "digits"
    assert (len(digits.train), len(digits.validation), len(digits.test)) == (1150, 287, 360)
    assert digits.image_shape == (8, 8, 1)
    assert digits.class_names == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    assert digits.test_origin == "every fifth image"


def test_digits_may_be_loaded_without_their_test_split(digits):
    data = load_data(recipe("digits"), test=False)
    assert data.test is None
    for split in ("train", "validation"):
        mine, theirs = getattr(data, split), getattr(digits, split)
        np.testing.assert_array_equal(mine.images, theirs.images)
        np.testing.assert_array_equal(mine.labels, theirs.labels)


def test_images_are_bytes_and_labels_small_integers(digits):
    for split in (digits.train, digits.validation, digits.test):
        assert split.images.dtype == np.uint8
        assert split.labels.dtype == np.int32
        assert (split.images.min(), split.images.max()) == (0, 255)
        assert set(split.labels) == set(range(10))


def test_every_digit_is_in_exactly_one_split(digits):
    splits = (digits.train, digits.validation, digits.test)
    found = [
        (image.tobytes(), int(label))
        for split in splits
        for image, label in zip(split.images, split.labels, strict=True)
    ]
    bunch = load_digits()
    scaled = np.round(bunch.images * 255 / 16).astype(np.uint8)
    wanted = [(i.tobytes(), int(t)) for i, t in zip(scaled, bunch.target, strict=True)]
    assert len(set(wanted)) == len(wanted)  # no two digits are equal, so that they tell apart
    assert sorted(found) == sorted(wanted)


def test_every_fifth_digit_is_for_testing(digits):
    np.testing.assert_array_equal(digits.test.labels, load_digits().target[::5])


def test_the_test_split_depends_on_no_setting(digits):
    other = load_data(recipe("digits", seed=1, validation_fraction=0.5))
    np.testing.assert_array_equal(digits.test.images, other.test.images)
    np.testing.assert_array_equal(digits.test.labels, other.test.labels)


def test_the_validation_split_depends_on_the_seed_alone(digits):
    again = load_data(recipe("digits", epochs=2, batch_size=7))
    other = load_data(recipe("digits", seed=1))
    np.testing.assert_array_equal(digits.validation.images, again.validation.images)
    assert len(other.validation) == len(digits.validation)
    assert (digits.validation.images != other.validation.images).any()


def test_the_validation_fraction_is_a_share_of_the_training_split():
    data = load_data(recipe("digits", validation_fraction=0.5))
    assert (len(data.train), len(data.validation)) == (719, 718)


def test_digits_may_be_resized():
    data = load_data(recipe("digits", image_size="4,6"))
    assert data.image_shape == (4, 6, 1)
    assert data.test.images.shape == (360, 4, 6, 1)
    assert data.test.images.dtype == np.uint8


# hold_out and Split


@pytest.mark.parametrize(("count", "fraction", "held"), [(10, 0.2, 2), (7, 0.5, 4), (3, 0.1, 0)])
@pytest.mark.parametrize("seed", [0, 5])
def test_hold_out_divides_a_split_and_keeps_its_order(count, fraction, held, seed):
    rest, out = hold_out(numbered(count), fraction, seed)
    assert len(out) == held
    assert sorted([*rest.labels, *out.labels]) == list(range(count))
    for part in (rest, out):
        assert list(part.labels) == sorted(part.labels)
        np.testing.assert_array_equal(part.images.ravel(), part.labels)


def test_hold_out_follows_its_seed():
    def held(seed):
        return hold_out(numbered(50), 0.3, seed)[1].labels.tolist()

    assert held(1) == held(1)
    assert held(1) != held(2)


def test_a_split_takes_images_with_their_labels():
    taken = numbered(9).take([7, 2])
    assert len(taken) == 2
    assert taken.labels.tolist() == [7, 2]
    assert taken.images.ravel().tolist() == [7, 2]
