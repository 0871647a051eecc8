"""Directions of noise: orthogonal ones tell more of a Jacobian than as many independent ones."""

import functools

import numpy as np
import tensorflow as tf

#: Widest layer that a whole frame of directions is kept for: 64 MB.
WIDEST = 4096


def orthogonal_directions(rows, signs):
    """Return directions of an orthogonal frame, scaled like standard normal noise.

    The frame has n directions of length sqrt(n), each orthogonal to the others, so that n rows in
    turn have exactly the covariance that normal noise has on average: the identity.

    Args:
        rows: which directions, counted on beyond n: int64, `(batch,)`.
        signs: -1 or 1 for each coordinate, `(n,)`: frames with other signs have other directions.

    Returns:
        float32, `(batch, n)`

    Example:

    >>> import tensorflow as tf
    >>> e = orthogonal_directions(tf.range(4, dtype=tf.int64), tf.constant([1., -1., -1., 1.]))
    >>> tf.matmul(e, e, transpose_a=True).numpy().round(3) / 4 + 0
    array([[1., 0., 0., 0.],
           [0., 1., 0., 0.],
           [0., 0., 1., 0.],
           [0., 0., 0., 1.]], dtype=float32)
    """
    units = signs.shape[0]
    return tf.gather(_frame(units), rows % units) * signs


@functools.lru_cache(maxsize=8)
def _frame(units):
    """The type II discrete cosine transform times sqrt(units), as a constant outside any graph."""
    row, column = np.arange(units)[:, None], np.arange(units)[None, :]
    transform = np.sqrt(2) * np.cos(np.pi * (column + 0.5) * row / units)
    transform[0] = 1.0
    with tf.init_scope():
        return tf.constant(transform, tf.float32)
