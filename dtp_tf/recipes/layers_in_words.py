"""The text of a recipe's `layers`: what each hidden layer is, a few words each.

    conv CHANNELS KERNEL[/STRIDE] [same|valid|pN] [norm] [ACTIVATION] [POOLING] [dropout RATE]
    local CHANNELS KERNEL[/STRIDE] [same|valid] [ACTIVATION] [dropout RATE]
    residual CHANNELS [/STRIDE] [ACTIVATION] [POOLING] [dropout RATE]
    dense UNITS [norm] [ACTIVATION] [dropout RATE]

    POOLING is max|average SIZE[/STRIDE] [pN]

    conv 32 5 max 3/2 p1      32 channels, kernels of 5x5 pixels, then the largest of each window of
                              3x3 pixels, every 2 pixels, with 1 pixel of padding on every side
    conv 64 3/2 valid elu     kernels of 3x3 pixels every 2 pixels, inside the image only, and ELU
    conv 64 3 norm relu       batch normalisation between the convolution and ReLU
    local 32 3/2              as conv 32 3/2, with kernels that differ from place to place
    residual 128 /2           convolution of 3x3 every 2 pixels, normalisation, activation,
                              convolution of 3x3, normalisation; what came in is added (through a
                              convolution of 1x1 and normalisation where the shape changes); then
                              the activation
    dense 512 dropout 0.5     512 units, of whose activations training drops half

Strides are 1 for kernels and the window's size for pooling unless they are given; the padding of
kernels is "same". pN pads every side by N pixels, as PyTorch does. A layer without an activation
has the recipe's. `norm` and `dropout RATE` may also stand as entries of their own: they belong to
the layer before them, as if they stood in it. This module does not import TensorFlow.
"""

import dataclasses
import re

from dtp_tf.errors import SettingError
from dtp_tf.schema import brief

MOST_UNITS = 100_000  # of a layer, or channels
MOST_PIXELS = 64  # on a side of a kernel; TensorFlow dies of kernels of 200
MOST_LOCAL_PIXELS = 11  # of one that differs from place to place
_POOLS = ("max", "average")


@dataclasses.dataclass(frozen=True)
class Conv:
    """A convolution with pooling, as `dtp_tf.Conv2DPair` takes it; with `norm` it is a block."""

    filters: int
    kernel_size: int
    strides: int = 1
    padding: str | int = "same"
    activation: str | None = None
    pool: str | None = None
    pool_size: int = 2
    pool_strides: int | None = None
    pool_padding: int = 0
    norm: bool = False
    dropout: float = 0.0


@dataclasses.dataclass(frozen=True)
class Local:
    """A locally connected layer, as `dtp_tf.LocallyConnected2DPair` takes it."""

    filters: int
    kernel_size: int
    strides: int = 1
    padding: str = "same"
    activation: str | None = None
    dropout: float = 0.0


@dataclasses.dataclass(frozen=True)
class Residual:
    """A residual block of two convolutions of 3x3 pixels, which may pool what it gives."""

    filters: int
    strides: int = 1
    activation: str | None = None
    pool: str | None = None
    pool_size: int = 2
    pool_strides: int | None = None
    pool_padding: int = 0
    dropout: float = 0.0


@dataclasses.dataclass(frozen=True)
class Dense:
    """A dense layer, as `dtp_tf.DensePair` takes it; with `norm` it is a block."""

    units: int
    activation: str | None = None
    norm: bool = False
    dropout: float = 0.0


def is_block(layer):
    """Whether a layer is several of Keras's, which together make one pair."""
    return isinstance(layer, Residual) or getattr(layer, "norm", False)


def parse_layers(texts, activations):
    """Return the layers that texts describe, `Conv`, `Local`, `Residual` and `Dense`, from the
    input on.

    Args:
        texts: one text a layer, or what belongs to the layer before.
        activations: the names of activations.

    Raises:
        SettingError: a text that means nothing, or a layer of images above a dense one.
    """
    layers = []
    for text in texts:
        words = _Words(text, activations)
        if words.next in ("norm", "dropout"):
            layers.append(_joined(words, layers.pop() if layers else None))
            continue
        layer = words.layer()
        if layers and isinstance(layers[-1], Dense) and not isinstance(layer, Dense):
            words.refuse("above a dense layer, which gives no images; put dense layers last.")
        layers.append(layer)
    return layers


def _joined(words, layer):
    """Return a layer with the norm or the dropout of an entry of its own."""
    if layer is None:
        words.refuse("with no layer before it to belong to; put it after one.")
    found = words.extras(layer)
    for name in found:
        if getattr(layer, name):
            words.refuse(f"but the layer before it has {name} already; say it once.")
    words.refuse_rest()
    return words.checked(dataclasses.replace(layer, **found))


