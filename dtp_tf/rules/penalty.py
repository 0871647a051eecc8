"""The penalty on the weights of inverses and of other feedback, which damps what they learn."""

import tensorflow as tf


def penalty(weight, variables):
    """weight || V ||^2 over all entries of the kernels; biases go free."""
    if weight == 0:
        return 0.0
    kernels = [v for v in variables if v.name != "bias" and len(v.shape) > 1]
    # Half the sum of squares, which reads the weights once and whose gradient is the weights.
    return 2 * weight * tf.add_n([tf.nn.l2_loss(v) for v in kernels])
