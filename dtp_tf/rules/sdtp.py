"""Simplified difference target propagation (Bartunov et al. 2018, arXiv 1807.04587)."""

import keras
import tensorflow as tf

from dtp_tf.rules.base import NOISE, FeedbackRule, squared_error
from dtp_tf.rules.dtp import below_target, difference_targets


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

        || g_i(f_i(h~)) - h_{i-1} ||^2

    Args:
        noise: sigma, at least 0, in units of the activations; see `FeedbackRule`.
        schedule, inverse_steps, noise_samples: see `FeedbackRule`.

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

    def __init__(self, noise=NOISE, schedule="alternating", inverse_steps=1, noise_samples=1):
        super().__init__(None, noise, schedule, inverse_steps, noise_samples)

    def uses_inverse(self, layer, layers):
        return layer > 0

    def inverse_loss(self, network, batch, layer, noise):
        pair, h = network.layers_up[layer], batch.h[layer]
        above = batch.f(layer, h + self.sigma(network, layer) * noise(h))
        if layer == len(network.layers_up) - 1:
            above = network.activate_output(above)
        back = pair(tf.stop_gradient(above), reverse=True, aux=batch.aux[layer])
        return squared_error(back, h)

    def targets(self, network, batch):
        output = network.layers_up[-1]
        top = below_target(output, batch.h[-2], batch.answers, batch.labels)
        return difference_targets(network, batch.h, top, len(batch.h) - 2, batch.aux)
