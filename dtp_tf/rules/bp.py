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

    def check(self, layers):
        for number, layer in enumerate(layers, start=1):
            if layer.transmission == "sign":
                raise SettingError(
                    f"backpropagation needs gradients, and layer {number} gets nothing but signs, "
                    'which have none; use a rule such as dtp, or transmission "continuous".'
                )

    def signals(self, network, batch):
        signals = [batch.top_gradient()]
        for layer in range(len(batch.h) - 3, 0, -1):
            signals.insert(0, batch.pull_back(layer, signals[0]))
        return signals
