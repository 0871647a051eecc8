"""Inverses derived from blocks: the block's graph mirrored, from its output to its input.

Where a tensor goes to several layers, what these send back is added up; an `Add` sends the same to
all that it adds. So the mirror of a residual block is a residual block. `dtp_tf.pairs.mirrors` has
the mirrors of single layers.
"""

import collections

import keras
from keras import layers, ops

from dtp_tf.errors import SettingError
from dtp_tf.pairs.graph import is_functional
from dtp_tf.pairs.mirrors import NoMirror, Place, mirror_of, points_of
from dtp_tf.pairs.pullback import Pullback, TransposedLayer
from dtp_tf.pairs.transposed import TransposedConvolution


def derive_inverse(block, graph):
    """Return a Keras model from a block's outputs to its inputs.

    Its first input is what comes from above; the others, which may be None, are the values that
    the tensors `noted_tensors(graph)` have in the forward pass.

    Args:
        block: what the inverse is of, for its name.
        graph: its `Graph`.

    Raises:
        SettingError: a layer whose mirror is not known.
    """
    above = keras.Input(graph.shape(graph.output)[1:], name="above")
    noted = {
        number: keras.Input(
            graph.shape(number)[1:], dtype=graph.tensors[number].dtype, optional=True,
            name=f"noted_{position}",
        )
        for position, number in enumerate(noted_tensors(graph))
    }  # fmt: skip
    names = _Names()
    arriving = collections.defaultdict(list)
    arriving[graph.output].append(above)
    for step in reversed(graph.steps):
        name = names(f"{step.layer.name}_back")
        upstream = _sum(arriving[step.output], names)
        points = [noted[number] for number in points_of(step)]
        backs = _mirrored(Place(step, graph, upstream, name, points), block)
        for number, back in zip(step.inputs, backs, strict=True):
            arriving[number].append(back)
    below = _sum(arriving[graph.input], names)
    return keras.Model([above, *noted.values()], below, name=f"{block.name}_inverse")


def noted_tensors(graph):
    """Return the numbers of the tensors of the forward pass that a derived inverse asks for."""
    return list(dict.fromkeys(number for step in graph.steps for number in points_of(step)))


def derive_differences(inverse):
    """Return the model that an inverse is but for constants that cancel in differences, with the
    same inputs and weights; None if there is no such model.

    With what was noted of the forward pass every activation is a factor, and a derived inverse is
    a linear map and a constant: g(a) - g(b) is that map of a - b, once instead of twice.

    Args:
        inverse: a Keras layer or model, such as one of `derive_inverse`.
    """
    if not is_functional(inverse) or isinstance(inverse, keras.Sequential):
        return None
    if not all(map(_is_affine, inverse.operations)):
        return None

    def without_constant(layer, *args, **kwargs):
        if type(layer) in (*_WITH_BIAS, layers.Rescaling):
            return WithoutConstant(layer, name=f"{layer.name}_linear")(*args, **kwargs)
        return layer(*args, **kwargs)

    return keras.models.clone_model(
        inverse, clone_function=lambda layer: layer, call_function=without_constant
    )


class WithoutConstant(layers.Layer):
    """A layer that is a linear map and a constant, without the constant."""

    def __init__(self, layer, **kwargs):
        super().__init__(dtype=layer.dtype_policy, **kwargs)
        self.layer = layer

    def call(self, inputs):
        if isinstance(self.layer, layers.Rescaling):
            return inputs * ops.convert_to_tensor(self.layer.scale, inputs.dtype)
        if isinstance(self.layer, layers.Dense):
            return ops.matmul(inputs, self.layer.kernel)
        return self.layer.linear(inputs)

    def compute_output_spec(self, inputs):
        return self.layer.compute_output_spec(inputs)


_WITH_BIAS = (layers.Dense, TransposedConvolution, TransposedLayer)
_LINEAR = (
    Pullback, layers.Add, layers.Reshape, layers.Permute, layers.UpSampling1D,
    layers.UpSampling2D, layers.UpSampling3D, layers.Cropping1D, layers.Cropping2D,
    layers.Cropping3D, layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D,
    layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D,
)  # fmt: skip


def _is_affine(operation):
    """Whether a layer of a derived inverse is a linear map and a constant, given its points."""
    if isinstance(operation, keras.Sequential):  # of repetitions
        return all(type(layer) in _LINEAR for layer in operation.layers)
    if getattr(operation, "activation", None) not in (None, keras.activations.linear):
        return False
    if type(operation) is layers.EinsumDense:
        return operation.bias is None
    return (
        type(operation) in (*_WITH_BIAS, *_LINEAR, layers.Rescaling, layers.InputLayer)
        or type(operation).__name__ == "Split"  # of `keras.ops.split`
    )


def _mirrored(place, block):
    layer, mirror = place.layer, mirror_of(place.layer)
    reason = f"is a {type(layer).__name__}"
    if len(keras.tree.flatten(place.step.args)) != len(place.step.inputs):
        reason += " of tensors and numbers"
    elif getattr(layer, "data_format", None) == "channels_first":
        reason += " with channels first"
    elif mirror is not None:
        try:
            return mirror(place)
        except NoMirror as error:
            reason += f" of which {error}"
    raise SettingError(
        f"the inverse of {block.name!r} cannot be derived, for its layer {layer.name!r} {reason}; "
        "give `inverse_block`."
    )


def _sum(tensors, names):
    """The mirror of a fork."""
    return tensors[0] if len(tensors) == 1 else keras.layers.Add(name=names("joined"))(tensors)


class _Names:
    """Gives every layer a name of its own."""

    def __init__(self):
        self._given = collections.Counter()

    def __call__(self, name):
        self._given[name] += 1
        return name if self._given[name] == 1 else f"{name}_{self._given[name]}"
