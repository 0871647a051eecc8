"""The text of a recipe's `layers`: what each hidden layer is, a few words each.

    conv CHANNELS KERNEL[/STRIDE] [same|valid|pN] [ACTIVATION] [max|average SIZE[/STRIDE] [pN]]
    dense UNITS [ACTIVATION]

    conv 32 5 max 3/2 p1      32 channels, kernels of 5x5 pixels, then the largest of each window of
                              3x3 pixels, every 2 pixels, with 1 pixel of padding on every side
    conv 64 3/2 valid elu     kernels of 3x3 pixels every 2 pixels, inside the image only, and ELU
    dense 512                 a layer of 512 units

Strides are 1 for kernels and the window's size for pooling unless they are given; the padding of
kernels is "same". pN pads every side by N pixels, as PyTorch does. A layer without an activation
has the recipe's. This module does not import TensorFlow.
"""

import dataclasses
import re

from dtp_tf.errors import SettingError
from dtp_tf.schema import brief

MOST_UNITS = 100_000  # of a layer, or channels
MOST_PIXELS = 64  # on a side of a kernel; TensorFlow dies of kernels of 200
_POOLS = ("max", "average")


@dataclasses.dataclass(frozen=True)
class Conv:
    """A convolution with pooling, as `dtp_tf.Conv2DPair` takes it."""

    filters: int
    kernel_size: int
    strides: int = 1
    padding: str | int = "same"
    activation: str | None = None
    pool: str | None = None
    pool_size: int = 2
    pool_strides: int | None = None
    pool_padding: int = 0


@dataclasses.dataclass(frozen=True)
class Dense:
    """A dense layer, as `dtp_tf.DensePair` takes it."""

    units: int
    activation: str | None = None


def parse_layers(texts, activations):
    """Return the layers that texts describe, `Conv` and `Dense`, from the input on.

    Args:
        texts: one text a layer.
        activations: the names of activations.

    Raises:
        SettingError: a text that means nothing, or a convolution above a dense layer.
    """
    layers = [_parse(text, activations) for text in texts]
    for text, below, layer in zip(texts[1:], layers, layers[1:], strict=False):
        if isinstance(layer, Conv) and isinstance(below, Dense):
            raise SettingError(
                f"`layers` has {brief(text)} above a dense layer, which gives no images; put dense "
                "layers last."
            )
    return layers


def _parse(text, activations):
    words = text.split()
    kind, words = (words[0], words[1:]) if words else ("", [])
    if kind == "dense":
        units = _whole(text, words, "UNITS")
        activation = words.pop(0) if words and words[0] in activations else None
        _refuse_rest(text, words, activations)
        return Dense(units, activation)
    if kind != "conv":
        raise SettingError(
            f"`layers` has {brief(text)}; a layer is conv CHANNELS KERNEL ... or dense UNITS ..., "
            "such as conv 32 5 max 2, or dense 512."
        )
    found = {"filters": _whole(text, words, "CHANNELS")}
    found["kernel_size"], stride = _size(text, words, "KERNEL")
    found["strides"] = stride or 1
    if found["kernel_size"] > MOST_PIXELS:
        raise SettingError(
            f"`layers` has {brief(text)}, where KERNEL must be at most {MOST_PIXELS} pixels; got "
            f"{found['kernel_size']}."
        )
    if words and (words[0] in ("same", "valid") or _padding(words[0]) is not None):
        word = words.pop(0)
        found["padding"] = word if _padding(word) is None else _padding(word)
        if _padding(word) is not None and _padding(word) > found["kernel_size"]:
            raise SettingError(
                f"`layers` has {brief(text)}, where {word} pads by more than the kernel's "
                f"{found['kernel_size']} pixels; pad less."
            )
    if words and words[0] in activations:
        found["activation"] = words.pop(0)
    if words and words[0] in _POOLS:
        found["pool"] = words.pop(0)
        found["pool_size"], found["pool_strides"] = _size(text, words, "SIZE")
        if words and _padding(words[0]) is not None:
            found["pool_padding"] = _padding(words.pop(0))
    _refuse_rest(text, words, activations)
    return Conv(**found)


def _whole(text, words, what):
    number = re.fullmatch(r"[1-9][0-9]{0,5}", words[0]) if words else None
    if number is None or int(number[0]) > MOST_UNITS:
        got = brief(words[0]) if words else "nothing"
        raise SettingError(
            f"`layers` has {brief(text)}, where {what} must be a whole number of at least 1 and at "
            f"most {MOST_UNITS:,}; got {got}."
        )
    return int(words.pop(0))


def _size(text, words, what):
    """Return the side and the stride, None if it is not given."""
    match = re.fullmatch(r"([1-9][0-9]{0,2})(?:/([1-9][0-9]{0,2}))?", words[0]) if words else None
    if match is None:
        got = brief(words[0]) if words else "nothing"
        raise SettingError(
            f"`layers` has {brief(text)}, where {what} must be pixels, below 1,000, or "
            f"pixels/stride such as 3/2; got {got}."
        )
    words.pop(0)
    return int(match[1]), match[2] and int(match[2])


def _padding(word):
    match = re.fullmatch(r"p([0-9]{1,3})", word)
    return match and int(match[1])


def _refuse_rest(text, words, activations):
    if words:
        raise SettingError(
            f"`layers` has {brief(text)}, where {brief(words[0])} has no meaning, or not in this "
            "place; the order is: sizes, padding (same, valid, pN), activation "
            f"({', '.join(activations[:3])}, ...), pooling (max or average SIZE/STRIDE pN)."
        )
