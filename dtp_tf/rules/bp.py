"""Backpropagation, the baseline that needs no introduction."""

import abc

import keras

from dtp_tf.errors import SettingError
from dtp_tf.rules.base import Rule, inner_product


class SignalRule(Rule):
    """A rule that tells each hidden layer a direction: its local loss is < signal_i, h_i >."""

    @abc.abstractmethod
    def signals(self, network, batch):
        """Return, for each hidden layer, what stands for dC/dh_i: `(batch, units)`."""

    def teach(self, network, batch):
        return self.signals(network, batch)

    def local_loss(self, output, taught):
        return inner_product(taught, output)

    def descents(self, batch, said):
        own = type(self)
        if (own.local_loss, own.local_losses) != (SignalRule.local_loss, SignalRule.local_losses):
            return {}  # of a class that extends this one
        known = {layer: batch.descent(layer, signal) for layer, signal in enumerate(said)}
        return {layer: gradients for layer, gradients in known.items() if gradients is not None}


@keras.saving.register_keras_serializable("dtp_tf")
class BP(SignalRule):
    """Backpropagation: each hidden layer gets the true gradient of the loss.

        signal_{M-1} = dC/dh_{M-1},   signal_{i-1} = J_{f_i}^T signal_i

    Where layers send samples, this is the straight-through estimator: a sample passes the gradient
    on as if it were the probability that it was drawn with.

    Raises:
        SettingError: a layer that gets signs only, which have no gradient.

    References:
        Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors", Nature
        323, 1986.
    """

    # Batch normalisation mixes examples, so weights must be there before a signal goes through it.
    teaches_weighted = True

    def check(self, layers):
        for number, layer in enumerate(layers, start=1):
            if layer.transmission == "sign":
                raise SettingError(
                    f"backpropagation needs gradients, and layer {number} gets nothing but signs, "
                    'which have none; use a rule such as dtp, or transmission "continuous".'
                )

    def signals(self, network, batch):
        signals = [batch.top_gradient(weighted=True)]
        for layer in range(len(batch.h) - 3, 0, -1):
            signals.insert(0, batch.pull_back(layer, signals[0], is_taught=True))
        return signals
