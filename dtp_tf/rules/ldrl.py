"""The local difference reconstruction loss (Ernoult et al. 2022, arXiv 2201.13415)."""

import keras
import tensorflow as tf

from dtp_tf.errors import SettingError
from dtp_tf.pairs.base import defined_last
from dtp_tf.rules.base import check_choice, inner_product
from dtp_tf.rules.directed_noise import SmallNoiseRule
from dtp_tf.rules.dtp import difference_targets, top_target

JACOBIAN_NORMS = ("sampled", "analytic", "transposed")


@keras.saving.register_keras_serializable("dtp_tf")
class LDRL(SmallNoiseRule):
    """Difference target propagation with the local difference reconstruction loss (L-DRL).

    The first target is a gradient step on the logits h_M, and goes down through the inverses of
    all layers but the first, that of the output layer included:

        t_M = h_M - beta dC/dh_M
        t_{i-1} = h_{i-1} - g_i(h_i) + g_i(t_i)

    With x = h_{i-1}, y = f_i(x), dx = sigma eps and dy = sigma eps', an inverse learns from

        -2 < dx, g(f(x + dx)) - g(y) > + || g(y + dy) - g(y) ||^2     (equation 10)

    which is smallest where the Jacobian of g is the transposed Jacobian of f: the targets come
    close to backpropagation's, and g is no inverse at all. It needs several updates per batch with
    independent noise, fewer with orthogonal directions.

    The second term does not depend on f. Over all dy its mean is sigma^2 || J_g(y) ||_F^2, but for
    terms of sigma^4, and where g(z) = r(z) V + c that norm is known without a draw or a product
    with V: the sum over j of r'(y_j)^2 || V_j ||^2, as contractive autoencoders have it (Rifai et
    al. 2011). V then learns from the covariance of noise and answer, and decays.

    It is the mean of || J_g(y)^T dx ||^2, too, for the dx of the first term. With that the loss is,
    to first order and but for what does not depend on g, || J_f dx - J_g^T dx ||^2: where J_g is
    J_f^T, its gradient is 0 for each example and draw, and not on average alone. V is then used
    both ways, up to the layer and down from it.

    Args:
        target_step: beta, above 0; applies to the gradient of each example's own loss.
        noise: sigma, above 0, in units of the activations; see `FeedbackRule`.
        schedule, inverse_steps, noise_samples: see `FeedbackRule`.
        noise_directions: see `DirectedNoiseRule`; of both eps and eps'.
        jacobian_norm: "sampled", the second term with dy drawn, as published; or "analytic", its
            mean as above, in half the products of an update: for inverses with `inverse_first`,
            element-wise activations and no average pooling; or "transposed", as above, in three
            quarters of the products: for inverses with `inverse_first` and element-wise
            activations.

    Raises:
        SettingError: see `SmallNoiseRule`; an unknown `jacobian_norm`; once the network is built,
            one that is not known for a layer.

    References:
        Ernoult, Normandin, Moudgil, Spinney, Belilovsky, Rish, Richards, Bengio, "Towards Scaling
        Difference Target Propagation by Learning Backprop Targets", 2022, arXiv 2201.13415.

        Rifai, Vincent, Muller, Glorot, Bengio, "Contractive Auto-Encoders: Explicit Invariance
        During Feature Extraction", ICML 2011.
    """

    def __init__(
        self,
        target_step=0.1,
        noise=0.03,
        schedule="inverse-first",
        inverse_steps=5,
        noise_directions="gaussian",
        noise_samples=1,
        jacobian_norm="sampled",
    ):
        super().__init__(
            target_step, noise, schedule, inverse_steps, noise_directions, noise_samples
        )
        check_choice("jacobian_norm", jacobian_norm, JACOBIAN_NORMS)
        self.jacobian_norm = jacobian_norm

    def check_built(self, layers):
        super().check_built(layers)
        if self.jacobian_norm == "sampled":
            return
        for number, layer in enumerate(layers[1:], start=2):
            analytic = self.jacobian_norm == "analytic"
            obstacle = layer.norm_obstacle() if analytic else layer.slope_obstacle()
            if obstacle is not None:
                raise SettingError(
                    f"`jacobian_norm` {self.jacobian_norm} is not known here, for layer {number} "
                    f"{obstacle}; use sampled."
                )

    def uses_inverse(self, layer, layers):
        return layer > 0

    def inverse_loss(self, network, batch, layer, noise):
        pair, aux = network.layers_up[layer], batch.aux[layer]
        y, dx, points = self._perturbed(network, batch, layer, noise)
        first, *second = pair.inverse_differences(y, points, aux)
        if self.jacobian_norm == "transposed":
            second = [pair.transposed_differential(y, dx, aux)]
        if second:
            change = inner_product(*second, *second)
        else:
            norm = inner_product(pair.squared_slopes(y, aux), pair.squared_weights())
            change = self.sigma(network, layer) ** 2 * norm
        return -2 * inner_product(dx, first) + change

    def knows_descent(self, network, layer):
        return network.layers_up[layer].inverse_is_product and (
            defined_last(self, "inverse_descent", "inverse_loss")
        )

    def inverse_descent(self, network, batch, layer, noise, scale):
        """See `FeedbackRule`, where g(z) = r(z) V + c, whatever the product with V.

        With e = g(y + dy) - g(y), the gradient of the loss is G = -2 d/dV < dx, u V > +
        2 d/dV < e, v V >, u = r(f(x + dx)) - r(y) and v = r(y + dy) - r(y): a product's gradient
        does not need the product u V. The loss, linear and squared in V, is < G, V > - || e ||^2.
        Where the second term is analytic, its slopes are summed over the batch first. Where it is
        transposed, e = J_g^T dx, and v = r'(y) e has the same output as u, dx.
        """
        pair, aux = network.layers_up[layer], batch.aux[layer]
        y, dx, points = self._perturbed(network, batch, layer, noise)
        u, *v = pair.inverse_inputs(y, points, aux)
        if self.jacobian_norm == "transposed":
            e = pair.transposed_differential(y, dx, aux)
            inputs = pair.input_differential(y, e, aux) - u
            gradients = pair.inverse_gradients([inputs], [2 * scale * dx])
            return _inner(gradients, pair) / scale - tf.reduce_sum(e * e), gradients
        e = [pair.inverse_product(one) for one in v]
        outputs = [-2 * scale * dx, *(2 * scale * one for one in e)]
        gradients = pair.inverse_gradients([u, *v], outputs)
        if v:
            return _inner(gradients, pair) / scale - tf.reduce_sum(e[0] * e[0]), gradients
        # The norm N(V) is squared in V, so that < dN/dV, V > / 2 = N.
        slopes = tf.reduce_sum(pair.squared_slopes(y, aux), axis=0, keepdims=True)
        half = pair.norm_gradients(scale * self.sigma(network, layer) ** 2 / 2 * slopes)
        gradients = _added(gradients, half)
        return _inner(gradients, pair) / scale, _added(gradients, half)

    def _perturbed(self, network, batch, layer, noise):
        """Return y, all that f makes of x, and of a draw of the noise dx and the points
        [f(x + dx), y + dy], or the first alone where the second term has no dy."""
        x, y = batch.h[layer], batch.undropped(layer, batch.h[layer + 1])
        sigma = self.sigma(network, layer)
        dx = sigma * noise(x)
        points = [tf.stop_gradient(batch.f(layer, x + dx, drop=False))]
        if self.jacobian_norm == "sampled":
            points.append(y + sigma * noise(y))
        return y, dx, points

    def targets(self, network, batch):
        top = top_target(batch.h[-1], batch.output_gradient(), self.target_step)
        return difference_targets(network, batch, top, len(batch.h) - 1)[:-1]

    def get_config(self):
        return {**super().get_config(), "jacobian_norm": self.jacobian_norm}


def _inner(gradients, pair):
    """< G, V > over all weights of g; c, whose gradient is None, cancels in differences."""
    return tf.add_n(
        [
            tf.reduce_sum(gradient * tf.convert_to_tensor(weight))
            for gradient, weight in zip(gradients, pair.inverse_variables, strict=True)
            if gradient is not None
        ]
    )


def _added(gradients, others):
    return [
        None if one is None else one + other
        for one, other in zip(gradients, others, strict=True)
    ]
