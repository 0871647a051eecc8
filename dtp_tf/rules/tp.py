"""Target propagation without the difference correction (Lee et al. 2015, section 2.2)."""

import keras

from dtp_tf.rules.dtp import DTP, top_target


@keras.saving.register_keras_serializable("dtp_tf")
class TP(DTP):
    """Target propagation: targets are what the inverses say, without a correction.

        t_{M-1} = h_{M-1} - eta dC/dh_{M-1}
        t_{i-1} = g_i(t_i)

    The inverses learn as in `DTP`. An inverse that is not exact moves the targets away from the
    activations even where nothing is to be improved, which is what `DTP` corrects.

    Args:
        target_step, noise, schedule, inverse_steps, noise_samples, inverse_l2, noise_directions:
            see `DTP`.

    Raises:
        SettingError: a value out of its range.

    References:
        Lee, Zhang, Fischer, Bengio, "Difference Target Propagation", 2015, arXiv 1412.7525,
        section 2.2, equation 9.
    """

    def targets(self, network, batch):
        top = len(batch.h) - 3
        targets = [top_target(batch.h[-2], batch.top_gradient(), self.target_step)]
        t = batch.undropped(top, targets[0])  # those below are of whole layers, as g_i gives them
        for layer in range(top, 0, -1):
            t = network.layers_up[layer](t, reverse=True, aux=batch.aux[layer])
            targets.insert(0, batch.dropped(layer - 1, t))
        return targets
