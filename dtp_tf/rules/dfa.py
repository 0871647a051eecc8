"""Direct feedback alignment (Nøkland 2016, arXiv 1609.01596)."""

import keras

from dtp_tf.rules.base import shaped_as
from dtp_tf.rules.bp import SignalRule


@keras.saving.register_keras_serializable("dtp_tf")
class DFA(SignalRule):
    """Direct feedback alignment: fixed random matrices B_i from the output's error to each layer.

        signal_i = dC/dh_M B_i

    References:
        Nøkland, "Direct Feedback Alignment Provides Learning in Deep Neural Networks", 2016, arXiv
        1609.01596, equation 7.
    """

    def feedback_layers(self, layers):
        return {
            i: fixed_map(pair, layers[-1].units, f"feedback_{i + 1}")
            for i, pair in enumerate(layers[:-1])
        }

    def feedback_weights(self, units, weights):
        return units[-1] * sum(units[1:-1])

    def signals(self, network, batch):
        error = batch.output_gradient()
        h = batch.h[1:-1]
        return [shaped_as(one, network.feedback[i](error)) for i, one in enumerate(h)]


def fixed_map(pair, inputs, name):
    """Return a built Dense layer to a pair's units, without bias, that never learns."""
    layer = keras.layers.Dense(
        pair.units,
        use_bias=False,
        kernel_initializer=pair.inverse_kernel_initializer,
        trainable=False,
        name=name,
    )
    layer.build((None, inputs))
    return layer
