"""The mirrors of single layers: what leads from a layer's outputs back to its inputs.

    convolution or dense     the transposed map with own weights and a bias
    activation               the slope that it had in the forward pass
    max pooling              to the pixels that the windows took in the forward pass
    average pooling          repetition of every value, to the size before (with zeros at the far
                             end where pooling left pixels out); of a global one to each pixel
                             its share
    padding, cropping        cropping, padding
    flattening, reshaping    the shape before
    `Add`, `Concatenate`     a fork, a split
    `Multiply`               times what the other branch had in the forward pass
    normalisation            nothing where weights come before it, whose mirror can scale;
                             otherwise a scale of its own for each channel
    dropout, noise           nothing

What a mirror must know of the forward pass are its *points*; without them an activation is
applied as it is, and pooling repeats.
"""

import dataclasses
import math

import keras
from keras import layers

from dtp_tf.pairs.pullback import Pullback, TransposedLayer
from dtp_tf.pairs.transposed import TransposedConvolution

# For these the value of the function tells its slope as well as its argument does.
KINKED = ("relu", "relu6", "leaky_relu")
_DIRECT = (None, keras.activations.linear)


class NoMirror(Exception):
    """A layer has no mirror where it stands; the message ends "is a Rescaling of which .."."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a layer stands.

    Attributes:
        step, graph: of the forward pass.
        upstream: the mirrored tensor of the layer's output.
        name: for the mirror.
        points: the tensors of `points_of(step)`.
    """

    step: object
    graph: object
    upstream: keras.KerasTensor
    name: str
    points: list

    @property
    def layer(self):
        return self.step.layer

    @property
    def below(self):
        """The shapes of one example of each input."""
        return [self.graph.shape(number)[1:] for number in self.step.inputs]

    @property
    def above(self):
        return self.graph.shape(self.step.output)[1:]


def points_of(step):
    """Return the numbers of the tensors of the forward pass that a layer's mirror needs."""
    mirror = mirror_of(step.layer)
    if mirror in (_slope, _taken, _product):
        return step.inputs
    fused = mirror is _transposed and _name(step.layer) in KINKED
    return step.outputs if fused else ()


def mirror_of(layer):
    """Return the function that makes the mirror of such a layer at a `Place`, None if there is
    none. A class derived from Keras's may do anything, so it has none."""
    if isinstance(layer, keras.Layer):
        return _MIRRORS.get(type(layer))
    if type(layer).__module__.startswith("keras.") and type(layer).__name__ in _OPERATIONS:
        return _OPERATIONS[type(layer).__name__]
    return None


def own_copy(layer, name, **changes):
    """Return a layer like this one, not built, whose weights have nothing to do with its own."""
    config = {**layer.get_config(), "name": name}
    for key in config:
        if key.endswith("initializer"):
            config[key] = fresh(getattr(layer, key))
        if key.endswith(("regularizer", "constraint")):
            config[key] = None
    return type(layer).from_config({**config, "trainable": True, **changes})


def fresh(initializer):
    """Return an initializer like this one that draws numbers of its own, whatever its seed."""
    config = initializer.get_config()
    return type(initializer).from_config({**config, "seed": None} if "seed" in config else config)


def _name(layer):
    """Return the name of a fused activation."""
    return getattr(getattr(layer, "activation", None), "__name__", None)


def _transposed(place):
    layer, upstream = place.layer, place.upstream
    if layer.activation not in _DIRECT:
        same = layers.Activation(layer.activation, name=f"{place.name}_activation")
        if place.points:
            same = Pullback(
                same, [place.above], same.from_config(same.get_config()), name=f"{place.name}_slope"
            )
            upstream = same(upstream, points=place.points)
        else:
            upstream = same(upstream)
    (below,) = place.below
    if type(layer) is layers.Dense:
        initializer = fresh(layer.kernel_initializer)
        back = layers.Dense(below[-1], kernel_initializer=initializer, name=place.name)
    elif type(layer) is layers.Conv2D and layer.groups == 1 and set(layer.dilation_rate) == {1}:
        back = TransposedConvolution(
            below,
            _one_or_two(layer.kernel_size),
            _one_or_two(layer.strides),
            layer.padding,
            kernel_initializer=fresh(layer.kernel_initializer),
            name=place.name,
        )
    else:
        linear = own_copy(layer, f"{place.name}_map", use_bias=False, activation=None)
        back = TransposedLayer(linear, below, name=place.name)
    return [back(upstream)]


