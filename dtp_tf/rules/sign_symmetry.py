"""Sign-symmetric feedback (Liao et al. 2016, arXiv 1510.05067)."""

import keras
import tensorflow as tf

from dtp_tf.errors import SettingError
from dtp_tf.rules.fa import FA


@keras.saving.register_keras_serializable("dtp_tf")
class SignSymmetry(FA):
    """Backpropagation through the signs of the transposed weights.

        signal_{i-1} = ( signal_i * s'(a_i) ) sign(W_i)^T,   and at the logits   signal_M = dC/dh_M

    It is the uniform sign-concordant feedback of the paper (uSF). Signals grow with the width of a
    layer, so it wants an optimizer that does not mind their scale, such as Adam. In a convolution
    the transposed convolution has the signs of the kernel; pooling passes the signal on as in
    backpropagation.

    Raises:
        SettingError: a layer whose backward pass is not known, such as a block of several, or one
            that gets signs only.

    References:
        Liao, Leibo, Poggio, "How Important is Weight Symmetry in Backpropagation?", AAAI 2016,
        arXiv 1510.05067, section 3. Xiao, Chen, Liao, Poggio, "Biologically-plausible learning
        algorithms can scale to large datasets", ICLR 2019, arXiv 1811.03567.
    """

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
        return {}

    def sent_down(self, network, batch, layer, slope):
        pair, h = network.layers_up[layer], batch.h[layer]
        kernel = pair.forward_layer.kernel
        # The transposed map of f's own, with other weights in its place.
        with tf.GradientTape() as tape, keras.StatelessScope([(kernel, tf.sign(kernel))]):
            tape.watch(h)
            pre_activation = pair.pre_activation(h)
        return tape.gradient(pre_activation, h, output_gradients=slope)
