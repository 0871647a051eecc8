"""Pass after pass over a pipeline comes from one iterator, each as a new one would give it."""

import numpy as np
import pytest
import tensorflow as tf

from dtp_tf.data.batches import TrainingBatches
from dtp_tf.data.passes import Passes
from dtp_tf.data.splits import Split


@pytest.fixture
def iterators(monkeypatch):
    """A list that grows with each iterator that is made."""
    made, iterate = [], type(tf.data.Dataset.range(1)).__iter__

    def counted(dataset):
        made.append(dataset)
        return iterate(dataset)

    monkeypatch.setattr(tf.data.Dataset, "__iter__", counted)
    return made


def training_batches(count=10, size=3):
    images = np.arange(count * 48, dtype=np.uint8).reshape(count, 4, 4, 3)
    split = Split(images, np.arange(count, dtype=np.int32))
    return TrainingBatches(split, size, seed=0, flip=True, crop=1)


def taken(passes):
    return [[np.array(one) for one in batch] for batch in passes]


def assert_same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)


def test_each_pass_is_the_one_that_was_chosen_before_it_and_no_iterator_is_made_for_it(iterators):
    batches = training_batches()
    wanted = []
    for epoch in range(4):
        batches.select(epoch, 0)
        wanted.append(taken(batches.dataset))
    passes = Passes(batches.dataset)
    del iterators[:]
    for epoch in (0, 1, 2, 3, 1):
        batches.select(epoch, 0)
        assert_same(taken(passes), wanted[epoch])
    assert len(iterators) == 1


@pytest.mark.parametrize("left_after", [1, 2, 3])
def test_a_pass_after_one_that_was_left_begins_at_its_own_first_batch(left_after):
    batches = training_batches()
    passes = Passes(batches.dataset)
    batches.select(0, 0)
    for number, _ in enumerate(passes, start=1):
        if number == left_after:
            break
    batches.select(1, 0)
    assert_same(taken(passes), taken(batches.dataset))
    assert_same(taken(passes), taken(batches.dataset))


def test_a_pass_after_one_that_failed_begins_at_its_first_batch():
    fails = tf.Variable(True)

    def one(number):
        with tf.control_dependencies([tf.debugging.assert_equal(fails & (number == 1), False)]):
            return tf.identity(number)

    passes = Passes(tf.data.Dataset.range(3).map(one))
    with pytest.raises(tf.errors.InvalidArgumentError):
        list(passes)
    fails.assign(False)
    assert [int(number) for number in passes] == [0, 1, 2]


def test_a_last_smaller_batch_is_given_in_every_pass():
    split = Split(np.zeros((5, 2, 2, 1), np.uint8), np.arange(5, dtype=np.int32))
    passes = Passes(split.batches(2))
    for _ in range(2):
        assert [len(labels) for _, labels in passes] == [2, 2, 1]
