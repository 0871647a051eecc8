"""Simplified difference target propagation with an auxiliary output (Bartunov et al. 2018)."""

import math

import keras
import tensorflow as tf
from keras import ops

from dtp_tf.arguments import check_whole
from dtp_tf.numerics.precision import exact
from dtp_tf.pairs.dense import sign
from dtp_tf.rules.base import NOISE, shaped_as, squared_error
from dtp_tf.rules.dtp import difference_target, difference_targets
from dtp_tf.rules.penalty import penalty
from dtp_tf.rules.sdtp import SDTP


@keras.saving.register_keras_serializable("dtp_tf")
class AOSDTP(SDTP):
    """`SDTP` whose output layer is [o, z]: beside the answers o = p it has random features z.

        z = s(h_{M-1} A)
        t_{M-1} = h_{M-1} - g_M([p, z]) + g_M([t_M, z])

    t_M and the targets below as with `SDTP`. The same z is in both, so that the inverse of the
    output knows more of the example than its class, and targets within one class differ. The
    inverses learn to take away the noise, or to give it back, as with `SDTP`; g_M from the answers
    and the features of h~ = h_{M-1} + sigma eps:

        || g_M([p(h~), z(h~)]) - h_{M-1} ||^2 + lambda || V_M ||^2

    A is drawn by Glorot's uniform initializer, is saved with the network and never learns. The
    paper does not say which nonlinearity s z has; here it is that of the top hidden layer or, where
    this is a block of several layers, tanh, which all hidden layers of the paper have.

    Args:
        noise: sigma, at least 0, in units of the activations; see `FeedbackRule`.
        schedule, inverse_steps, noise_samples: see `FeedbackRule`.
        inverse_l2: lambda, see `SDTP`; the features z take it, too.
        auxiliary_units: how many features z has, at least 1.
        noise_directions, denoising, target_step: see `SDTP`.

    Raises:
        SettingError: see `SDTP`, or `auxiliary_units` below 1.

    References:
        Bartunov, Santoro, Richards, Marris, Hinton, Lillicrap, "Assessing the Scalability of
        Biologically-Motivated Deep Learning Algorithms and Architectures", 2018, arXiv 1807.04587,
        section 2.1.2, equation 3, and Algorithm 2.
    """

    def __init__(
        self,
        noise=NOISE,
        schedule="alternating",
        inverse_steps=1,
        noise_samples=1,
        auxiliary_units=512,
        inverse_l2=0.0,
        noise_directions="gaussian",
        denoising=True,
        target_step=1.0,
    ):
        super().__init__(
            noise,
            schedule,
            inverse_steps,
            noise_samples,
            inverse_l2,
            noise_directions,
            denoising,
            target_step,
        )
        check_whole("auxiliary_units", auxiliary_units)
        self.auxiliary_units = auxiliary_units

    def uses_inverse(self, layer, layers):
        return 0 < layer < layers - 1

    def feedback_layers(self, layers):
        *_, top, output = layers
        inverse = _AuxiliaryInverse(
            output, self.auxiliary_units, getattr(top, "activation", "tanh")
        )
        inverse.build((None, output.units + self.auxiliary_units))
        return {len(layers) - 1: inverse}

    def feedback_weights(self, units, weights):
        *_, top, outputs = units
        return top * (outputs + 2 * self.auxiliary_units)

    def inverse_loss(self, network, batch, layer, noise):
        if layer not in network.feedback:
            return super().inverse_loss(network, batch, layer, noise)
        h, inverse = batch.h[layer], network.feedback[layer]
        corrupted = tf.stop_gradient(h + self.sigma(network, layer) * noise(h))
        answers = network.activate_output(batch.f(layer, corrupted))
        above = inverse.output(answers, inverse.features(corrupted))
        back = shaped_as(h, inverse(tf.stop_gradient(above)))
        loss = squared_error(back, self.given_back(h, corrupted))
        return loss + penalty(self.l2(network, layer), inverse.trainable_variables)

    def targets(self, network, batch):
        h, top = batch.h[-2], len(network.pairs)
        inverse = network.feedback[top]
        z = inverse.features(h)
        at_p, at_t = (
            shaped_as(h, inverse(inverse.output(o, z)))
            for o in (batch.answers, self.output_target(batch))
        )
        target = difference_target(h, at_p, at_t)
        return difference_targets(network, batch, target, top)

    def get_config(self):
        return {**super().get_config(), "auxiliary_units": self.auxiliary_units}


class _AuxiliaryInverse(keras.layers.Layer):
    """g_M, which maps [o, z] `(batch, outputs + features)` to h_{M-1}, flat; and z itself."""

    def __init__(self, pair, units, activation):
        super().__init__(name="auxiliary_inverse", dtype=exact(pair.dtype_policy))
        self._sends_signs = pair.transmission == "sign"
        self._activation = keras.activations.get(activation)
        inputs = math.prod(pair.below)
        # A weight that cannot learn, whatever is said of the layer's `trainable`.
        self.auxiliary_kernel = self.add_weight(
            name="auxiliary_kernel",
            shape=(inputs, units),
            initializer=keras.initializers.GlorotUniform(),
            trainable=False,
        )
        # With `inverse_first` the activation answers to that of the output, which is linear.
        self._inverse = keras.layers.Dense(
            inputs,
            activation=pair.inverse_activation,
            kernel_initializer=pair.inverse_kernel_initializer,
            dtype=exact(pair.dtype_policy),
            name="inverse",
        )

    def build(self, input_shape):
        if self.built:
            return
        self._inverse.build(input_shape)
        self.built = True

    @property
    def kernel(self):
        return self._inverse.kernel

    def features(self, h):
        """Return z for h_{M-1}: `(batch, features)`."""
        flat = ops.reshape(self._sent(h), (-1, self.auxiliary_kernel.shape[0]))
        return self._activation(ops.matmul(flat, self.auxiliary_kernel))

    def output(self, answers, features):
        """Return [o, z]."""
        return ops.concatenate([answers, features], axis=1)

    def call(self, inputs):
        return self._inverse(self._sent(inputs))

    def _sent(self, h):
        return sign(h) if self._sends_signs else h
