"""Activations for inverses that come before the weights: r(t) with the slope that f has there.

An inverse g(t) = r(t) V + c of f(h) = s(h W + b) has the transposed Jacobian of f exactly where
V = W^T and r'(s(a)) = s'(a). Ernoult et al. (2022) take r = s, which comes near; the functions here
are what integrating that equation gives.
"""

import keras
import numpy as np
import tensorflow as tf

from dtp_tf.errors import SettingError


@keras.saving.register_keras_serializable("dtp_tf")
def matched_tanh(t):
    """t - t^3 / 3, whose slope 1 - t^2 is that of tanh where it has the value t."""
    return t - t * t * t / 3


@keras.saving.register_keras_serializable("dtp_tf")
def matched_sigmoid(t):
    """t^2 / 2 - t^3 / 3, whose slope t (1 - t) is that of the sigmoid where it has the value t."""
    return t * t / 2 - t * t * t / 3


@keras.saving.register_keras_serializable("dtp_tf")
def matched_elu(t):
    """t above 0, t + t^2 / 2 below: its slope 1 + t there is that of ELU at the value t."""
    low = keras.ops.minimum(t, 0)
    return t + low * low / 2


_MATCHED = {
    "tanh": matched_tanh,
    "sigmoid": matched_sigmoid,
    "elu": matched_elu,
    "relu": keras.activations.relu,
    "linear": keras.activations.linear,
}


def has_matched(activation):
    """Whether `matched` knows an activation of that name."""
    return activation in _MATCHED


def matched(activation):
    """Return the function whose slope at s(a) is s'(a), for the activation s of that name.

    Raises:
        SettingError: there is none here for this activation.
    """
    if activation not in _MATCHED:
        raise SettingError(
            f"`inverse_activation` matched is known for {', '.join(_MATCHED)}; got `activation` "
            f"{activation!r}: name the activation of the inverses instead."
        )
    return _MATCHED[activation]


def slopes(activation, h):
    """Return the derivative of an element-wise activation at every number of `h`."""
    with tf.GradientTape() as tape:
        tape.watch(h)
        answers = activation(h)
    return tape.gradient(answers, h, unconnected_gradients="zero")


def is_element_wise(activation):
    """Whether an activation makes each number of its own number alone, as softmax does not."""
    with tf.init_scope():  # a network may be built within a graph
        numbers = tf.constant([[0.5, -1.0, 1.5], [0.5, 1.0, -0.5]])  # the first one is the same
        one, other = np.asarray(activation(numbers))[:, 0]
    return bool(one == other)
