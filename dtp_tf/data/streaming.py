"""Images that stay on the disk, and are read whenever they are asked for, as rows of an array."""

import concurrent.futures
import contextlib
import math
import os
import re

import numpy as np
import tensorflow as tf

from dtp_tf.data.aligned import shared
from dtp_tf.errors import UserError

PARALLEL = min(8, os.cpu_count() or 1)  # batches, or images, that are read at the same time
KEPT = 500_000_000  # bytes of a set's images that stay in memory once they are read


class StreamedImages:
    """Images of one size that are read whenever they are asked for.

    Slices and arrays of numbers give arrays, `images[:3]`, as of an array. So that a small set is
    not decoded anew in each epoch, some images stay in memory: as many as `kept` bytes hold.

    Args:
        read: a function of an image's number, 0 .. n - 1, that returns it, uint8 `(H, W, C)`;
            several threads call it at the same time.
        shape: (n, H, W, C).
        kept: bytes.

    Attributes:
        shape: (n, H, W, C).

    Example:

    >>> images = StreamedImages(lambda i: np.full((2, 2, 1), i, np.uint8), (5, 2, 2, 1))
    >>> images[1:3].shape
    (2, 2, 2, 1)
    >>> int(images.part([4, 0])[0].max())
    4
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, read, shape, kept=KEPT):
        self.shape = tuple(int(side) for side in shape)
        self._read, self._numbers = read, np.arange(self.shape[0])
        most = min(self.shape[0], kept // math.prod(self.shape[1:]))
        self._kept = np.empty((most, *self.shape[1:]), np.uint8)  # takes memory as it is filled
        self._is_kept = np.zeros(most, bool)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, key):
        numbers = self._numbers[key]
        if np.ndim(numbers) == 0:
            return self._image(numbers)
        images = np.empty((len(numbers), *self.shape[1:]), np.uint8)

        def fill(place):
            images[place] = self._image(numbers[place])

        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as threads:
            for _ in threads.map(fill, range(len(numbers))):
                pass
        return images

    def part(self, indices):
        """Return the `StreamedImages` with these indices; what is kept is kept for both."""
        part = object.__new__(StreamedImages)
        part.__dict__.update(self.__dict__)
        part._numbers = self._numbers[indices]
        part.shape = (len(part._numbers), *self.shape[1:])
        return part

    def changed(self, change, shape):
        """Return the `StreamedImages` of what `change` makes of each, of `shape` (H, W, C)."""
        return StreamedImages(lambda number: change(self[number]), (len(self), *shape), kept=0)

    def tensor(self, indices):
        """Return the images with these indices, int64 `(k,)`, also in a graph."""
        images = tf.numpy_function(self._images, [indices], tf.uint8)
        return tf.ensure_shape(images, [*indices.shape, *self.shape[1:]])

    def _images(self, indices):
        """One after the other, for other batches are read beside this one."""
        images = np.empty((len(indices), *self.shape[1:]), np.uint8)
        for place, number in enumerate(self._numbers[indices]):
            images[place] = self._image(number)
        return images

    def _image(self, number):
        if number >= len(self._kept):
            return self._read(number)
        if not self._is_kept[number]:
            self._kept[number] = self._read(number)
            self._is_kept[number] = True
        return self._kept[number]


def rows(images):
    """Return a function from indices, int64 `(k,)`, to the images with them, for graphs.

    Args:
        images: an array or `StreamedImages`.
    """
    if isinstance(images, StreamedImages):
        return images.tensor
    images = shared(images)
    return lambda indices: tf.gather(images, indices)


@contextlib.contextmanager
def faults_told():
    """Raise the `UserError` of an image that cannot be read as it is.

    Images are read inside TensorFlow's pipelines, which hand errors on in words of their own.
    """
    try:
        yield
    except tf.errors.OpError as error:
        found = re.search(r"\bUserError: (.*?)\nTraceback \(most", error.message, re.DOTALL)
        if found is None:
            raise
        raise UserError(found[1]) from None
