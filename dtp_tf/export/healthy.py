"""Which of several values a function can take, inside a TensorFlow graph, which knows no `try`."""

import tensorflow as tf


def healthy(function, values):
    """Return for which of some values a function raises no error, bool `(n,)`.

    A data set can leave out the elements that raise. It is made anew for each request, which takes
    about a millisecond, and as long as the function has few operations.

    Args:
        function: of a value; gives an integer tensor.
        values: a tensor `(n,)`.
    """
    count = tf.size(values)

    @tf.autograph.experimental.do_not_convert
    def number_if_well(number, value):
        # The result must be needed, or nobody computes it.
        return number + tf.minimum(tf.reduce_min(function(value)), 0)

    plain = tf.data.Options()
    plain.autotune.enabled = False
    plain.experimental_optimization.apply_default_optimizations = False
    numbers = tf.data.Dataset.from_tensor_slices((tf.range(count), values))
    numbers = numbers.map(number_if_well).ignore_errors()
    # There is always a batch, also where nothing is well.
    numbers = tf.data.Dataset.from_tensors(-1).concatenate(numbers)
    numbers = numbers.batch(tf.cast(count, tf.int64) + 1).with_options(plain)
    well = numbers.get_single_element()[1:]
    return tf.scatter_nd(well[:, None], tf.ones_like(well), [count]) > 0
