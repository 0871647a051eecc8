"""Kolen-Pollack learning of the feedback (Kolen, Pollack 1994; Akrout et al. 2019)."""

import keras

from dtp_tf.rules.base import LearnedFeedback, inner_product
from dtp_tf.rules.fa import FA


@keras.saving.register_keras_serializable("dtp_tf")
class KP(LearnedFeedback, FA):
    """Feedback alignment whose B_i get the transposed updates of the forward weights W_i.

        signal_{i-1} = delta_i B_i,   delta_i = signal_i * s'(a_i)
        dW_i = h_{i-1}^T delta_i,     dB_i = dW_i^T

    The update of B_i is that of the local loss < h_{i-1}, delta_i B_i >, which needs nothing that
    is not at the layer. If both optimizers are equal and decay their weights
    (`keras.optimizers.SGD(0.1, weight_decay=0.01)`), the difference W_i - B_i^T falls by the factor
    1 - rate * decay at each step, and learning becomes backpropagation. Without decay it stays what
    it was in the beginning.

    Args:
        schedule, inverse_steps: see `LearnedFeedback`; only with "parallel", the default, are the
            two updates those of the same weights.

    Raises:
        SettingError: a layer whose backward pass is not known, such as a block of several.

    References:
        Kolen, Pollack, "Backpropagation without weight transport", ICNN 1994. Akrout, Wilson,
        Humphreys, Lillicrap, Tweed, "Deep Learning without Weight Transport", NeurIPS 2019, arXiv
        1904.05391, section 4.
    """

    takes_noise = False

    def __init__(self, schedule="parallel", inverse_steps=1):
        super().__init__(None, schedule, inverse_steps)

    def inverse_loss(self, network, batch, layer, noise):
        slope, _ = self.passed_down(network, batch)[layer - 1]
        signal = self.sent_down(network, batch, layer, keras.ops.stop_gradient(slope))
        h = batch.h[layer]
        return inner_product(keras.ops.reshape(signal, keras.ops.shape(h)), h)