def _one_or_two(sizes):
    """Square kernels and equal strides as one number, as `Conv2DPair` has them."""
    return sizes[0] if len(set(sizes)) == 1 else tuple(sizes)


def _slope(place):
    """Activations, which are applied to each number by itself."""
    layer = place.layer
    copies = [type(layer).from_config({**layer.get_config(), "name": f"{place.name}_{i}"})
              for i in range(2)]  # fmt: skip
    back = Pullback(copies[0], place.below, _as_layer(copies[1]), name=place.name)
    return [back(place.upstream, points=place.points)]


def _as_layer(layer):
    return layer if isinstance(layer, keras.Layer) else None


def _taken(place):
    """Max pooling."""
    copy = own_copy(place.layer, f"{place.name}_forward")
    back = Pullback(copy, place.below, _repeating(place), name=place.name)
    return [back(place.upstream, points=place.points)]


def _repeated(place):
    """Average pooling."""
    back = place.upstream
    if "Global" in type(place.layer).__name__:
        share = 1 / math.prod(place.below[0][:-1])
        back = layers.Rescaling(share, name=f"{place.name}_share")(back)
    for layer in _repeating(place).layers:
        back = layer(back)
    return [back]


def _repeating(place):
    """Return the layers that repeat pooled values to the size before."""
    (below,) = place.below
    rank = len(below) - 1
    sort = {1: layers.UpSampling1D, 2: layers.UpSampling2D, 3: layers.UpSampling3D}[rank]
    if "Global" in type(place.layer).__name__:
        steps = [layers.Reshape((1,) * rank + below[-1:], name=f"{place.name}_pixel")]
        before, after, sizes = below[:-1], (1,) * rank, below[:-1]
    else:
        steps, before, after = [], below[:-1], place.above[:-1]
        sizes = place.layer.strides
        sizes = (sizes,) * rank if isinstance(sizes, int) else tuple(sizes)
    steps.append(sort(sizes[0] if rank == 1 else sizes, name=f"{place.name}_repeat"))
    extra = [a * size - b for a, size, b in zip(after, sizes, before, strict=True)]
    if max(extra) > 0:
        steps.append(_border(place, rank, [(0, max(0, one)) for one in extra], crop=True))
    if min(extra) < 0:
        steps.append(_border(place, rank, [(0, max(0, -one)) for one in extra], crop=False))
    return keras.Sequential(steps, name=f"{place.name}_repeating")


def _border(place, rank, sides, crop):
    kind, end = ("Cropping", "crop") if crop else ("ZeroPadding", "pad")
    sides = sides[0] if rank == 1 else tuple(sides)
    return getattr(layers, f"{kind}{rank}D")(sides, name=f"{place.name}_{end}")


def _cropped(place):
    rank = len(place.above) - 1
    sides = place.layer.padding
    return [_border(place, rank, [sides] if rank == 1 else sides, crop=True)(place.upstream)]


def _padded(place):
    rank = len(place.above) - 1
    sides = place.layer.cropping
    return [_border(place, rank, [sides] if rank == 1 else sides, crop=False)(place.upstream)]


def _averaged(place):
    """Upsampling, which repeats values."""
    rank = len(place.above) - 1
    sizes = place.layer.size
    return [getattr(layers, f"AveragePooling{rank}D")(sizes, name=place.name)(place.upstream)]


def _reshaped(place):
    return [layers.Reshape(place.below[0], name=place.name)(place.upstream)]


def _permuted(place):
    dims = place.layer.dims
    back = [dims.index(i) + 1 for i in range(1, len(dims) + 1)]
    return [layers.Permute(back, name=place.name)(place.upstream)]


