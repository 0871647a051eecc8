"""Direct difference target propagation by plain reconstruction (Meulemans et al. 2020)."""

import keras

from dtp_tf.rules.base import shaped_as, squared_error
from dtp_tf.rules.ddtp_linear import DDTPLinear
from dtp_tf.rules.penalty import penalty


@keras.saving.register_keras_serializable("dtp_tf")
class DDTPControl(DDTPLinear):
    """`DDTPLinear` whose maps learn to give back the layer, and not its differences.

        t_i = h_i - q_i(h_M) + q_i(t_M)
        || h~ - q_i(y~) ||^2 + lambda || Q_i ||^2

    with y~ the logits for h~ = h_i + sigma eps. It is the control experiment of the paper: what the
    difference reconstruction loss is worth is seen beside it.

    Args:
        target_step, noise, inverse_l2: see `DDTPLinear`.
        schedule, inverse_steps, noise_directions, noise_samples: see `DDTPLinear`.

    Raises:
        SettingError: see `SmallNoiseRule`.

    References:
        Meulemans, Carzaniga, Suykens, Sacramento, Grewe, "A Theoretical Framework for Target
        Propagation", 2020, arXiv 2006.14331, section 6 (DDTP-control).
    """

    use_bias = True  # which does not cancel here

    def inverse_loss(self, network, batch, layer, noise):
        corrupted, moved = self.pushed(network, batch, layer, noise)
        q = network.feedback[layer]
        loss = squared_error(corrupted, shaped_as(corrupted, q(moved)))
        return loss + penalty(self.l2(network, layer), q.trainable_variables)
