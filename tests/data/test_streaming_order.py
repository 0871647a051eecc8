"""Images that are read as they are needed come as those in memory do: same order, same pixels."""

import numpy as np
import pytest
from data_support import numbered

from dtp_tf.data.batches import TrainingBatches
from dtp_tf.data.preprocessing import pixel_statistics
from dtp_tf.data.splits import Split, hold_out
from dtp_tf.data.streaming import StreamedImages, faults_told
from dtp_tf.errors import UserError
from dtp_tf.numerics.replicas import shares


def streamed(split, kept=0):
    """Return a split whose images are read from another's, and the numbers that were read."""
    read = []

    def image(number):
        read.append(int(number))
        return split.images[number]

    return Split(StreamedImages(image, split.images.shape, kept), split.labels), read


def coloured(count=23):
    images = np.random.default_rng(1).integers(0, 256, (count, 5, 4, 3), dtype=np.uint8)
    return Split(images, np.arange(count, dtype=np.int32) % 3)


def content(dataset):
    return [[part.tobytes() for part in batch] for batch in dataset.as_numpy_iterator()]


@pytest.mark.parametrize("kept", [0, 7 * 60, 10**6], ids=["no", "some", "all"])
@pytest.mark.slow
def test_streamed_batches_are_those_of_images_in_memory(kept):
    split = coloured()
    augmentation = dict(flip=True, crop=1, pixel_noise=0.1, class_weights="balanced")
    here, there = (
        TrainingBatches(one, 5, 3, **augmentation) for one in (split, streamed(split, kept)[0])
    )
    for epoch, passage in ((0, 0), (4, 1)):
        here.select(epoch, passage)
        there.select(epoch, passage)
        assert content(here.dataset) == content(there.dataset)
        rest = content(here.dataset)[2:]
        assert content(here.dataset_from(2)) == content(there.dataset_from(2)) == rest


@pytest.mark.slow
def test_a_worker_reads_its_part_of_a_batch_alone_and_its_replicas_share_it():
    split, read = streamed(coloured())
    for number in (0, 1):
        here, there = (
            TrainingBatches(one, 6, 3, flip=True, part=(number, 2)) for one in (coloured(), split)
        )
        here.select(1, 0)
        there.select(1, 0)
        del read[:]
        assert content(shares(here.dataset, 3, 0, 3)) == content(shares(there.dataset, 3, 0, 3))
        assert len(read) == 3 * here.steps


def test_what_comes_before_the_first_batch_wanted_is_not_read():
    split, read = streamed(numbered(40))
    batches = TrainingBatches(split, 8, seed=3)
    batches.select(1, 0)
    labels = [labels.tolist() for _, labels in batches.dataset_from(4).as_numpy_iterator()]
    assert sorted(read) == sorted(sum(labels, []))
    assert len(read) == 8


def test_streamed_images_are_held_out_and_measured_as_those_in_memory():
    split = coloured()
    parts, others = hold_out(split, 0.3, 5), hold_out(streamed(split)[0], 0.3, 5)
    for part, other in zip(parts, others, strict=True):
        assert isinstance(other.images, StreamedImages)
        np.testing.assert_array_equal(part.images, other.images[:])
        np.testing.assert_array_equal(part.labels, other.labels)
        assert content(part.batches(4)) == content(other.batches(4))
        statistics = zip(
            pixel_statistics(part.images), pixel_statistics(other.images), strict=True
        )
        assert all((a == b).all() for a, b in statistics)


def test_holding_out_reads_nothing():
    split, read = streamed(coloured())
    hold_out(split, 0.5, 0)
    assert not read


def test_an_image_that_is_kept_is_read_once():
    split, read = streamed(numbered(6), kept=4)
    for _ in range(3):
        list(split.batches(2))
    assert sorted(set(read)) == list(range(6))
    assert [read.count(i) for i in range(6)] == [1] * 4 + [3] * 2
    part = split.part([5, 0])
    assert part.images[:].ravel().tolist() == [5, 0]
    assert read.count(0) == 1


def test_an_image_that_cannot_be_read_is_named_within_a_pipeline():
    def image(number):
        raise UserError("image 'a\nb' is damaged (no (brackets)).")

    split = Split(StreamedImages(image, (4, 2, 2, 1)), np.zeros(4, np.int32))

    def call():
        with faults_told():
            list(split.batches(2))

    with pytest.raises(UserError, match="^image 'a\nb' is damaged .no .brackets..[.]$"):
        call()


def test_batches_of_large_images_are_small():
    split = Split(StreamedImages(None, (10, 6000, 6000, 1)), np.zeros(10, np.int32))
    assert len(split.batches()) == 5
