"""Random numbers of training steps, which depend on nothing but a seed, the step and a key.

A resumed run draws the very numbers of the uninterrupted one, and replicas draw those that one
device would draw for their part of the batch.
"""

import tensorflow as tf

from dtp_tf.numerics.directions import orthogonal_directions
from dtp_tf.numerics.replicas import draw


def gaussian(like, seed, step, *key):
    """Return standard normal numbers of the shape and type of `like`, `(batch, ..)`."""
    return tf.cast(_draw(tf.random.stateless_normal, tf.shape(like), seed, step, *key), like.dtype)


def rademacher(like, seed, step, *key):
    """Return -1 or 1, each as likely, in the shape and type of `like`, `(batch, ..)`."""
    return tf.cast(_draw(_random_signs, tf.shape(like), seed, step, *key), like.dtype)


def uniform(like, seed, step, *key):
    """Return uniform numbers in [0, 1) of the shape and type of `like`, `(batch, ..)`."""
    return tf.cast(_draw(tf.random.stateless_uniform, tf.shape(like), seed, step, *key), like.dtype)


def kept(like, rate, seed, step, layer):
    """Return 0 for what a layer drops in this step, else 1 / (1 - rate), in the shape of `like`."""
    # No other numbers have a key of two.
    above = uniform(like, seed, step, layer, 0) >= rate
    return tf.where(above, tf.cast(1 / (1 - rate), like.dtype), tf.zeros((), like.dtype))


def orthogonal(like, seed, step, updates, layer, k, call, anew=False):
    """Return the next directions of a layer's frame, each with a random sign, in `like`'s shape.

    Args:
        like: `(batch, ..)`.
        seed, step: of the training.
        updates: how often the layer has such directions in a step.
        layer, k, call: the layer, the number of the time, and of the call in it. The frame depends
            on the layer and the call; its rows go on from time to time.
        anew: whether the frame also depends on how often all its rows have been used.
    """
    strategy = tf.distribute.get_strategy()
    replicas, replica = strategy.num_replicas_in_sync, 0
    if replicas > 1:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    batch = tf.shape(like, out_type=tf.int64)[0]
    done = tf.convert_to_tensor(step) * updates + k
    first = done * replicas * batch
    rows = first + tf.cast(replica, tf.int64) * batch + tf.range(batch)
    shape = like.shape[1:]
    units = shape.num_elements()
    frame = tf.random.experimental.stateless_fold_in([seed, layer], call)
    if anew:
        frame = tf.random.experimental.stateless_fold_in(frame, first // units)
    coordinates = tf.random.stateless_uniform((units,), frame)
    examples = _draw(tf.random.stateless_uniform, (batch, 1), seed, step, layer, k, call)
    directions = _signs(examples) * orthogonal_directions(rows, _signs(coordinates))
    return tf.cast(tf.reshape(directions, (-1, *shape)), like.dtype)


def step_seed(seed, step, *key):
    """Return the state of a `keras.random.SeedGenerator` for a layer in a training step, uint32
    `(2,)`; each replica has its own."""
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        key = (*key, tf.distribute.get_replica_context().replica_id_in_sync_group)
    state = tf.stack([tf.cast(seed, tf.int64), tf.convert_to_tensor(step)])
    for number in key:
        state = tf.random.experimental.stateless_fold_in(state, number)
    return tf.random.stateless_uniform((2,), state, None, None, tf.uint32)


def _random_signs(shape, seed):
    # A random bit for each, and not a number.
    count = tf.reduce_prod(shape)
    words = tf.random.stateless_uniform(((count + 31) // 32, 1), seed, None, None, tf.int32)
    bits = tf.constant([*(1 << place for place in range(31)), -(1 << 31)], tf.int32)
    signs = tf.where(tf.bitwise.bitwise_and(words, bits) == 0, -1.0, 1.0)
    return tf.reshape(tf.reshape(signs, (-1,))[:count], shape)


def _signs(uniform_numbers):
    """-1 or 1 for numbers from 0 to 1."""
    return tf.where(uniform_numbers < 0.5, -1.0, 1.0)


def _draw(distribution, shape, seed, step, *key):
    state = tf.stack([tf.cast(seed, tf.int64), tf.convert_to_tensor(step)])
    for number in key:
        state = tf.random.experimental.stateless_fold_in(state, number)
    return draw(distribution, shape, state)
