"""Backpropagation, the baseline that needs no introduction."""

import abc

import keras

from dtp_tf.arguments import check_boolean
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
    on as if it were the probability that it was drawn with. Signs have no gradient, and are refused
    unless `straight_through` lets them pass it on as if they were the activations:

        signal_{i-1} = W_i ( signal_i * s'(a_i) ),   a_i = W_i^T sign(h_{i-1}) + b_i

    Args:
        straight_through: whether signs pass gradients on; False by default.

    Raises:
        SettingError: a layer that gets signs only, without `straight_through`.

    Example:

    >>> import dtp_tf
    >>> dtp_tf.rules.BP(straight_through=True).straight_through
    True

    References:
        Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors", Nature
        323, 1986. Bengio, Leonard, Courville, "Estimating or propagating gradients through
        stochastic neurons for conditional computation", 2013, arXiv 1308.3432, for the estimator.
    """

    # Batch normalisation mixes examples, so weights must be there before a signal goes through it.
    teaches_weighted = True

    def __init__(self, straight_through=False):
        check_boolean("straight_through", straight_through)
        self.straight_through = straight_through

    def check(self, layers):
        for number, layer in enumerate(layers, start=1):
            if layer.transmission == "sign" and not self.straight_through:
                raise SettingError(
                    f"backpropagation needs gradients, and layer {number} gets nothing but signs, "
                    "which have none; use `straight_through`, a rule such as dtp, or transmission "
                    '"continuous".'
                )

    def signals(self, network, batch):
        top = len(batch.h) - 2
        if self._passes_signs(network, top):
            signals = [batch.straight_through(top, batch.output_gradient(weighted=True))]
        else:
            signals = [batch.top_gradient(weighted=True)]
        for layer in range(top - 1, 0, -1):
            if self._passes_signs(network, layer):
                signals.insert(0, batch.straight_through(layer, signals[0]))
            else:
                signals.insert(0, batch.pull_back(layer, signals[0], is_taught=True))
        return signals

    def _passes_signs(self, network, layer):
        return self.straight_through and network.layers_up[layer].transmission == "sign"

    def get_config(self):
        return {**super().get_config(), "straight_through": self.straight_through}
