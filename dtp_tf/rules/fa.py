"""Feedback alignment (Lillicrap et al. 2016, arXiv 1411.0247)."""

import keras

from dtp_tf.errors import SettingError
from dtp_tf.rules.base import shaped_as
from dtp_tf.rules.bp import SignalRule


@keras.saving.register_keras_serializable("dtp_tf")
class FA(SignalRule):
    """Feedback alignment: backpropagation with fixed random B_i for the transposed weights.

        signal_{i-1} = ( signal_i * s'(a_i) ) B_i,   and at the logits   signal_M = dC/dh_M

    In a convolution B_i stands for the transposed convolution, with a fixed random kernel of its
    shape; pooling passes the signal on as in backpropagation.

    Raises:
        SettingError: a layer whose backward pass is not known, such as a block of several.

    References:
        Lillicrap, Cownden, Tweed, Akerman, "Random synaptic feedback weights support error
        backpropagation for deep learning", Nature Communications 7, 2016, arXiv 1411.0247.
    """

    def check(self, layers):
        for number, layer in enumerate(layers, start=1):
            if not layer.transposable and number > 1:
                raise SettingError(
                    f"{type(self).__name__} needs layers with one set of weights, and layer "
                    f"{number} is a {type(layer).__name__}; use a rule such as dfa, or split it."
                )

    def feedback_layers(self, layers):
        settings = {"use_bias": False, "trainable": self.trains_feedback}
        return {
            i: pair.transposed_layer(f"feedback_{i + 1}", **settings)
            for i, pair in enumerate(layers)
            if i > 0
        }

    def feedback_weights(self, units, weights):
        return sum(weights[1:])

    def signals(self, network, batch):
        return [signal for _, signal in self.passed_down(network, batch)]

    def passed_down(self, network, batch):
        """Return `(signal_i * s'(a_i), signal_{i-1})` for each layer above the first: what its
        feedback gets, and what it makes of that."""
        signal, passed = batch.output_gradient(), []
        for layer in range(len(network.layers_up) - 1, 0, -1):
            slope = batch.pre_activation_gradient(layer, signal)
            signal = shaped_as(batch.h[layer], self.sent_down(network, batch, layer, slope))
            passed.insert(0, (slope, signal))
        return passed

    def sent_down(self, network, batch, layer, slope):
        """Return what the feedback of a layer makes of gradients of its pre-activations."""
        return network.feedback[layer](slope)
