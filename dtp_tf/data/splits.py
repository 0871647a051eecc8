"""A set of images and labels, and its splits."""

import collections
import dataclasses
import math
import pathlib

import numpy as np
import tensorflow as tf

from dtp_tf.data.aligned import empty_images
from dtp_tf.data.class_names import check_class_names
from dtp_tf.data.streaming import PARALLEL, StreamedImages, rows

HELD_OUT_TEST = 0.2  # of a set that comes without a test split
_MOST = 100_000_000  # bytes of a batch that only measures


@dataclasses.dataclass(frozen=True)
class Split:
    """Images and labels of one split.

    Attributes:
        images: uint8 `(n, H, W, C)` in [0, 255]: an array, or `StreamedImages`, which are read
            when they are asked for.
        labels: int32 `(n,)`, 0 .. classes - 1.
    """

    images: np.ndarray | StreamedImages
    labels: np.ndarray

    def __len__(self):
        return len(self.labels)

    def take(self, indices):
        """Return the split of the images with these indices, in memory."""
        return Split(self.images[indices], self.labels[indices])

    def part(self, indices):
        """Return the split of the images with these indices; streamed ones stay on the disk."""
        if isinstance(self.images, StreamedImages):
            return Split(self.images.part(indices), self.labels[indices])
        numbers = np.arange(len(self))[indices]
        images = empty_images((len(numbers), *self.images.shape[1:]))
        np.take(self.images, numbers, axis=0, out=images, mode="clip")  # "raise" needs a copy
        return Split(images, self.labels[numbers])

    def batches(self, size=1000):
        """Return a `tf.data.Dataset` of (images, labels) in order, the last batch smaller.

        Of images so large that a batch would take more than 100 MB, batches have fewer.
        """
        size = min(size, max(1, _MOST // math.prod(self.images.shape[1:])))
        starts = tf.data.Dataset.range(0, len(self), size)
        with tf.device("CPU"):
            images, labels = rows(self.images), tf.constant(self.labels)

        @tf.autograph.experimental.do_not_convert
        def batch(start):
            indices = tf.range(start, tf.minimum(start + size, len(self)))
            return images(indices), tf.gather(labels, indices)

        return starts.map(batch, PARALLEL).prefetch(1).with_options(untuned())


@dataclasses.dataclass(frozen=True)
class FolderFacts:
    """Where the images of a folder come from.

    Attributes:
        path: the folder.
        files: a `dtp_tf.data.images.ImageFile` for each image, with its split.
        left_out: {reason: [paths]} of the folder's other files.
    """

    path: pathlib.Path
    files: tuple
    left_out: dict

    def copies(self):
        """Return the files that are identical to others, a list for each image."""
        groups = collections.defaultdict(list)
        for file in self.files:
            groups[file.sha256].append(file)
        return [group for group in groups.values() if len(group) > 1]


@dataclasses.dataclass(frozen=True)
class RecordFacts:
    """Where the images of record files come from.

    Attributes:
        paths: of the files.
        content_sha256: the hash of what the images are, in which split and class.
        leaks: how many are left out, for an image of another split is the same.
        copies: (how many are identical to others, how many images they are).
    """

    paths: tuple
    content_sha256: str
    leaks: int
    copies: tuple


@dataclasses.dataclass(frozen=True)
class ImageData:
    """An image-classification set, split for training.

    Attributes:
        name: of the set.
        train, validation, test: `Split`s; `test` is None where it was not read.
        class_names: one name per label.
        test_origin: where the test split comes from, in words.
        folder: the `FolderFacts` of images from a folder; None for other sets.
        records: the `RecordFacts` of images from record files; None for other sets.
        named: what the description of a TFDS set says of its files, see
            `dtp_tf.data.tfds_builders.set_facts`; None for other sets.
        reading: whether the images are in memory or read as they are needed, and why, in words.

    Raises:
        UserError: class names that cannot be used.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    class_names: tuple
    test_origin: str
    folder: FolderFacts | None = None
    records: RecordFacts | None = None
    named: dict | None = None
    reading: str = ""

    def __post_init__(self):
        check_class_names(self.class_names, f"data set {self.name}")

    @property
    def image_shape(self):
        """(height, width, channels)."""
        return self.train.images.shape[1:]


def untuned():
    """Return options for a `tf.data.Dataset` as it is, and without the thread that tunes it.

    That thread waits 10 ms, then twice as long each time, up to a minute. Where the end of an
    iteration comes in such a wait and the machine is busy, the thread can miss it: then the
    iterator is gone only when the wait is over, and an epoch takes up to twice as long. What
    rewrites a pipeline finds nothing to do in ours, and takes a copy of all its images.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return options


def hold_out(split, fraction, seed):
    """Return (rest, held out) of a random, seeded division; both keep their order."""
    order = np.random.default_rng(seed).permutation(len(split))
    count = round(len(split) * fraction)
    return split.part(np.sort(order[count:])), split.part(np.sort(order[:count]))
