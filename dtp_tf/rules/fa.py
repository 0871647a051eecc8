"""Feedback alignment (Lillicrap et al. 2016, arXiv 1411.0247)."""

import keras

from dtp_tf.rules.bp import SignalRule


@keras.saving.register_keras_serializable("dtp_tf")
class FA(SignalRule):
    """Feedback alignment: backpropagation with fixed random B_i for the transposed weights.

        signal_{i-1} = ( signal_i * s'(a_i) ) B_i,   and at the logits   signal_M = dC/dh_M

    References:
        Lillicrap, Cownden, Tweed, Akerman, "Random synaptic feedback weights support error
        backpropagation for deep learning", Nature Communications 7, 2016, arXiv 1411.0247.
    """

    def feedback_layers(self, layers):
        return {
            i: fixed_feedback(layers[i], layers[i - 1].units, layers[i].units, f"feedback_{i + 1}")
            for i in range(1, len(layers))
        }

    def signals(self, network, batch):
        signal, signals = batch.output_gradient(), []
        for layer in range(len(network.layers_up) - 1, 0, -1):
            slope = batch.pre_activation_gradient(layer, signal)
            signal = network.feedback[layer](slope)
            signals.insert(0, signal)
        return signals


def fixed_feedback(pair, units, inputs, name):
    """Return a built Dense layer without bias that never learns, with a pair's initializer."""
    layer = keras.layers.Dense(
        units,
        use_bias=False,
        kernel_initializer=pair.inverse_kernel_initializer,
        trainable=False,
        name=name,
    )
    layer.build((None, inputs))
    return layer
