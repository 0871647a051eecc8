"""The batches of a pass can be had from any one on: those that the whole pass has there."""

import numpy as np
import pytest

from dtp_tf.data.batches import TrainingBatches
from dtp_tf.data.splits import Split

AUGMENTED = {"flip": True, "crop": 1, "pixel_noise": 0.1, "class_weights": "balanced"}


@pytest.mark.parametrize("part", [(0, 1), (1, 2)])
@pytest.mark.slow
def test_a_pass_from_a_batch_on_has_the_order_and_the_augmentation_of_the_whole(part):
    numbers = np.random.default_rng(0)
    images = numbers.integers(0, 256, (23, 4, 4, 1), np.uint8)
    split = Split(images, numbers.integers(0, 3, 23, np.int32))
    batches = TrainingBatches(split, 4, seed=3, part=part, **AUGMENTED)
    batches.select(2, 1)
    whole = list(batches.dataset.as_numpy_iterator())
    assert len(whole) == batches.steps == 5
    for first in (0, 1, 4, 5):
        rest = batches.dataset_from(first)
        assert len(rest) == 5 - first
        for ours, theirs in zip(rest.as_numpy_iterator(), whole[first:], strict=True):
            assert all(np.array_equal(*pair) for pair in zip(ours, theirs, strict=True))
