"""Feedback that starts at the transposed weights: the setting `symmetric_start` of a recipe."""

import keras

from dtp_tf.errors import SettingError
from dtp_tf.pairs import Conv2DPair, DensePair, LocallyConnected2DPair


def start_symmetric(network):
    """Give a built network's inverses, or other feedback weights, the weights of their layers.

    The Jacobian of a linear layer's feedback is then the transposed one of the layer.

    Raises:
        SettingError: a layer whose feedback has no such weights.
    """
    for i, pair in enumerate(network.layers_up):
        feedback = network.feedback.get(i, pair.inverse_layer if i in network.inverted else None)
        if feedback is None:
            continue
        if not isinstance(pair, (DensePair, Conv2DPair, LocallyConnected2DPair)):
            raise SettingError(
                f"`symmetric_start` needs layers with one set of weights, and layer {i + 1} is a "
                f"{type(pair).__name__}; leave it out."
            )
        kernel = keras.ops.convert_to_tensor(pair.forward_layer.kernel)
        if hasattr(feedback, "auxiliary_kernel"):  # of features that the output has, too
            kernel = keras.ops.concatenate([kernel, feedback.auxiliary_kernel], axis=1)
        # The kernels of transposed convolutions have the shape of the convolutions'.
        kernel = keras.ops.transpose(kernel) if isinstance(pair, DensePair) else kernel
        if tuple(kernel.shape) != tuple(feedback.kernel.shape):
            raise SettingError(
                f"`symmetric_start` needs feedback of the shape {tuple(kernel.shape)} at layer "
                f"{i + 1}, got {tuple(feedback.kernel.shape)}; leave it out."
            )
        feedback.kernel.assign(kernel)
