"""Images in memory that TensorFlow uses where they lie, without a copy of its own."""

import math

import numpy as np
import tensorflow as tf

_ALIGNMENT = 64  # bytes; TensorFlow ends the process where a tensor begins elsewhere


def empty_images(shape):
    """Return an array for images, uint8, that lies where `shared` can use it."""
    count = math.prod(shape)
    memory = np.empty(count + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + count].reshape(shape)


def shared(images):
    """Return an array of images as a tensor of the same memory, or of a copy if it must be.

    The images must not change as long as the tensor is used.

    Args:
        images: an array; those of `empty_images` are not copied.
    """
    with tf.device("CPU"):
        aligned = images.ctypes.data % _ALIGNMENT == 0
        if not (aligned and images.flags.c_contiguous and images.flags.writeable and images.size):
            return tf.constant(images)
        return tf.experimental.dlpack.from_dlpack(images.__dlpack__())
