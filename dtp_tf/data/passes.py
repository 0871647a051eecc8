"""Many passes over one pipeline."""

import tensorflow as tf

from dtp_tf.data.splits import untuned


class Passes:
    """A pipeline to iterate over again and again, by one iterator.

    An iterator makes the functions of its pipeline anew, which takes tens of milliseconds: longer
    than a pass over a small set. Here the pipeline begins again inside of an iterator, when the
    first batch of a pass is asked for and not before, so that what it reads from variables may
    change between two passes. A pass that was left before its end is not gone on with.

    Args:
        dataset: a `tf.data.Dataset` of a known number of batches.
    """

    def __init__(self, dataset):
        self._steps = int(dataset.cardinality())

        @tf.autograph.experimental.do_not_convert
        def again(_):
            return dataset

        self._endless = tf.data.Dataset.counter().flat_map(again).with_options(untuned())
        self._iterator, self._left = None, 0

    def __iter__(self):
        if self._left or self._iterator is None:
            self._iterator = iter(self._endless)
        self._left = self._steps
        while self._left:
            batch = next(self._iterator)
            self._left -= 1
            yield batch
