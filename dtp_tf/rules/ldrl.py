"""The local difference reconstruction loss (Ernoult et al. 2022, arXiv 2201.13415)."""

import keras
import tensorflow as tf

from dtp_tf.rules.base import inner_product
from dtp_tf.rules.dtp import difference_targets, top_target
from dtp_tf.rules.small_noise import SmallNoiseRule


def local_difference_reconstruction_loss(dx, dg_up, dg_dy):
    """-2 < dx, g(f(x + dx)) - g(y) > + || g(y + dy) - g(y) ||^2, y = f(x)   (equation 10).

    Args:
        dx: the noise below.
        dg_up, dg_dy: the two differences of g.
    """
    return -2 * inner_product(dx, dg_up) + inner_product(dg_dy, dg_dy)


@keras.saving.register_keras_serializable("dtp_tf")
class LDRL(SmallNoiseRule):
    """Difference target propagation with the local difference reconstruction loss (L-DRL).

    The first target is a gradient step on the logits h_M, and goes down through the inverses of
    all layers but the first, that of the output layer included:

        t_M = h_M - beta dC/dh_M
        t_{i-1} = h_{i-1} - g_i(h_i) + g_i(t_i)

    With x = h_{i-1}, y = f_i(x), dx = sigma eps and dy = sigma eps', an inverse learns from

        -2 < dx, g(f(x + dx)) - g(y) > + || g(y + dy) - g(y) ||^2

    which is smallest where the Jacobian of g is the transposed Jacobian of f: the targets come
    close to backpropagation's, and g is no inverse at all. It needs several updates per batch with
    independent noise, fewer with orthogonal directions.

    Args:
        target_step: beta, above 0; applies to the gradient of each example's own loss.
        noise: sigma, above 0, in units of the activations; see `FeedbackRule`.
        schedule, inverse_steps, noise_samples: see `FeedbackRule`.
        noise_directions: see `SmallNoiseRule`; both eps and eps' have frames.

    Raises:
        SettingError: see `SmallNoiseRule`.

    References:
        Ernoult, Normandin, Moudgil, Spinney, Belilovsky, Rish, Richards, Bengio, "Towards Scaling
        Difference Target Propagation by Learning Backprop Targets", 2022, arXiv 2201.13415.
    """

    def __init__(
        self,
        target_step=0.1,
        noise=0.03,
        schedule="inverse-first",
        inverse_steps=5,
        noise_directions="gaussian",
        noise_samples=1,
    ):
        super().__init__(
            target_step, noise, schedule, inverse_steps, noise_directions, noise_samples
        )

    def noise_units(self, layers):
        return [
            max(below.units, layer.units)
            for below, layer in zip(layers, layers[1:], strict=False)
        ]

    def uses_inverse(self, layer, layers):
        return layer > 0

    def inverse_loss(self, network, batch, layer, noise):
        pair, x, y = network.layers_up[layer], batch.h[layer], batch.h[layer + 1]
        sigma = self.sigma(network, layer)
        dx, dy = sigma * noise(x), sigma * noise(y)
        up = tf.stop_gradient(batch.f(layer, x + dx))
        differences = pair.inverse_differences(y, [up, y + dy], batch.aux[layer])
        return local_difference_reconstruction_loss(dx, *differences)

    def targets(self, network, batch):
        top = top_target(batch.h[-1], batch.output_gradient(), self.target_step)
        return difference_targets(network, batch.h, top, len(batch.h) - 1, batch.aux)[:-1]
