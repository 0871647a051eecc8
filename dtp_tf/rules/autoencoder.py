"""The target-propagated autoencoder (Lee et al. 2015, arXiv 1412.7525, section 3.4)."""

import keras
import tensorflow as tf

from dtp_tf.errors import SettingError
from dtp_tf.pairs.dense import DensePair
from dtp_tf.rules.base import FeedbackRule, squared_error


def code_target(h, f_z):
    """h_t = 2 h - f(z): h + f(x) - f(z), the difference target of the code for z = x."""
    return h + (h - f_z)


def decode(t, kernel, bias):
    """t W^T + c: back through the weights of the encoder, with a bias of its own."""
    return tf.matmul(t, kernel, transpose_b=True) + bias


@keras.saving.register_keras_serializable("dtp_tf")
class DecoderBias(keras.layers.Layer):
    """Holds c, all that a decoder with tied weights has for itself.

    Args:
        units: the decoder's outputs.
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.bias = self.add_weight(name="bias", shape=(units,), initializer="zeros")
        self.built = True

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("dtp_tf")
class Autoencoder(FeedbackRule):
    """Every hidden layer learns without labels to encode what it gets, by a target for the code.

    With x = h_{i-1}, h = f_i(x) and the decoder g(t) = r(t W_i^T + c_i), whose weights are those of
    f_i and whose activation r is the pair's inverse activation:

        z = g(h + sigma eps)
        || z - x ||^2                  moves c_i, and W_i as the decoder's weights
        h_t = 2 h - f_i(z)             the code's target: no gradient passes through the code
        || f_i(x + sigma eps') - h_t ||^2     moves W_i, b_i as the encoder's weights

    The output layer learns to classify the codes meanwhile. Give the trained network to another
    rule (`train --init`) to teach its hidden layers, too, what the labels are.

    Args:
        noise: sigma, at least 0, on code and input, in units of each; see `FeedbackRule`.
        schedule, inverse_steps, noise_samples: of the decoder's biases; see `FeedbackRule`.

    Raises:
        SettingError: a value out of its range, or layers that send no continuous activations.

    References:
        Lee, Zhang, Fischer, Bengio, "Difference Target Propagation", 2015, arXiv 1412.7525,
        section 3.4.
    """

    def __init__(self, noise=0.3, schedule="parallel", inverse_steps=1, noise_samples=1):
        super().__init__(None, noise, schedule, inverse_steps, noise_samples)

    def check(self, layers):
        for number, layer in enumerate(layers, start=1):
            if layer.transmission != "continuous":
                raise SettingError(
                    f"an autoencoder needs continuous activations, and layer {number} gets "
                    f'transmission {layer.transmission!r}; use "continuous", or a rule such as dtp.'
                )
            if not isinstance(layer, DensePair):
                raise SettingError(
                    "an autoencoder's decoder has the weights of a dense layer, and layer "
                    f"{number} is a {type(layer).__name__}; use dense layers, or a rule such as "
                    "dtp."
                )

    def feedback_layers(self, layers):
        return {
            i: DecoderBias(pair.forward_layer.kernel.shape[0], name=f"decoder_{i + 1}")
            for i, pair in enumerate(layers[:-1])
        }

    def feedback_weights(self, units, weights):
        return sum(units[:-2])

    def inverse_loss(self, network, batch, layer, noise):
        kernel, bias = _decoder(network, layer)
        z = self._reconstruction(network, batch, layer, noise, tf.stop_gradient(kernel), bias)
        return squared_error(z, batch.h[layer])

    def targets(self, network, batch):
        targets = []
        for layer in range(len(network.pairs)):
            noise = network.noise(layer, 0)
            z = self._reconstruction(network, batch, layer, noise, *_decoder(network, layer))
            targets.append(code_target(batch.h[layer + 1], batch.f(layer, z)))
        return targets

    def local_losses(self, network, batch, taught):
        losses = []
        for layer in range(len(network.pairs)):
            # The noise of z is that of `targets` and of the first inverse update: one key, one z.
            noise, x = network.noise(layer, 0), batch.h[layer]
            kernel, bias = _decoder(network, layer)
            z = self._reconstruction(network, batch, layer, noise, kernel, tf.stop_gradient(bias))
            encoded = batch.f(layer, x + self.sigma(network, layer) * noise(x))
            losses.append(squared_error(z, x) + squared_error(encoded, taught[layer]))
        return losses

    def reconstructions(self, network, h):
        return {
            i: (h[i], pair.inverse_activation(decode(h[i + 1], *_decoder(network, i))))
            for i, pair in enumerate(network.pairs)
        }

    def _reconstruction(self, network, batch, layer, noise, kernel, bias):
        code = batch.h[layer + 1]
        noisy = code + self.sigma(network, layer) * noise(code)
        return network.layers_up[layer].inverse_activation(decode(noisy, kernel, bias))


def _decoder(network, layer):
    """Return W_i and c_i."""
    weights = network.layers_up[layer].forward_layer.kernel, network.feedback[layer].bias
    return [tf.convert_to_tensor(weight) for weight in weights]
