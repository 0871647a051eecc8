"""Local classifiers (Mostafa et al. 2018, arXiv 1711.06756)."""

import keras

from dtp_tf.rules.base import LearnedFeedback


@keras.saving.register_keras_serializable("dtp_tf")
class LocalError(LearnedFeedback):
    """Every hidden layer learns from the error of a linear classifier of its own.

        L_i = - log softmax(h_i Q_i + q_i)[y]     moves f_i, and Q_i and q_i

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

    def teach(self, network, batch):
        return [batch.labels for _ in network.pairs]

    def local_loss(self, output, taught):
        raise NotImplementedError("a local loss needs its layer's classifier; see `local_losses`")

    def local_losses(self, network, batch, taught):
        return [
            self._loss(network, layer, batch.outputs[layer], labels)
            for layer, labels in enumerate(taught)
        ]

    def inverse_loss(self, network, batch, layer, noise):
        return self._loss(network, layer, batch.h[layer + 1], batch.labels)

    def _loss(self, network, layer, h, labels):
        flat = keras.ops.reshape(h, (-1, network.pairs[layer].units))
        scores = network.feedback[layer](flat)
        return keras.losses.categorical_crossentropy(labels, scores, from_logits=True)
