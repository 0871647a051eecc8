"""Fixed-weight difference target propagation (Shibuya et al. 2022, arXiv 2212.10352)."""

import keras

from dtp_tf.rules.base import TargetRule
from dtp_tf.rules.dtp import targets_from_top


@keras.saving.register_keras_serializable("dtp_tf")
class FWDTP(TargetRule):
    """Difference target propagation through inverses that are random and never learn.

        t_{M-1} = h_{M-1} - eta dC/dh_{M-1}
        t_{i-1} = h_{i-1} - g_i(h_i) + g_i(t_i)

    Args:
        target_step: eta, above 0; applies to the gradient of each example's own loss.

    Raises:
        SettingError: a value out of its range.

    References:
        Shibuya, Inoue, Kawakami, Sato, "Fixed-Weight Difference Target Propagation", 2022, arXiv
        2212.10352. There the weights of the inverses are uniform in -0.001 .. 0.001, which in a
        deep network makes the lower target differences smaller than float32 can tell.
    """

    def uses_inverse(self, layer, layers):
        return 0 < layer < layers - 1

    def targets(self, network, batch):
        return targets_from_top(network, batch, self.target_step)
