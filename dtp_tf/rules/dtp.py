"""Difference target propagation (Lee et al. 2015, arXiv 1412.7525, Algorithm 1)."""

import keras
import tensorflow as tf

from dtp_tf.errors import SettingError
from dtp_tf.rules.base import Rule


def top_target(h, gradient, eta):
    """t_{M-1} = h_{M-1} - eta dC/dh_{M-1}   (Algorithm 1, the first target)."""
    return h - eta * gradient


def difference_target(h_below, g_h, g_t):
    """t_{i-1} = h_{i-1} - g_i(h_i) + g_i(t_i)   (Algorithm 1, the difference correction)."""
    return h_below + (g_t - g_h)  # this order rounds once near h, not twice


def squared_error(a, b):
    """|| a - b ||^2 of each example: the sum over a layer's units, shape `(batch,)`."""
    return tf.reduce_sum(tf.square(a - b), axis=-1)


@keras.saving.register_keras_serializable("dtp_tf")
class DTP(Rule):
    """Difference target propagation.

    Targets go down through the inverses, and the difference corrects what an imperfect inverse
    gets wrong:

        t_{M-1} = h_{M-1} - eta dC/dh_{M-1}
        t_{i-1} = h_{i-1} - g_i(h_i) + g_i(t_i)

    Each inverse learns to undo its layer around the activations, h~ = h_{i-1} + sigma eps:

        || g_i(f_i(h~)) - h~ ||^2

    Args:
        target_step: eta, above 0; applies to the gradient of each example's own loss. Lee's eta
            0.3277 is for the gradient of a mean over 100 examples, hence the default.
        noise: sigma, at least 0: a number, or a `keras.optimizers.schedules.LearningRateSchedule`
            of the training step.
        schedule, inverse_steps: see `Rule`.

    Raises:
        SettingError: a value out of its range.

    Example:

    >>> import dtp_tf
    >>> dtp_tf.rules.DTP(schedule="inverse-first", inverse_steps=2).inverse_steps
    2

    References:
        Lee, Zhang, Fischer, Bengio, "Difference Target Propagation", 2015, arXiv 1412.7525.
    """

    def __init__(
        self,
        target_step=0.00327736332653,
        noise=0.359829566008,
        schedule="parallel",
        inverse_steps=1,
    ):
        super().__init__(schedule, inverse_steps)
        if not target_step > 0:
            raise SettingError(f"`target_step` must be above 0, got {target_step!r}.")
        is_schedule = isinstance(noise, keras.optimizers.schedules.LearningRateSchedule)
        if not is_schedule and not noise >= 0:
            raise SettingError(f"`noise` must be at least 0, got {noise!r}.")
        self.target_step = target_step
        self.noise = noise

    def uses_inverse(self, layer, layers):
        return layer > 0

    def inverse_losses(self, network, activations, noise):
        sigma = self.noise(network.step) if callable(self.noise) else self.noise
        losses = {}
        for layer in range(1, len(network.pairs)):
            pair, h = network.pairs[layer], activations[layer]
            corrupted = tf.stop_gradient(h + sigma * noise(layer, h))
            reconstruction = pair(tf.stop_gradient(pair(corrupted)), reverse=True)
            losses[layer] = squared_error(reconstruction, corrupted)
        return losses

    def targets(self, network, activations, top_gradient):
        targets = [top_target(activations[-1], top_gradient, self.target_step)]
        for layer in range(len(network.pairs) - 1, 0, -1):
            # One product of twice the rows is faster than two.
            both = tf.concat([activations[layer + 1], targets[0]], axis=0)
            g_h, g_t = tf.split(network.pairs[layer](both, reverse=True), 2, axis=0)
            targets.insert(0, difference_target(activations[layer], g_h, g_t))
        return [tf.stop_gradient(target) for target in targets]

    def get_config(self):
        noise = self.noise
        if callable(noise):
            noise = keras.saving.serialize_keras_object(noise)
        return {**super().get_config(), "target_step": self.target_step, "noise": noise}
