"""Local classifiers (Mostafa et al. 2018, arXiv 1711.06756)."""

import keras
import tensorflow as tf

from dtp_tf.rules.base import LearnedFeedback, squared_error
from dtp_tf.rules.bp import SignalRule

_LOSSES = {  # of labels and scores, both `(batch, units)`
    "softmax": tf.nn.softmax_cross_entropy_with_logits,
    "sigmoid": lambda y, a: tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(y, a), axis=1),
    "linear": squared_error,
}


@keras.saving.register_keras_serializable("dtp_tf")
class LocalError(LearnedFeedback, SignalRule):
    """Every hidden layer learns from the error of a linear classifier of its own.

        L_i = - log softmax(h_i Q_i + q_i)[y]     moves Q_i and q_i
        signal_i = dL_i / dh_i                    moves f_i

    With other outputs L_i is binary cross-entropy, or squared error, to the answers of the smallest
    loss.

    Nothing comes down from the layers above; a layer's activations are all that they get of it.

    Args:
        schedule, inverse_steps: of the classifiers; see `LearnedFeedback`.

    Raises:
        SettingError: a value out of its range.

    References:
        Mostafa, Ramesh, Cauwenberghs, "Deep Supervised Learning Using Local Errors", Frontiers in
        Neuroscience 12, 2018, arXiv 1711.06756. There the classifiers are random and do not learn.
    """

    takes_noise = False
    uses_labels = True

    def __init__(self, schedule="parallel", inverse_steps=1):
        super().__init__(None, schedule, inverse_steps)

    def feedback_layers(self, layers):
        classifiers = {}
        for i, pair in enumerate(layers[:-1]):
            classifiers[i] = keras.layers.Dense(
                layers[-1].units,
                kernel_initializer=pair.inverse_kernel_initializer,
                name=f"classifier_{i + 1}",
            )
            classifiers[i].build((None, pair.units))
        return classifiers

    def feedback_weights(self, units, weights):
        return units[-1] * sum(units[1:-1])

    def signals(self, network, batch):
        return [self._signal(network, batch, layer) for layer in range(len(network.pairs))]

    def _signal(self, network, batch, layer):
        h = batch.h[layer + 1]
        with tf.GradientTape() as tape:
            tape.watch(h)
            loss = self._loss(network, batch, layer, h)
        return tape.gradient(loss, h)

    def inverse_loss(self, network, batch, layer, noise):
        return self._loss(network, batch, layer, batch.h[layer + 1])

    def _loss(self, network, batch, layer, h):
        scores = network.feedback[layer](tf.reshape(h, (-1, network.pairs[layer].units)))
        return _LOSSES[network.output_activation](batch.labels, scores)
