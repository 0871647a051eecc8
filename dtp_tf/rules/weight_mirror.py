"""Weight mirrors (Akrout et al. 2019, arXiv 1904.05391)."""

import keras
import tensorflow as tf

from dtp_tf.rules.base import LearnedFeedback, each_at_least_zero, inner_product
from dtp_tf.rules.fa import FA
from dtp_tf.rules.penalty import penalty


@keras.saving.register_keras_serializable("dtp_tf")
class WeightMirror(LearnedFeedback, FA):
    """Feedback alignment whose B_i learn the transposed weights from noise sent through a layer.

        signal_{i-1} = ( signal_i * s'(a_i) ) B_i
        x = sigma eps,  y = x W_i

        - < x, y B_i > / sigma^2 + lambda || B_i ||^2     moves B_i

    The first term is the paper's correlation of the noise with the layer's answer to it; where it
    and the decay are in balance, B_i = W_i^T / (2 lambda). In a convolution the correlation is
    divided by the number of places that share the kernel; where padding hides a part of the kernel
    from some of them, that part comes out smaller.

    Args:
        noise: sigma, above 0; it cancels but for rounding.
        inverse_l2: lambda, at least 0; a number, or a list with one for each mirror.
        schedule, inverse_steps, noise_samples: see `LearnedFeedback`.

    Raises:
        SettingError: a value out of its range, or a layer whose backward pass is not known.

    References:
        Akrout, Wilson, Humphreys, Lillicrap, Tweed, "Deep Learning without Weight Transport",
        NeurIPS 2019, arXiv 1904.05391, section 3.
    """

    needs_noise = True

    def __init__(
        self, noise=1.0, inverse_l2=0.5, schedule="parallel", inverse_steps=1, noise_samples=1
    ):
        super().__init__(noise, schedule, inverse_steps, noise_samples)
        self.inverse_l2 = each_at_least_zero("inverse_l2", inverse_l2)

    def inverse_loss(self, network, batch, layer, noise):
        pair, sigma = network.layers_up[layer], self.sigma(network, layer)
        x = sigma * noise(batch.h[layer])
        # The paper takes the mean over time away, which is what the bias adds.
        y = tf.stop_gradient(pair.pre_activation(x) - pair.pre_activation(tf.zeros_like(x)))
        mirror = network.feedback[layer]
        places = tf.size(y[0, ..., 0], out_type=tf.int32)
        correlation = inner_product(x, tf.reshape(mirror(y), tf.shape(x)))
        correlation /= sigma**2 * tf.cast(places, x.dtype)
        return penalty(self.l2(network, layer), mirror.trainable_variables) - correlation

    def get_config(self):
        return {**super().get_config(), "inverse_l2": self.inverse_l2}
