"""The local difference reconstruction loss (Ernoult et al. 2022, arXiv 2201.13415)."""

import keras
import tensorflow as tf

from dtp_tf.directions import WIDEST
from dtp_tf.errors import SettingError
from dtp_tf.rules.base import FeedbackRule, as_list, inner_product
from dtp_tf.rules.drl import check_noise_above_zero
from dtp_tf.rules.dtp import difference_targets, top_target

DIRECTIONS = ("gaussian", "orthogonal")


def local_difference_reconstruction_loss(dx, dg_up, dg_dy):
    """-2 < dx, g(f(x + dx)) - g(y) > + || g(y + dy) - g(y) ||^2, y = f(x)   (equation 10).

    Args:
        dx: the noise below.
        dg_up, dg_dy: the two differences of g.
    """
    return -2 * inner_product(dx, dg_up) + inner_product(dg_dy, dg_dy)


@keras.saving.register_keras_serializable("dtp_tf")
class LDRL(FeedbackRule):
    """Difference target propagation with the local difference reconstruction loss (L-DRL).

    The first target is a gradient step on the logits h_M, and goes down through the inverses of
    all layers but the first, that of the output layer included:

        t_M = h_M - beta dC/dh_M
        t_{i-1} = h_{i-1} - g_i(h_i) + g_i(t_i)

    With x = h_{i-1}, y = f_i(x), dx = sigma eps and dy = sigma eps', an inverse learns from

        -2 < dx, g(f(x + dx)) - g(y) > + || g(y + dy) - g(y) ||^2

    which is smallest where the Jacobian of g is the transposed Jacobian of f: the targets come
    close to backpropagation's, and g is no inverse at all. It needs several updates per batch.

    The estimate of that Jacobian from one sample is mostly noise: independent directions in n
    dimensions leave a relative error of about sqrt(n / samples). Orthogonal directions do not: n in
    turn have the covariance sigma^2 I exactly, and the loss means the same to first order.

    Args:
        target_step: beta, above 0; applies to the gradient of each example's own loss.
        noise: sigma, above 0, in units of the activations; see `FeedbackRule`.
        schedule, inverse_steps: see `FeedbackRule`.
        noise_directions: "gaussian", as published, or "orthogonal": eps and eps' go through the
            directions of a frame each, example by example, with random signs. Or a list with one of
            these for each layer but the first, from the input on.

    Raises:
        SettingError: a value out of its range, or orthogonal directions for a layer with more than
            4096 units or inputs.

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
    ):
        super().__init__(target_step, noise, schedule, inverse_steps)
        check_noise_above_zero(self)
        chosen = as_list(noise_directions)
        if not chosen or any(one not in DIRECTIONS for one in chosen):
            raise SettingError(
                f"`noise_directions` must be one of {', '.join(DIRECTIONS)}, or a list of these; "
                f"got {noise_directions!r}."
            )
        self.noise_directions = noise_directions

    def check_built(self, layers):
        many = isinstance(self.noise_directions, (list, tuple))
        chosen = self.noise_directions if many else [self.noise_directions] * (len(layers) - 1)
        neighbours = zip(layers, layers[1:], strict=False)
        for i, (one, (below, layer)) in enumerate(zip(chosen, neighbours, strict=False), start=2):
            widest = max(below.units, layer.units)
            if one == "orthogonal" and widest > WIDEST:
                raise SettingError(
                    f"`noise_directions` orthogonal needs at most {WIDEST} units, and layer {i} "
                    f"has {below.units} inputs and {layer.units} units; use gaussian there."
                )

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

    def get_config(self):
        chosen = self.noise_directions
        plain = list(chosen) if isinstance(chosen, tuple) else chosen
        return {**super().get_config(), "noise_directions": plain}
