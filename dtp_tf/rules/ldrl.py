"""The local difference reconstruction loss (Ernoult et al. 2022, arXiv 2201.13415)."""

import keras
import tensorflow as tf

from dtp_tf.pairs.base import defined_last
from dtp_tf.rules.base import inner_product
from dtp_tf.rules.directed_noise import SmallNoiseRule
from dtp_tf.rules.dtp import difference_targets, top_target


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
        noise_directions: see `DirectedNoiseRule`; both eps and eps' have frames.

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
        pair, y = network.layers_up[layer], batch.h[layer + 1]
        dx, points = self._perturbed(network, batch, layer, noise)
        differences = pair.inverse_differences(y, points, batch.aux[layer])
        return local_difference_reconstruction_loss(dx, *differences)

    def knows_descent(self, network, layer):
        pair = network.layers_up[layer]
        return (
            pair.linear_inverse
            and defined_last(pair, "linear_inverse", "inverse_differences")
            and defined_last(self, "inverse_descent", "inverse_loss")
        )

    def inverse_descent(self, network, batch, layer, noise, scale):
        """See `FeedbackRule`, where g(z) = r(z) V + c, whatever the product with V.

        With e = g(y + dy) - g(y), the gradient of the loss is G = -2 d/dV < dx, u V > +
        2 d/dV < e, v V >, u = r(f(x + dx)) - r(y) and v = r(y + dy) - r(y): a product's gradient
        does not need the product u V. The loss, linear and squared in V, is < G, V > - || e ||^2.
        """
        pair, y = network.layers_up[layer], batch.h[layer + 1]
        dx, points = self._perturbed(network, batch, layer, noise)
        u, v = pair.inverse_inputs(y, points, batch.aux[layer])
        e = pair.inverse_product(v)
        gradients = pair.inverse_gradients([u, v], [-2 * scale * dx, 2 * scale * e])
        along = [
            tf.reduce_sum(gradient * tf.convert_to_tensor(weight))
            for gradient, weight in zip(gradients, pair.inverse_variables, strict=True)
            if gradient is not None  # c cancels
        ]
        return sum(along) / scale - tf.reduce_sum(e * e), gradients

    def _perturbed(self, network, batch, layer, noise):
        """Return dx and the points [f(x + dx), y + dy] of a draw of the noise."""
        x, y = batch.h[layer], batch.h[layer + 1]
        sigma = self.sigma(network, layer)
        dx, dy = sigma * noise(x), sigma * noise(y)
        return dx, [tf.stop_gradient(batch.f(layer, x + dx)), y + dy]

    def targets(self, network, batch):
        top = top_target(batch.h[-1], batch.output_gradient(), self.target_step)
        return difference_targets(network, batch.h, top, len(batch.h) - 1, batch.aux)[:-1]
