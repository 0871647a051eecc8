"""Gauss-Newton targets (Meulemans et al. 2020, arXiv 2006.14331)."""

import keras
import tensorflow as tf

from dtp_tf.errors import SettingError
from dtp_tf.rules.base import TargetRule, at_least_zero, shaped_as


def gauss_newton_step(jacobian, gradient, damping):
    """J^T (J J^T + lambda 1)^-1 e of each example   (section 3, a damped pseudo-inverse).

    Args:
        jacobian: J = dh_M / dh_i, `(batch, outputs, units)`.
        gradient: e = dC/dh_M, `(batch, outputs)`.
        damping: lambda.
    """
    kernel = tf.matmul(jacobian, jacobian, transpose_b=True)
    kernel += damping * tf.eye(tf.shape(kernel)[-1], dtype=kernel.dtype)
    solved = tf.linalg.solve(kernel, gradient[..., None])
    return tf.matmul(jacobian, solved, transpose_a=True)[..., 0]


@keras.saving.register_keras_serializable("dtp_tf")
class GNT(TargetRule):
    """Exact Gauss-Newton targets: what difference target propagation approaches.

        t_i = h_i - eta J_i^T (J_i J_i^T + lambda 1)^-1 dC/dh_M,   J_i = dh_M / dh_i

    Every example has Jacobians of its own, with a row for each output unit, so a step takes as many
    backward passes as there are classes. It is a yardstick for small networks.

    Args:
        target_step: eta, above 0; applies to the gradient of each example's own loss.
        damping: lambda, at least 0; with 0 the pseudo-inverse, for layers at least as wide as the
            output.

    Raises:
        SettingError: a value out of its range, or a layer that gets signs only.

    References:
        Meulemans, Carzaniga, Suykens, Sacramento, Grewe, "A Theoretical Framework for Target
        Propagation", 2020, arXiv 2006.14331, section 3.
    """

    def __init__(self, target_step=0.1, damping=0.1):
        super().__init__(target_step)
        self.damping = at_least_zero("damping", damping)

    def check(self, layers):
        for number, layer in enumerate(layers, start=1):
            if layer.transmission == "sign":
                raise SettingError(
                    f"Gauss-Newton targets need gradients, and layer {number} gets nothing but "
                    'signs, which have none; use a rule such as dtp, or transmission "continuous".'
                )

    def more_per_example(self, units):
        return 2 * units[-1] * sum(units[1:-1])  # the rows of the Jacobians, and these

    def targets(self, network, batch):
        error, rows = batch.output_gradient(), self._rows(network, batch)
        targets = []
        for h, of_layer in zip(batch.h[1:-1], rows, strict=True):
            jacobian = tf.stack([tf.reshape(r, (tf.shape(r)[0], -1)) for r in of_layer], axis=1)
            step = gauss_newton_step(jacobian, error, self.damping)
            targets.append(h - self.target_step * shaped_as(h, step))
        return targets

    def _rows(self, network, batch):
        """Return, for each hidden layer, the rows of its Jacobian, each `(batch, .. units ..)`."""
        logits, layers = batch.h[-1], len(network.layers_up)
        rows = [[] for _ in network.pairs]
        for row in range(logits.shape[-1]):
            signal = tf.one_hot(tf.fill([tf.shape(logits)[0]], row), logits.shape[-1])
            for layer in range(layers - 1, 0, -1):
                signal = batch.pull_back(layer, tf.cast(signal, logits.dtype))
                rows[layer - 1].append(signal)
        return rows

    def get_config(self):
        return {**super().get_config(), "damping": self.damping}
