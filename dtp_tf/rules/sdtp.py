"""Simplified difference target propagation (Bartunov et al. 2018, arXiv 1807.04587)."""

import keras
import tensorflow as tf

from dtp_tf.arguments import check_boolean
from dtp_tf.rules.base import NOISE, each_at_least_zero, squared_error
from dtp_tf.rules.directed_noise import DirectedNoiseRule
from dtp_tf.rules.dtp import difference_targets
from dtp_tf.rules.penalty import penalty


@keras.saving.register_keras_serializable("dtp_tf")
class SDTP(DirectedNoiseRule):
    """Simplified difference target propagation: no gradient anywhere between layers.

    The target of the output comes from the label, y as a one-hot vector, and goes down through an
    inverse of the output layer, too, which maps class probabilities p:

        t_M     = p + eta (y - p)
        t_{M-1} = h_{M-1} - g_M(p) + g_M(t_M)
        t_{i-1} = h_{i-1} - g_i(h_i) + g_i(t_i)

    With another output and loss, p are the answers and y those of the smallest loss: the labels of
    each unit, or the numbers that a regression is to give.

    The inverses learn to take away the noise, h~ = h_{i-1} + sigma eps:

        || g_i(f_i(h~)) - h_{i-1} ||^2 + lambda || V_i ||^2

    or, without `denoising`, to give it back as those of `DTP` do, h~ in the place of h_{i-1}. Large
    noise leaves nothing of h_{i-1} in f_i(h~), so that a denoising inverse learns to say the same
    of all examples; one that preserves it learns from the noise itself, and, damped, comes near the
    transposed Jacobian of f_i, that of the output layer, too.

    The paper denoises, has no penalty, lambda = 0, and takes the label itself for a target,
    eta = 1.

    Args:
        noise: sigma, at least 0, in units of the activations; see `FeedbackRule`.
        schedule, inverse_steps, noise_samples: see `FeedbackRule`.
        inverse_l2: lambda, at least 0: weight of the squared weights of the inverses; a number, or
            a list with one for each trained inverse.
        noise_directions: see `DirectedNoiseRule`. A frame is drawn anew once all its directions
            have been used.
        denoising: whether the inverses learn to give h_{i-1}, as published, and not h~.
        target_step: eta, above 0: how far the target of the output is on the way to the label.

    Raises:
        SettingError: a value out of its range; at `compile`, a loss whose smallest answers are not
            known in closed form.

    References:
        Bartunov, Santoro, Richards, Marris, Hinton, Lillicrap, "Assessing the Scalability of
        Biologically-Motivated Deep Learning Algorithms and Architectures", 2018, arXiv 1807.04587,
        section 3 and Algorithm 1 (simplified).
    """

    inverts_probabilities = True
    uses_labels = True
    draws_frames_anew = True  # as those of `DTP`

    def __init__(
        self,
        noise=NOISE,
        schedule="alternating",
        inverse_steps=1,
        noise_samples=1,
        inverse_l2=0.0,
        noise_directions="gaussian",
        denoising=True,
        target_step=1.0,
    ):
        super().__init__(
            target_step, noise, schedule, inverse_steps, noise_directions, noise_samples
        )
        check_boolean("denoising", denoising)
        self.denoising = denoising
        self.inverse_l2 = each_at_least_zero("inverse_l2", inverse_l2)

    def uses_inverse(self, layer, layers):
        return layer > 0

    def inverse_loss(self, network, batch, layer, noise):
        pair, h = network.layers_up[layer], batch.h[layer]
        corrupted = tf.stop_gradient(h + self.sigma(network, layer) * noise(h))
        above = batch.f(layer, corrupted, drop=False)
        if layer == len(network.layers_up) - 1:
            above = network.activate_output(above)
        back = pair.reconstruction(tf.stop_gradient(above), batch.aux[layer])
        loss = squared_error(back, self.given_back(h, corrupted))
        return loss + penalty(self.l2(network, layer), pair.inverse_variables)

    def given_back(self, h, corrupted):
        """What an inverse learns to give for f(h~): h_{i-1}, or h~."""
        return h if self.denoising else corrupted

    def output_target(self, batch):
        """t_M = p + eta (y - p)"""
        if self.target_step == 1:
            return batch.labels  # to the last bit
        return batch.answers + self.target_step * (batch.labels - batch.answers)

    def targets(self, network, batch):
        output = network.layers_up[-1]
        top = batch.h[-2] + output.difference(batch.answers, self.output_target(batch))
        return difference_targets(network, batch, top, len(batch.h) - 2)

    def get_config(self):
        of_inverses = {"inverse_l2": self.inverse_l2, "denoising": self.denoising}
        return {**super().get_config(), **of_inverses}
