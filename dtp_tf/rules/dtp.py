"""Difference target propagation (Lee et al. 2015, arXiv 1412.7525, Algorithm 1)."""

import keras
import tensorflow as tf

from dtp_tf.errors import SettingError
from dtp_tf.rules.base import NOISE, TARGET_STEP, each_at_least_zero, squared_error
from dtp_tf.rules.directed_noise import DirectedNoiseRule
from dtp_tf.rules.penalty import penalty


def top_target(h, gradient, eta):
    """t_{M-1} = h_{M-1} - eta dC/dh_{M-1}   (Algorithm 1, the first target)."""
    return h - eta * gradient


def difference_target(h_below, g_h, g_t):
    """t_{i-1} = h_{i-1} - g_i(h_i) + g_i(t_i)   (Algorithm 1, the difference correction)."""
    return h_below + (g_t - g_h)  # this order rounds once near h, not twice


def target_below(network, batch, layer, target):
    """`difference_target` by the inverse of layer `layer`, from the target of what it gives."""
    h, t = (batch.undropped(layer, point) for point in (batch.h[layer + 1], target))
    return batch.h[layer] + network.layers_up[layer].difference(h, t, batch.aux[layer])


def difference_targets(network, batch, target, top, *former):
    """Take the target of h_top down to h_1 by difference corrections.

    Args:
        network: whose inverses are used.
        batch: the `Batch`.
        target: t_top.
        top: number of the layer that `target` belongs to, from 1.

    Returns:
        [t_1, .., t_top]

    Raises:
        SettingError: the arguments are those of an earlier version, (network, h, target, top, aux).
    """
    if former or not hasattr(batch, "undropped"):
        raise SettingError(
            "`difference_targets` takes (network, batch, target, top), got a "
            f"{type(batch).__name__} and {3 + len(former)} more: pass `batch` in the place of "
            "`batch.h`, and no `batch.aux`."
        )
    targets = [target]
    for layer in range(top - 1, 0, -1):
        targets.insert(0, target_below(network, batch, layer, targets[0]))
    return targets


def targets_from_top(network, batch, eta):
    """Return [t_1, .., t_{M-1}]: `top_target`, and those below it by difference corrections.

    The first correction goes along the rows of the output layer's weights, of which there are as
    many as classes, so the inverse there need not be applied to t_{M-1} as a whole: see
    `LayerPair.difference_along`.
    """
    h, top = batch.h, len(batch.h) - 2
    target = top_target(h[top], batch.top_gradient(), eta)
    factors = batch.top_gradient_factors()
    if top == 1 or factors is None:
        return difference_targets(network, batch, target, top)
    error, rows = factors
    pair = network.layers_up[top - 1]
    correction = pair.difference_along(h[top], target, -eta * error, rows, batch.aux[top - 1])
    below = h[top - 1] + correction
    return [*difference_targets(network, batch, below, top - 1), target]


@keras.saving.register_keras_serializable("dtp_tf")
class DTP(DirectedNoiseRule):
    """Difference target propagation.

    Targets go down through the inverses, and the difference corrects what an imperfect inverse
    gets wrong:

        t_{M-1} = h_{M-1} - eta dC/dh_{M-1}
        t_{i-1} = h_{i-1} - g_i(h_i) + g_i(t_i)

    Each inverse learns to undo its layer around the activations, h~ = h_{i-1} + sigma eps:

        || g_i(f_i(h~)) - h~ ||^2 + lambda || V_i ||^2

    The paper has no penalty, lambda = 0. An exact inverse makes most of the directions that its
    layer passes on least; a penalty damps these, and brings g_i nearer to the transposed Jacobian
    of f_i.

    Args:
        target_step: eta, above 0; applies to the gradient of each example's own loss.
        noise: sigma, at least 0, in units of the activations; see `FeedbackRule`.
        schedule, inverse_steps, noise_samples: see `FeedbackRule`.
        inverse_l2: lambda, at least 0: weight of the squared weights of the inverses; a number, or
            a list with one for each trained inverse.
        noise_directions: see `DirectedNoiseRule`. A frame is drawn anew once all its directions
            have been used.

    Raises:
        SettingError: see `DirectedNoiseRule`.

    Example:

    >>> import dtp_tf
    >>> dtp_tf.rules.DTP(schedule="inverse-first", inverse_steps=2).inverse_steps
    2

    References:
        Lee, Zhang, Fischer, Bengio, "Difference Target Propagation", 2015, arXiv 1412.7525.
    """

    # What saturated units answer to the same few directions would err alike at every step.
    draws_frames_anew = True

    def __init__(
        self,
        target_step=TARGET_STEP,
        noise=NOISE,
        schedule="parallel",
        inverse_steps=1,
        noise_samples=1,
        inverse_l2=0.0,
        noise_directions="gaussian",
    ):
        super().__init__(
            target_step, noise, schedule, inverse_steps, noise_directions, noise_samples
        )
        self.inverse_l2 = each_at_least_zero("inverse_l2", inverse_l2)

    def uses_inverse(self, layer, layers):
        return 0 < layer < layers - 1

    def inverse_loss(self, network, batch, layer, noise):
        pair, h = network.layers_up[layer], batch.h[layer]
        corrupted = tf.stop_gradient(h + self.sigma(network, layer) * noise(h))
        above = tf.stop_gradient(batch.f(layer, corrupted, drop=False))
        loss = squared_error(pair.reconstruction(above, batch.aux[layer]), corrupted)
        return loss + penalty(self.l2(network, layer), pair.inverse_variables)

    def targets(self, network, batch):
        return targets_from_top(network, batch, self.target_step)

    def get_config(self):
        return {**super().get_config(), "inverse_l2": self.inverse_l2}