class _Words:
    """The words of one text, read from left to right."""

    def __init__(self, text, activations):
        self.text, self.words, self.activations = text, text.split(), activations

    @property
    def next(self):
        return self.words[0] if self.words else None

    def refuse(self, why):
        raise SettingError(f"`layers` has {brief(self.text)}{'' if why[0] == ',' else ' '}{why}")

    def layer(self):
        kinds = {"conv": Conv, "local": Local, "residual": Residual, "dense": Dense}
        if self.next not in kinds:
            raise SettingError(
                f"`layers` has {brief(self.text)}; a layer is conv CHANNELS KERNEL ..., local "
                "CHANNELS KERNEL ..., residual CHANNELS [/STRIDE] ... or dense UNITS ..., such as "
                "conv 32 5 max 2, or dense 512; norm and dropout RATE belong to the layer before."
            )
        kind = kinds[self.words.pop(0)]
        found = getattr(self, f"_{kind.__name__.lower()}")()
        if self.next == "norm":
            found |= self.extras(kind)
        if self.next in self.activations:
            found["activation"] = self.words.pop(0)
        if kind in (Conv, Residual) and self.next in _POOLS:
            found |= self._pooling()
        if self.next == "dropout":
            found |= self.extras(kind)
        self.refuse_rest()
        return self.checked(kind(**found))

    def checked(self, layer):
        if is_block(layer) and getattr(layer, "pool", None) == "max" and layer.pool_padding:
            self.refuse(
                f", where max pooling with p{layer.pool_padding} does not follow a normalisation; "
                "leave the padding of the windows out."
            )
        return layer

    def _conv(self):
        found = self._kernel(MOST_PIXELS)
        pixels = _padding(self.next)
        if self.next in ("same", "valid") or pixels is not None:
            word = self.words.pop(0)
            found["padding"] = word if pixels is None else pixels
            if pixels is not None and pixels > found["kernel_size"]:
                self.refuse(
                    f", where {word} pads by more than the kernel's {found['kernel_size']} pixels; "
                    "pad less."
                )
        return found

    def _local(self):
        found = self._kernel(MOST_LOCAL_PIXELS)
        if self.next in ("same", "valid"):
            found["padding"] = self.words.pop(0)
        return found

    def _kernel(self, most):
        found = {"filters": self._whole("CHANNELS")}
        found["kernel_size"], stride = self._size("KERNEL")
        found["strides"] = stride or 1
        if found["kernel_size"] > most:
            self.refuse(
                f", where KERNEL must be at most {most} pixels; got {found['kernel_size']}."
            )
        return found

    def _residual(self):
        if self.next and "/" in self.next[1:]:  # 64/2 is 64 /2
            channels, stride = self.next.split("/", 1)
            self.words[:1] = [channels, f"/{stride}"]
        found = {"filters": self._whole("CHANNELS")}
        if self.next and self.next.startswith("/"):
            match = re.fullmatch(r"/([1-9][0-9]{0,2})", self.next)
            if match is None:
                self.refuse(f", where /STRIDE must be pixels such as /2; got {brief(self.next)}.")
            self.words.pop(0)
            found["strides"] = int(match[1])
        return found

    def _dense(self):
        return {"units": self._whole("UNITS")}

    def _pooling(self):
        found = {"pool": self.words.pop(0)}
        found["pool_size"], found["pool_strides"] = self._size("SIZE")
        if _padding(self.next) is not None:
            found["pool_padding"] = _padding(self.words.pop(0))
        return found

    def extras(self, kind):
        """Read what may stand in an entry of its own, as fields of a layer of this kind."""
        found, fields = {}, {field.name for field in dataclasses.fields(kind)}
        if self.next == "norm":
            if "norm" not in fields:
                self.refuse(
                    ", where norm belongs to a conv or dense layer: residual blocks have it, and "
                    "local layers take none."
                )
            self.words.pop(0)
            found["norm"] = True
        if self.next == "dropout":
            self.words.pop(0)
            found["dropout"] = self._rate()
        return found

    def _rate(self):
        match = re.fullmatch(r"0?\.[0-9]{1,9}", self.next or "")
        if match is None or not float(match[0]):
            self.refuse(
                f", where RATE must be above 0 and below 1, such as 0.5; got {self._got()}."
            )
        return float(self.words.pop(0))

    def _whole(self, what):
        number = re.fullmatch(r"[1-9][0-9]{0,5}", self.next or "")
        if number is None or int(number[0]) > MOST_UNITS:
            self.refuse(
                f", where {what} must be a whole number of at least 1 and at most {MOST_UNITS:,}; "
                f"got {self._got()}."
            )
        return int(self.words.pop(0))

    def _size(self, what):
        """Return the side and the stride, None if it is not given."""
        match = re.fullmatch(r"([1-9][0-9]{0,2})(?:/([1-9][0-9]{0,2}))?", self.next or "")
        if match is None:
            self.refuse(
                f", where {what} must be pixels, below 1,000, or pixels/stride such as 3/2; got "
                f"{self._got()}."
            )
        self.words.pop(0)
        return int(match[1]), match[2] and int(match[2])

    def _got(self):
        return brief(self.next) if self.words else "nothing"

    def refuse_rest(self):
        if self.words:
            self.refuse(
                f", where {brief(self.next)} has no meaning, or not in this place; the order is: "
                "sizes, padding (same, valid, pN), norm, activation "
                f"({', '.join(self.activations[:3])}, ...), pooling (max or average SIZE/STRIDE "
                "pN), dropout RATE."
            )


def _padding(word):
    match = re.fullmatch(r"p([0-9]{1,3})", word or "")
    return match and int(match[1])
