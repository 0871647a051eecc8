"""Batches follow from seed, epoch and pass: any pass comes again, and no image twice in one."""

import numpy as np
import pytest
import tensorflow as tf
from data_support import numbered

from dtp_tf.data.batches import TrainingBatches
from dtp_tf.data.sets import Split
from dtp_tf.errors import SettingError
from dtp_tf.numerics.replicas import shares


def labels_of(batches):
    return [labels.tolist() for _, labels in batches.as_numpy_iterator()]


@pytest.mark.parametrize(("count", "sizes"), [(10, [4, 4, 2]), (8, [4, 4]), (3, [3])])
def test_batches_come_in_order_with_the_remainder_last(count, sizes):
    batches = numbered(count).batches(4)
    assert [len(labels) for labels in labels_of(batches)] == sizes
    assert sum(labels_of(batches), []) == list(range(count))
    for images, labels in batches:
        assert (images.dtype, labels.dtype) == (tf.uint8, tf.int32)
        np.testing.assert_array_equal(images[:, 0, 0, 0], labels)


# TrainingBatches


def one_pass(split, size, seed=0, epoch=0, passage=0, **augmentation):
    batches = TrainingBatches(split, size, seed, **augmentation)
    batches.select(epoch, passage)
    return batches.dataset


@pytest.mark.slow
def test_the_order_is_that_of_seed_epoch_and_passage():
    def order(*keys):
        return labels_of(one_pass(numbered(40), 8, *keys))

    assert order(3, 1, 0) == order(3, 1, 0)
    orders = [order(3, 1, 0), order(4, 1, 0), order(3, 2, 0), order(3, 1, 1), order(1, 3, 0)]
    assert len({str(one) for one in orders}) == len(orders)


def test_any_pass_can_be_selected_again():
    split = numbered(40)
    batches = TrainingBatches(split, 8, seed=3)
    batches.select(2, 0)
    first = labels_of(batches.dataset)
    assert labels_of(batches.dataset) == first
    batches.select(5, 1)
    assert labels_of(batches.dataset) == labels_of(one_pass(split, 8, 3, 5, 1)) != first
    batches.select(2, 0)
    assert labels_of(batches.dataset) == first


@pytest.mark.parametrize(("count", "size", "steps"), [(23, 5, 4), (20, 5, 4), (9, 1, 9)])
def test_every_batch_has_one_size_and_no_image_comes_twice(count, size, steps):
    batches = labels_of(one_pass(numbered(count), size))
    assert [len(batch) for batch in batches] == [size] * steps
    seen = sum(batches, [])
    assert len(set(seen)) == len(seen)
    assert set(seen) <= set(range(count))


def test_what_one_pass_leaves_out_comes_in_another():
    batches = TrainingBatches(numbered(11), 4, seed=0)
    seen = set()
    for epoch in range(6):
        batches.select(epoch, 0)
        seen.update(*labels_of(batches.dataset))
    assert seen == set(range(11))


def test_a_split_smaller_than_a_batch_is_one_batch():
    batches = labels_of(one_pass(numbered(6), 100))
    assert len(batches) == 1
    assert sorted(batches[0]) == list(range(6))


def test_the_number_of_batches_is_known_beforehand():
    batches = TrainingBatches(numbered(23), 5, seed=0)
    assert batches.steps == len(batches.dataset) == 4


def test_labels_stay_with_their_images():
    for images, labels in one_pass(numbered(40), 8, seed=2, epoch=5, passage=1):
        assert (images.dtype, labels.dtype) == (tf.uint8, tf.int32)
        np.testing.assert_array_equal(images[:, 0, 0, 0], labels)


def two_columns(count):
    """Return a split of equal images, dark on the left and bright on the right."""
    images = np.tile(np.array([10, 200], np.uint8).reshape(1, 1, 2, 1), (count, 2, 1, 1))
    return Split(images, np.zeros(count, np.int32))


def columns(*keys, **augmentation):
    """Return the two columns of each of 64 images of one pass, `(64, 2)`."""
    batches = one_pass(two_columns(64), 16, *keys, **augmentation)
    return np.concatenate([images[:, 0, :, 0] for images, _ in batches.as_numpy_iterator()])


@pytest.mark.slow
def test_augmentation_is_that_of_seed_epoch_and_passage():
    first = columns(3, 1, 0, flip=True, crop=1)
    np.testing.assert_array_equal(first, columns(3, 1, 0, flip=True, crop=1))
    for other in [(4, 1, 0), (3, 2, 0), (3, 1, 1)]:
        assert (first != columns(*other, flip=True, crop=1)).any()


@pytest.mark.parametrize(
    ("augmentation", "rows"),
    [
        ({}, {(10, 200)}),
        ({"flip": True}, {(10, 200), (200, 10)}),
        ({"crop": 1}, {(10, 200), (10, 10), (200, 200)}),
    ],
    ids=["none", "flip", "crop"],
)
def test_images_are_augmented_as_it_is_asked_for(augmentation, rows):
    assert {tuple(row) for row in columns(**augmentation).tolist()} == rows


def test_each_batch_of_a_pass_is_augmented_in_its_own_way():
    batches = columns(flip=True).reshape(4, 32)
    assert len({batch.tobytes() for batch in batches}) == 4


@pytest.mark.parametrize("crop", [2, 9])
def test_a_shift_beyond_the_image_is_refused(crop):
    with pytest.raises(SettingError, match=f"`crop` must be below .* 2, got {crop}"):
        TrainingBatches(two_columns(4), 2, seed=0, crop=crop)


def test_no_pipeline_has_a_tuning_thread_whose_wait_would_lengthen_an_epoch():
    training = TrainingBatches(numbered(8), 4, seed=0)
    everyone = shares(numbered(8).batches(4), replicas=2, first=0, local=2)
    for dataset in (training.dataset, numbered(8).batches(4), everyone):
        assert dataset.options().autotune.enabled is False
