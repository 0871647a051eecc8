"""Simplified difference target propagation (Bartunov et al. 2018, arXiv 1807.04587)."""

import keras
import tensorflow as tf

from dtp_tf.rules.base import NOISE, FeedbackRule, each_at_least_zero, squared_error
from dtp_tf.rules.dtp import difference_targets
from dtp_tf.rules.penalty import penalty


@keras.saving.register_keras_serializable("dtp_tf")
class SDTP(FeedbackRule):
    """Simplified difference target propagation: no gradient anywhere between layers.

    The target of the output is the label itself, y as a one-hot vector, and goes down through an
    inverse of the output layer, too, which maps class probabilities p:

        t_{M-1} = h_{M-1} - g_M(p) + g_M(y)
        t_{i-1} = h_{i-1} - g_i(h_i) + g_i(t_i)

    With another output and loss, p are the answers and y those of the smallest loss: the labels of
    each unit, or the numbers that a regression is to give.

    The inverses learn to take away the noise, h~ = h_{i-1} + sigma eps:

        || g_i(f_i(h~)) - h_{i-1} ||^2 + lambda || V_i ||^2

    The paper has no penalty, lambda = 0. That of g_M is this rule's only measure of how large a
    step its first target is, for labels have none: the larger, the smaller.

    Args:
        noise: sigma, at least 0, in units of the activations; see `FeedbackRule`.
        schedule, inverse_steps, noise_samples: see `FeedbackRule`.
        inverse_l2: lambda, at least 0: weight of the squared weights of the inverses; a number, or
            a list with one for each trained inverse.

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

    def __init__(
        self,
        noise=NOISE,
        schedule="alternating",
        inverse_steps=1,
        noise_samples=1,
        inverse_l2=0.0,
    ):
        super().__init__(None, noise, schedule, inverse_steps, noise_samples)
        self.inverse_l2 = each_at_least_zero("inverse_l2", inverse_l2)

    def uses_inverse(self, layer, layers):
        return layer > 0

    def inverse_loss(self, network, batch, layer, noise):
        pair, h = network.layers_up[layer], batch.h[layer]
        above = batch.f(layer, h + self.sigma(network, layer) * noise(h), drop=False)
        if layer == len(network.layers_up) - 1:
            above = network.activate_output(above)
        back = pair.reconstruction(tf.stop_gradient(above), batch.aux[layer])
        loss = squared_error(back, h)
        return loss + penalty(self.l2(network, layer), pair.inverse_variables)

    def targets(self, network, batch):
        output = network.layers_up[-1]
        top = batch.h[-2] + output.difference(batch.answers, batch.labels)
        return difference_targets(network, batch, top, len(batch.h) - 2)

    def get_config(self):
        return {**super().get_config(), "inverse_l2": self.inverse_l2}
