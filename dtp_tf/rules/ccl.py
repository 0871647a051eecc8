"""Counter-current learning (Kao, Hariharan 2024, arXiv 2409.19841)."""

import keras
import tensorflow as tf

from dtp_tf.rules.base import FeedbackRule, squared_error


@keras.saving.register_keras_serializable("dtp_tf")
class CCL(FeedbackRule):
    """Counter-current learning: a second network runs from the label to the input.

        b_M = y, the one-hot label;   b_{i-1} = g_i(b_i)
        || h_i - b_i ||^2             moves f_i, with b_i held
        || h_{i-1} - g_i(b_i) ||^2    moves g_i, with h_{i-1} and b_i held

    The two networks meet in every hidden layer, and each is the other's target. The backward one
    gets nothing of the forward one but these targets, so no layer waits for another network's pass.

    Args:
        schedule, inverse_steps: see `FeedbackRule`.

    Raises:
        SettingError: a value out of its range.

    References:
        Kao, Hariharan, "Counter-Current Learning: A Biologically Plausible Dual Network Approach
        for Deep Learning", NeurIPS 2024, arXiv 2409.19841, section 3.
    """

    takes_noise = False
    inverts_probabilities = True
    uses_labels = True

    def __init__(self, schedule="parallel", inverse_steps=1):
        super().__init__(None, None, schedule, inverse_steps)

    def uses_inverse(self, layer, layers):
        return layer > 0

    def inverse_loss(self, network, batch, layer, noise):
        above = tf.stop_gradient(self._backward(network, batch, layer + 1)[0])
        back = network.layers_up[layer].reconstruction(above, batch.aux[layer])
        return squared_error(batch.undropped(layer - 1, batch.h[layer]), back)

    def targets(self, network, batch):
        whole = self._backward(network, batch, 1)[:-1]
        return [batch.dropped(layer, b) for layer, b in enumerate(whole)]

    def _backward(self, network, batch, lowest):
        """Return [b_lowest, .., b_M]."""
        b = [batch.labels]
        for layer in range(len(network.layers_up) - 1, lowest - 1, -1):
            b.insert(0, network.layers_up[layer](b[0], reverse=True, aux=batch.aux[layer]))
        return b
