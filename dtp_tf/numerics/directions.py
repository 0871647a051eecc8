"""Directions of noise: orthogonal ones tell more of a Jacobian than as many independent ones."""

import functools

import numpy as np
import tensorflow as tf

#: Most units for which a whole frame is kept, 64 MB: a wider one is worked out number by number.
KEPT = 4096


def orthogonal_directions(rows, signs):
    """Return directions of an orthogonal frame, scaled like standard normal noise.

    The frame is the type II discrete cosine transform times sqrt(n). Its n directions have a length
    of sqrt(n), and each is orthogonal to the others, so that n rows in turn have exactly the
    covariance that normal noise has on average: the identity.

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
    rows %= units
    if units <= KEPT:
        return tf.gather(_frame(units), rows) * signs
    places = rows[:, tf.newaxis] * tf.range(1, 2 * units, 2, dtype=rows.dtype) % (4 * units)
    length = tf.where(rows == 0, np.float32(np.sqrt(0.5)), 1.0)
    return tf.gather(_cosines(units), places) * length[:, tf.newaxis] * signs


@functools.lru_cache(maxsize=8)
def _frame(units):
    """All directions before the signs, as a constant outside any graph."""
    row, column = np.arange(units)[:, None], np.arange(units)[None, :]
    frame = np.sqrt(2) * np.cos(np.pi * (column + 0.5) * row / units)
    frame[0] = 1.0
    with tf.init_scope():
        return tf.constant(frame, tf.float32)


@functools.lru_cache(maxsize=8)
def _cosines(units):
    """The numbers of a frame but for its first row, by the angle in parts of a circle of 4 n."""
    with tf.init_scope():
        angles = np.pi / (2 * units) * np.arange(4 * units)
        return tf.constant(np.sqrt(2) * np.cos(angles), tf.float32)
