"""What the units of a first layer look for, as images."""

import numpy as np

from dtp_tf.pairs.conv import Conv2DPair
from dtp_tf.pairs.local import LocallyConnected2DPair
from dtp_tf.reporting.blocks import Image, Images, Text
from dtp_tf.reporting.images import signed

UNITS = 40  # that are shown


def first_layer(network):
    """Return blocks: the weights of the first layer's units, as images.

    Args:
        network: a built `DTPNetwork`.
    """
    pair = network.layers_up[0]
    kernel = getattr(getattr(pair, "forward_layer", None), "kernel", None)
    images = None if kernel is None or pair.is_block else _units(np.asarray(kernel), pair, network)
    if images is None:
        why = "is a block of several layers" if pair.is_block else "has weights that are no images"
        return [Text(f"Not shown: the first layer ({type(pair).__name__}) {why}.", "note")]
    images, what = images
    if not np.isfinite(images).all():
        return [Text("Not shown: its weights are not finite.", "note")]
    norms = np.sqrt(np.square(images).sum(axis=(1, 2, 3)))
    best = np.argsort(-norms, kind="stable")[:UNITS]
    gray = images.shape[-1] == 1
    units = f"all {len(images):,} units"
    if len(best) < len(images):
        units = f"{len(best):,} of the {len(images):,} units"
    caption = (
        f"{what} of {units}, those with the longest weights first; each has its own scale. "
        + ("Red pixels excite the unit, blue ones inhibit it." if gray else "Grey is 0.")
    )
    shown = [
        Image([(signed(images[n][..., 0] if gray else images[n]), f"weights of unit {n + 1}")])
        for n in best
    ]
    return [Images(caption, shown, "tiny")]


def _units(kernel, pair, network):
    """Return the weights of each unit `(units, height, width, channels)`, and what they are."""
    shape = network.example_shape
    if len(shape) != 3 or shape[-1] not in (1, 3):
        return None
    if kernel.ndim == 2 and len(kernel) == np.prod(shape):
        return kernel.T.reshape(-1, *shape), "The weights"
    if isinstance(pair, Conv2DPair):
        return kernel.transpose(3, 0, 1, 2), "The kernels"
    if isinstance(pair, LocallyConnected2DPair):
        middle = kernel[kernel.shape[0] // 2, kernel.shape[1] // 2]
        size = pair.kernel_size
        return middle.T.reshape(-1, size, size, shape[-1]), "The kernels in the middle of the image"
    return None
