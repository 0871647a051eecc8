"""Training images -> batches, in a new order in each pass."""

import numpy as np
import tensorflow as tf

from dtp_tf.data.preprocessing import augment
from dtp_tf.data.splits import untuned
from dtp_tf.data.streaming import PARALLEL, rows
from dtp_tf.errors import SettingError
from dtp_tf.numerics.replicas import share


class TrainingBatches:
    """Passes over the training images, in a new order each.

    The order and the augmentation depend on (seed, epoch, passage) only, so any pass can be had
    again, also from its middle on, and images that are read as they are needed come in the same
    order as images in memory. Batches have one size; what does not fill the last one is left out of
    that pass.

    Args:
        split: the training `Split`.
        batch_size: images per batch; a smaller split is one batch.
        seed: a whole number from 0.
        flip, crop, pixel_noise: see `augment`.
        class_weights: None, or "balanced": each image then has a weight, so that all classes count
            alike in a pass; see `balanced`.
        part: (number, parts): which of equal parts of each batch `dataset` gives, from 0.

    Raises:
        SettingError: `crop` is not below the images' sides.

    Attributes:
        dataset: a `tf.data.Dataset` of (images, labels), or (images, labels, weights): the pass
            that `select` chose last.
        steps: batches per pass.
    """

    def __init__(
        self,
        split,
        batch_size,
        seed,
        flip=False,
        crop=0,
        pixel_noise=0.0,
        class_weights=None,
        part=(0, 1),
    ):
        side = min(split.images.shape[1:3])
        if crop >= side:
            raise SettingError(f"`crop` must be below the images' side of {side}, got {crop}.")
        self.size = min(batch_size, len(split))
        self.steps = len(split) // self.size
        self._count, self._seed = len(split), seed
        start, stop = share(self.size, part[1], part[0])
        place = None if part[1] == 1 else (start, self.size)
        # One pipeline for all passes reads its order from variables: a pipeline a pass would leave
        # some memory behind each time.
        with tf.device("CPU"):
            images, labels = rows(split.images), tf.constant(split.labels)
            weights = None if class_weights is None else tf.constant(balanced(split.labels))
            self._order = tf.Variable(tf.zeros((self.steps, self.size), tf.int64))
            self._keys = tf.Variable(tf.zeros((self.steps, 2), tf.int64))

        @tf.autograph.experimental.do_not_convert  # no tensor decides here, and it takes time
        def batch(step):
            indices = self._order[step] if place is None else self._order[step, start:stop]
            chosen = images(indices)
            if flip or crop or pixel_noise:
                chosen = augment(chosen, self._keys[step], flip, crop, pixel_noise, place)
            batch_labels = tf.gather(labels, indices)
            if weights is None:
                return chosen, batch_labels
            return chosen, batch_labels, tf.gather(weights, batch_labels)

        self._batch = batch
        self.dataset = self.dataset_from(0)

    def dataset_from(self, first):
        """Return what `dataset` gives from a batch on, counted from 0: the rest of a pass.

        What comes before is not read. Each call makes a pipeline, which leaves some memory behind.
        """
        steps = tf.data.Dataset.range(first, self.steps)
        batches = steps.map(self._batch, num_parallel_calls=PARALLEL).prefetch(2)
        return batches.with_options(untuned())

    def select(self, epoch, passage):
        """Choose the pass: the number of the epoch, and of the pass within it, from 0."""
        order = np.random.default_rng((self._seed, epoch, passage)).permutation(self._count)
        self._order.assign(order[: self.steps * self.size].reshape(self.steps, self.size))
        keys = np.random.default_rng((self._seed, epoch, passage, 1))
        self._keys.assign(keys.integers(2**31, size=(self.steps, 2)))


def balanced(labels):
    """Return a weight for each class, float32: n / (classes * n of the class).

    With them every class that has images counts alike, and the mean weight of the images is 1.

    >>> balanced(np.array([0, 0, 1, 2, 2, 2])).tolist()
    [1.0, 2.0, 0.6666666865348816]
    """
    counts = np.bincount(labels)
    weights = len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return np.where(counts > 0, weights, 0).astype(np.float32)
