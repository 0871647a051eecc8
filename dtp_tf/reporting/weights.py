"""What the units of a first layer look for, as images."""

import dataclasses

import numpy as np

from dtp_tf.pairs.conv import Conv2DPair
from dtp_tf.pairs.local import LocallyConnected2DPair
from dtp_tf.reporting.blocks import Image, Images, Text
from dtp_tf.reporting.images import signed

UNITS = 40  # that are shown


@dataclasses.dataclass(frozen=True)
class Weights:
    """The weights of a first layer's units as images.

    Attributes:
        images: of the units with the longest weights, the longest first, `(n, H, W, C)`.
        numbers: which units these are, from 0 on.
        units: how many there are.
        what: what they are, in words.
    """

    images: np.ndarray
    numbers: np.ndarray
    units: int
    what: str


def first_layer_weights(network):
    """Return the `Weights` of a built `DTPNetwork`, or None where they are no images."""
    pair = network.layers_up[0]
    kernel = getattr(getattr(pair, "forward_layer", None), "kernel", None)
    found = None if kernel is None or pair.is_block else _units(np.asarray(kernel), pair, network)
    if found is None or not np.isfinite(found[0]).all():
        return None
    images, what = found
    norms = np.sqrt(np.square(images).sum(axis=(1, 2, 3)))
    best = np.argsort(-norms, kind="stable")[:UNITS]
    return Weights(images[best], best, len(images), what)


def first_layer(network):
    """Return blocks: the weights of the first layer's units, as images.

    Args:
        network: a built `DTPNetwork`.
    """
    weights = first_layer_weights(network)
    if weights is None:
        pair = network.layers_up[0]
        why = "is a block of several layers" if pair.is_block else "has weights that are no images"
        return [Text(f"Not shown: the first layer ({type(pair).__name__}) {why}.", "note")]
    gray = weights.images.shape[-1] == 1
    units = f"all {weights.units:,} units"
    if len(weights.images) < weights.units:
        units = f"{len(weights.images):,} of the {weights.units:,} units"
    caption = (
        f"{weights.what} of {units}, those with the longest weights first; each has its own scale. "
        + ("Red pixels excite the unit, blue ones inhibit it." if gray else "Grey is 0.")
    )
    shown = [
        Image([(signed(one[..., 0] if gray else one), f"weights of unit {number + 1}")])
        for one, number in zip(weights.images, weights.numbers, strict=True)
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
