"""Direct difference target propagation, linear (Meulemans et al. 2020, arXiv 2006.14331)."""

import keras
import tensorflow as tf

from dtp_tf.rules.base import each_at_least_zero, shaped_as
from dtp_tf.rules.directed_noise import SmallNoiseRule
from dtp_tf.rules.drl import difference_reconstruction_loss
from dtp_tf.rules.dtp import difference_target, top_target
from dtp_tf.rules.penalty import penalty


@keras.saving.register_keras_serializable("dtp_tf")
class DDTPLinear(SmallNoiseRule):
    """Targets by direct linear maps q_i from the logits to each hidden layer.

        t_M = h_M - eta dC/dh_M
        t_i = h_i - q_i(h_M) + q_i(t_M)

    A map learns from noise on its own layer, h~ = h_i + sigma eps, that moves the logits to y~:

        (1 / sigma^2) || h~ - ( h_i - q_i(h_M) + q_i(y~) ) ||^2 + lambda || Q_i ||^2

    Layers need no inverses, so anything may lie between them; maps to feature maps are flat.

    Args:
        target_step: eta, above 0; applies to the gradient of each example's own loss.
        noise: sigma, above 0, in units of the activations; see `FeedbackRule`.
        inverse_l2: lambda, at least 0: weight of the squared weights of the maps; a number, or a
            list with one for each.
        schedule, inverse_steps, noise_samples: see `FeedbackRule`.
        noise_directions: see `DirectedNoiseRule`.

    Raises:
        SettingError: see `SmallNoiseRule`.

    References:
        Meulemans, Carzaniga, Suykens, Sacramento, Grewe, "A Theoretical Framework for Target
        Propagation", 2020, arXiv 2006.14331, section 4 and its algorithm DDTP-linear.
    """

    #: Whether the maps have biases, which cancel in every difference.
    use_bias = False

    def __init__(
        self,
        target_step=0.0669,
        noise=0.1,
        inverse_l2=0.0,
        schedule="parallel",
        inverse_steps=1,
        noise_directions="gaussian",
        noise_samples=1,
    ):
        super().__init__(
            target_step, noise, schedule, inverse_steps, noise_directions, noise_samples
        )
        self.inverse_l2 = each_at_least_zero("inverse_l2", inverse_l2)

    def feedback_layers(self, layers):
        maps = {}
        for i, pair in enumerate(layers[:-1]):
            maps[i] = keras.layers.Dense(
                pair.units,
                use_bias=self.use_bias,
                kernel_initializer=pair.inverse_kernel_initializer,
                name=f"direct_{i + 1}",
            )
            maps[i].build((None, layers[-1].units))
        return maps

    def feedback_weights(self, units, weights):
        return units[-1] * sum(units[1:-1])

    def inverse_loss(self, network, batch, layer, noise):
        corrupted, moved = self.pushed(network, batch, layer, noise)
        q, sigma = network.feedback[layer], self.sigma(network, layer)
        reconstruction = self._difference(q, batch.h[layer + 1], batch.h[-1], moved)
        loss = difference_reconstruction_loss(corrupted, reconstruction, sigma)
        return loss + penalty(self.l2(network, layer), q.trainable_variables)

    def pushed(self, network, batch, layer, noise):
        """Return h~ and the logits y~ for it, held constant."""
        h = batch.h[layer + 1]
        corrupted = moved = h + self.sigma(network, layer) * noise(h)
        for above in range(layer + 1, len(network.layers_up)):
            moved = batch.f(above, moved)
        return corrupted, tf.stop_gradient(moved)

    def targets(self, network, batch):
        logits = batch.h[-1]
        top = top_target(logits, batch.output_gradient(), self.target_step)
        return [
            self._difference(network.feedback[i], batch.h[i + 1], logits, top)
            for i in range(len(network.pairs))
        ]

    def _difference(self, q, h, logits, moved):
        q_h, q_t = tf.split(q(tf.concat([logits, moved], axis=0)), 2, axis=0)
        return difference_target(h, shaped_as(h, q_h), shaped_as(h, q_t))

    def get_config(self):
        return {**super().get_config(), "inverse_l2": self.inverse_l2}
