"""Functions of tensors that XLA makes one pass over memory of."""

import functools

import tensorflow as tf


def compiled(function):
    """Return a function of tensors alone that XLA compiles in a graph.

    Not under a `tf.distribute` strategy, where XLA cannot compile parts of a step.
    """
    by_xla = tf.function(function, jit_compile=True, autograph=False)

    @functools.wraps(function)
    def either(*tensors):
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        apart = tf.executing_eagerly() or replicas > 1
        return (function if apart else by_xla)(*tensors)

    return either
