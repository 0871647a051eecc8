"""TensorFlow reads images where they lie in memory; what it could not read there is copied."""

import numpy as np
import psutil
import pytest
import tensorflow as tf

from dtp_tf.data.aligned import empty_images, shared
from dtp_tf.data.batches import TrainingBatches
from dtp_tf.data.splits import Split, hold_out


def filled(shape):
    images = empty_images(shape)
    images[...] = np.arange(images.size).reshape(shape) % 251
    return images


@pytest.mark.parametrize("shape", [(5, 3, 3, 1), (7, 32, 32, 3), (1, 1, 1, 1)])
def test_images_are_shared_not_copied(shape):
    images = filled(shape)
    tensor = shared(images)
    np.testing.assert_array_equal(tensor, images)
    images[0, 0, 0, 0] = 252
    assert int(tf.reshape(tensor, [-1])[0]) == 252


def test_the_memory_of_shared_images_lasts_as_long_as_the_tensor():
    tensor = shared(filled((64, 8, 8, 3)))
    _ = [filled((64, 8, 8, 3)) * 0 for _ in range(4)]
    np.testing.assert_array_equal(tensor, filled((64, 8, 8, 3)))


@pytest.mark.parametrize(
    "change",
    [
        lambda images: images[1:],  # begins between two places
        lambda images: images[:, ::2],
        lambda images: images.transpose(0, 2, 1, 3),
        lambda images: images[:0],
        lambda images: np.frombuffer(images.tobytes(), np.uint8).reshape(images.shape),  # read-only
    ],
)
def test_other_arrays_are_copied(change):
    images = change(filled((6, 5, 5, 1)))
    np.testing.assert_array_equal(tf.gather(shared(images), range(len(images))), images)


def test_both_parts_of_a_division_are_shared():
    split = Split(filled((20, 4, 4, 3)), np.arange(20, dtype=np.int32))
    for part in hold_out(split, 0.3, seed=0):
        np.testing.assert_array_equal(part.images, split.images[part.labels])
        part.images[0, 0, 0, 0] = 253
        tensor = shared(part.images)
        part.images[0, 0, 0, 0] = 254
        assert int(tensor[0, 0, 0, 0]) == 254


@pytest.mark.slow
def test_a_pipeline_of_batches_takes_no_copy_of_the_images():
    images = empty_images((30_000, 64, 64, 1))  # 123 MB
    images[...] = 1
    split = Split(images, np.zeros(len(images), np.int32))
    process = psutil.Process()
    before = process.memory_info().rss
    batches = TrainingBatches(split, 64, 0, flip=True)
    batches.select(0, 0)
    first, _ = next(iter(batches.dataset))
    assert int(tf.reduce_sum(tf.cast(first, tf.int32))) == 64 * 64 * 64
    assert process.memory_info().rss - before < images.nbytes / 2