def _rescaled(place):
    """Its inverse where all that goes through the block is rescaled; within a branch, whose share
    it sets, the same share."""
    scale = place.layer.scale
    if place.step.output not in place.graph.cuts():
        return [layers.Rescaling(scale, name=place.name)(place.upstream)]
    if not keras.ops.all(scale):
        raise NoMirror("a scale is 0")
    back = layers.Rescaling(1 / scale, -place.layer.offset / scale, name=place.name)
    return [back(place.upstream)]


def _normalised(place):
    (number,) = place.step.inputs
    before = [step for step in place.graph.steps if number in step.outputs]
    if before and mirror_of(before[0].layer) is _transposed and place.graph.uses(number) == 1:
        return [place.upstream]
    axes = "abcdefg"[: len(place.above) + 1]
    scale = layers.EinsumDense(
        f"{axes},{axes[-1]}->{axes}", place.above, kernel_initializer="ones", name=place.name
    )
    return [scale(place.upstream)]


def _left_out(place):
    return [place.upstream]


def _forked(place):
    """A sum, of inputs that may be repeated over an axis."""
    return [_fitting(place, shape, place.upstream) for shape in place.below]


def _fitting(place, shape, upstream):
    if shape == place.above:
        return upstream
    raise NoMirror("an input is repeated over an axis")


def _subtracted(place):
    first, second = (_fitting(place, shape, place.upstream) for shape in place.below)
    return [first, layers.Rescaling(-1.0, name=place.name)(second)]


def _split(place):
    axis = place.layer.axis
    axis = axis if axis > 0 else len(place.above) + 1 + axis
    ends, end = [], 0
    for shape in place.below[:-1]:
        end += shape[axis - 1]
        ends.append(end)
    return list(keras.ops.split(place.upstream, ends, axis=axis))


def _product(place):
    copy = type(place.layer).from_config({**place.layer.get_config(), "name": f"{place.name}_of"})
    return keras.tree.flatten(
        Pullback(copy, place.below, name=place.name)(place.upstream, points=place.points)
    )


_MIRRORS = {
    kind: mirror
    for mirror, names in (
        (_transposed, "Dense EinsumDense Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose "
                      "Conv3DTranspose DepthwiseConv1D DepthwiseConv2D SeparableConv1D "
                      "SeparableConv2D"),
        (_slope, "Activation ELU LeakyReLU ReLU"),
        (_taken, "MaxPooling1D MaxPooling2D MaxPooling3D GlobalMaxPooling1D GlobalMaxPooling2D "
                 "GlobalMaxPooling3D"),
        (_repeated, "AveragePooling1D AveragePooling2D AveragePooling3D GlobalAveragePooling1D "
                    "GlobalAveragePooling2D GlobalAveragePooling3D"),
        (_cropped, "ZeroPadding1D ZeroPadding2D ZeroPadding3D"),
        (_padded, "Cropping1D Cropping2D Cropping3D"),
        (_averaged, "UpSampling1D UpSampling2D UpSampling3D"),
        (_reshaped, "Flatten Reshape"),
        (_permuted, "Permute"),
        (_rescaled, "Rescaling"),
        (_normalised, "BatchNormalization LayerNormalization GroupNormalization RMSNormalization"),
        (_left_out, "Identity ActivityRegularization Dropout SpatialDropout1D SpatialDropout2D "
                    "SpatialDropout3D AlphaDropout GaussianDropout GaussianNoise"),
        (_forked, "Add Average"),
        (_subtracted, "Subtract"),
        (_split, "Concatenate"),
        (_product, "Multiply Maximum Minimum"),
    )
    for kind in (getattr(layers, name) for name in names.split())
}  # fmt: skip

# Calls of `keras.ops` and `keras.activations` in a functional model.
_OPERATIONS = {
    "Add": _forked,
    "Subtract": _subtracted,
    "Multiply": _product,
    "Maximum": _product,
    "Minimum": _product,
    "Relu": _slope,
    "Relu6": _slope,
    "LeakyRelu": _slope,
    "Elu": _slope,
    "Selu": _slope,
    "Silu": _slope,
    "Gelu": _slope,
    "Sigmoid": _slope,
    "Tanh": _slope,
}
