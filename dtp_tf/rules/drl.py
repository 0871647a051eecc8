"""The difference reconstruction loss (Meulemans et al. 2020, arXiv 2006.14331)."""

import keras
import tensorflow as tf

from dtp_tf.rules.base import each_at_least_zero, squared_error
from dtp_tf.rules.directed_noise import SmallNoiseRule
from dtp_tf.rules.dtp import difference_targets, target_below, top_target
from dtp_tf.rules.penalty import penalty


def difference_reconstruction_loss(corrupted, reconstruction, sigma):
    """(1 / sigma^2) || h~ - r ||^2   (equation 13 for one noise sample of each example)."""
    return squared_error(corrupted, reconstruction) / sigma**2


@keras.saving.register_keras_serializable("dtp_tf")
class DRL(SmallNoiseRule):
    """Difference target propagation with the difference reconstruction loss (DTPDRL).

    The first target is a gradient step on the logits h_M, and goes down through the inverses of
    all layers but the first, that of the output layer included:

        t_M = h_M - eta dC/dh_M
        t_{i-1} = h_{i-1} - g_i(h_i) + g_i(t_i)

    An inverse learns from noise that went through the whole network and came back: h~ = h_{i-1} +
    sigma eps goes up through f_i .. f_M and down to t^_i by the difference corrections of the
    inverses above, all held constant; then, with r = h_{i-1} - g_i(h_i) + g_i(t^_i),

        (1 / sigma^2) || h~ - r ||^2 + lambda || V_i ||^2

    With small noise the targets become damped Gauss-Newton targets.

    Args:
        target_step: eta, above 0; applies to the gradient of each example's own loss.
        noise: sigma, above 0, in units of the activations; see `FeedbackRule`.
        inverse_l2: lambda, at least 0: weight of the squared weights of the inverses; a number, or
            a list with one for each trained inverse.
        schedule, inverse_steps, noise_samples: see `FeedbackRule`.
        noise_directions: see `DirectedNoiseRule`.

    Raises:
        SettingError: see `SmallNoiseRule`.

    References:
        Meulemans, Carzaniga, Suykens, Sacramento, Grewe, "A Theoretical Framework for Target
        Propagation", 2020, arXiv 2006.14331, equation 13 and its algorithm DTPDRL.
    """

    def __init__(
        self,
        target_step=0.0262,
        noise=0.0992,
        inverse_l2=0.0,
        schedule="inverse-first",
        inverse_steps=1,
        noise_directions="gaussian",
        noise_samples=1,
    ):
        super().__init__(
            target_step, noise, schedule, inverse_steps, noise_directions, noise_samples
        )
        self.inverse_l2 = each_at_least_zero("inverse_l2", inverse_l2)

    def uses_inverse(self, layer, layers):
        return layer > 0

    def inverse_loss(self, network, batch, layer, noise):
        layers, h = network.layers_up, batch.h[layer]
        sigma = self.sigma(network, layer)
        corrupted = h + sigma * noise(h)
        moved = corrupted
        for above in range(layer, len(layers)):
            moved = batch.f(above, moved)
        for above in range(len(layers) - 1, layer, -1):
            moved = target_below(network, batch, above, moved)
        reconstruction = target_below(network, batch, layer, tf.stop_gradient(moved))
        loss = difference_reconstruction_loss(corrupted, reconstruction, sigma)
        return loss + penalty(self.l2(network, layer), layers[layer].inverse_variables)

    def targets(self, network, batch):
        top = top_target(batch.h[-1], batch.output_gradient(), self.target_step)
        return difference_targets(network, batch, top, len(batch.h) - 1)[:-1]

    def get_config(self):
        return {**super().get_config(), "inverse_l2": self.inverse_l2}
