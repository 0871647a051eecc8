"""Direct feedback alignment (Nøkland 2016, arXiv 1609.01596)."""

import keras

from dtp_tf.rules.bp import SignalRule
from dtp_tf.rules.fa import fixed_feedback


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
            i: fixed_feedback(pair, pair.units, layers[-1].units, f"feedback_{i + 1}")
            for i, pair in enumerate(layers[:-1])
        }

    def signals(self, network, batch):
        error = batch.output_gradient()
        return [network.feedback[i](error) for i in range(len(network.pairs))]
