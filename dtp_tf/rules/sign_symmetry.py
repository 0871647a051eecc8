"""Sign-symmetric feedback (Liao et al. 2016, arXiv 1510.05067)."""

import keras
import tensorflow as tf

from dtp_tf.errors import SettingError
from dtp_tf.pairs.dense import DensePair
from dtp_tf.rules.base import check_choice
from dtp_tf.rules.fa import FA

MAGNITUDES = ("uniform", "fixed-random")
"""The kinds that `feedback_magnitudes` takes."""


@keras.saving.register_keras_serializable("dtp_tf")
class SignSymmetry(FA):
    """Backpropagation through the signs of the transposed weights.

        signal_{i-1} = ( signal_i * s'(a_i) ) sign(W_i)^T,   and at the logits   signal_M = dC/dh_M

    It is the uniform sign-concordant feedback of the paper (uSF). Signals grow with the width of a
    layer, so it wants an optimizer that does not mind their scale, such as Adam. In a convolution
    the transposed convolution has the signs of the kernel; pooling passes the signal on as in
    backpropagation.

    With fixed random magnitudes (frSF) it is |B_i| * sign(W_i)^T, entry by entry, where B_i is
    drawn once by the initializer of the pair's inverse and never learns.

    Args:
        feedback_magnitudes: "uniform" or "fixed-random".

    Raises:
        SettingError: `feedback_magnitudes` of another kind, a layer whose backward pass is not
            known, such as a block of several, or one that gets signs only.

    References:
        Liao, Leibo, Poggio, "How Important is Weight Symmetry in Backpropagation?", AAAI 2016,
        arXiv 1510.05067, section 3. Xiao, Chen, Liao, Poggio, "Biologically-plausible learning
        algorithms can scale to large datasets", ICLR 2019, arXiv 1811.03567.
    """

    def __init__(self, feedback_magnitudes="uniform"):
        check_choice("feedback_magnitudes", feedback_magnitudes, MAGNITUDES)
        self.feedback_magnitudes = feedback_magnitudes

    def check(self, layers):
        super().check(layers)
        for number, layer in enumerate(layers, start=1):
            if layer.transmission == "sign":
                raise SettingError(
                    "sign-symmetric feedback goes back through the layers' weights, and layer "
                    f"{number} gets nothing but signs, which have no gradient; use a rule such as "
                    'dtp, or transmission "continuous".'
                )

    def feedback_layers(self, layers):
        return super().feedback_layers(layers) if self._is_random else {}

    def feedback_weights(self, units, weights):
        return super().feedback_weights(units, weights) if self._is_random else 0

    @property
    def _is_random(self):
        return self.feedback_magnitudes == "fixed-random"

    def sent_down(self, network, batch, layer, slope):
        pair, h = network.layers_up[layer], batch.h[layer]
        kernel = pair.forward_layer.kernel
        signs = tf.sign(kernel)
        if self._is_random:
            drawn = tf.convert_to_tensor(network.feedback[layer].kernel)
            # The kernels of transposed convolutions have the shape of the convolutions'.
            signs *= tf.abs(tf.transpose(drawn) if isinstance(pair, DensePair) else drawn)
        # The transposed map of f's own, with other weights in its place.
        with tf.GradientTape() as tape, keras.StatelessScope([(kernel, signs)]):
            tape.watch(h)
            pre_activation = pair.pre_activation(h)
        return tape.gradient(pre_activation, h, output_gradients=slope)

    def get_config(self):
        return {**super().get_config(), "feedback_magnitudes": self.feedback_magnitudes}
