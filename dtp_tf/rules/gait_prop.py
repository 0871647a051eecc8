"""GAIT-prop (Ahmad et al. 2020, arXiv 2006.06438)."""

import keras
import tensorflow as tf

from dtp_tf.errors import SettingError
from dtp_tf.pairs.dense import DensePair
from dtp_tf.rules.base import at_least_zero, shaped_as
from dtp_tf.rules.bp import SignalRule

_LEAK = 0.2  # the slope of Keras's leaky_relu below 0


def _of_branches(slope_below, undone_below, inverse_below):
    """Return slope and difference of inverses of a function that is the identity above 0."""

    def slope(y):
        return tf.where(y > 0, tf.ones_like(y), slope_below(y))

    def inverse(y):
        return tf.where(y > 0, y, inverse_below(tf.minimum(y, 0.0)))

    def undone(y, d):
        same = tf.where(y > 0, d, undone_below(tf.minimum(y, 0.0), d))
        return tf.where((y > 0) == (y - d > 0), same, inverse(y) - inverse(y - d))

    return slope, undone


def _ratio(a, b):
    return tf.math.divide_no_nan(a, b)


# name: (s' by y = s(a), and s^-1(y) - s^-1(y - d) without a difference of two large numbers)
INVERTIBLE = {
    "linear": (tf.ones_like, lambda y, d: d),
    "tanh": (
        lambda y: 1 - y**2,
        lambda y, d: (tf.math.log1p(_ratio(d, 1 - y)) - tf.math.log1p(_ratio(-d, 1 + y))) / 2,
    ),
    "sigmoid": (
        lambda y: y * (1 - y),
        lambda y, d: tf.math.log1p(_ratio(d, 1 - y)) - tf.math.log1p(_ratio(-d, y)),
    ),
    "leaky_relu": _of_branches(
        lambda y: _LEAK * tf.ones_like(y), lambda y, d: d / _LEAK, lambda y: y / _LEAK
    ),
    "elu": _of_branches(
        lambda y: y + 1,
        lambda y, d: -tf.math.log1p(_ratio(-d, 1 + y)),
        lambda y: tf.math.log1p(tf.maximum(y, -1 + 1e-7)),
    ),
}


def through_pseudo_inverse(x, kernel):
    """x W^+: what moves a layer's inputs by the least for it to move its products by x.

    Args:
        x: `(batch, outputs)`.
        kernel: W, `(inputs, outputs)`.
    """
    inputs, outputs = kernel.shape
    if inputs >= outputs:  # W = Q R
        q, r = tf.linalg.qr(kernel)
        solved = tf.linalg.triangular_solve(r, tf.transpose(x), lower=False, adjoint=True)
        return tf.matmul(solved, q, transpose_a=True, transpose_b=True)
    q, r = tf.linalg.qr(tf.transpose(kernel))
    down = tf.matmul(q, x, transpose_a=True, transpose_b=True)
    return tf.transpose(tf.linalg.triangular_solve(r, down, lower=False))


def orthogonality_penalty(kernel):
    """The sum of the squared products of different rows of W, or of columns if they are fewer."""
    matrix = tf.reshape(kernel, (-1, kernel.shape[-1]))
    tall = matrix.shape[0] > matrix.shape[1]
    products = tf.matmul(matrix, matrix, transpose_a=tall, transpose_b=not tall)
    return tf.reduce_sum(products**2) - tf.reduce_sum(tf.linalg.diag_part(products) ** 2)


@keras.saving.register_keras_serializable("dtp_tf")
class GAITProp(SignalRule):
    """Gradient-adjusted incremental target propagation, through exact inverses.

    A layer's inverse takes back its nonlinearity, its biases and its weights. A target below is the
    inverse of a point that lies a small part of the way to the target above:

        t_M = h_M - dC/dh_M
        t_{i-1} = f_i^-1( (1 - gamma s'(a_i)^2) h_i + gamma s'(a_i)^2 t_i )
        signal_i = (h_i - t_i) / gamma^(M-i)

    Each step down makes differences smaller by gamma, which the signals make up for. Where weights
    are orthogonal, signals become those of backpropagation as gamma falls; the penalty

        lambda sum_{j != k} ( W_i W_i^T )_jk^2

    on the weights of every hidden layer keeps them near that. Signals are computed without the
    differences themselves, so that float32 does where the paper has float64.

    A layer that is narrower than the one below loses what the paper's layers keep in auxiliary
    units: here f^-1 moves the layer below by the least, as auxiliary units with orthogonal weights
    would let it. A layer that is wider has the least-squares inverse. The first layer needs none.

    Args:
        increment: gamma, above 0 and at most 1.
        orthogonality: lambda, at least 0; the paper has 0.1, and it applies to sums over a layer's
            weights.

    Raises:
        SettingError: a value out of its range; a layer above the first that is no dense one, gets
            signs or samples, or has a nonlinearity without an inverse.

    References:
        Ahmad, van Gerven, Ambrogioni, "GAIT-prop: A biologically plausible learning rule derived
        from backpropagation of error", NeurIPS 2020, arXiv 2006.06438, and its code.
    """

    def __init__(self, increment=1e-3, orthogonality=0.1):
        at_least_zero("increment", increment)
        if not 0 < increment <= 1:
            raise SettingError(f"`increment` must be above 0 and at most 1, got {increment!r}.")
        self.increment = increment
        self.orthogonality = at_least_zero("orthogonality", orthogonality)

    def check(self, layers):
        for number, layer in enumerate(layers, start=1):
            if number > 1 and not isinstance(layer, DensePair):
                raise SettingError(
                    f"GAIT-prop inverts the weights of dense layers, and layer {number} is a "
                    f"{type(layer).__name__}; use dense layers, or a rule such as dtp."
                )
            if layer.transmission != "continuous":
                raise SettingError(
                    f"GAIT-prop inverts what layers compute, and layer {number} gets transmission "
                    f'{layer.transmission!r}; use "continuous", or a rule such as dtp.'
                )
            if number > 1 and _name(layer) not in INVERTIBLE:
                raise SettingError(
                    f"GAIT-prop needs nonlinearities with an inverse, and layer {number} has "
                    f"{_name(layer)}; use one of {', '.join(INVERTIBLE)}."
                )

    def signals(self, network, batch):
        signals, signal, gamma = [], batch.output_gradient(), self.increment
        reached = 1.0  # gamma^(M-i)
        for layer in range(len(network.layers_up) - 1, 0, -1):
            pair = network.layers_up[layer]
            slope, undone = INVERTIBLE[_name(pair)]
            y = batch.undropped(layer, batch.h[layer + 1])
            error = batch.pre_activation_gradient(layer, signal)  # signal_i * s'(a_i)
            reached *= gamma
            moved = undone(y, reached * slope(y) * error) / reached
            kernel = tf.convert_to_tensor(pair.forward_layer.kernel)
            signal = shaped_as(batch.h[layer], through_pseudo_inverse(moved, kernel))
            signals.insert(0, signal)
        return signals

    def local_losses(self, network, batch, taught):
        losses = super().local_losses(network, batch, taught)
        if not self.orthogonality:
            return losses
        kernels = [tf.convert_to_tensor(pair.forward_layer.kernel) for pair in network.pairs]
        return [
            loss + self.orthogonality * orthogonality_penalty(kernel)
            for loss, kernel in zip(losses, kernels, strict=True)
        ]

    def get_config(self):
        own = {"increment": self.increment, "orthogonality": self.orthogonality}
        return {**super().get_config(), **own}


def _name(layer):
    return keras.activations.serialize(layer.activation)
