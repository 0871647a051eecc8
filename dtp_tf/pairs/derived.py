"""Inverses derived from blocks: the block's layers mirrored, from the last to the first.

    convolution or dense     the transposed convolution, or a dense layer back, with own weights
    activation               itself
    pooling                  repetition of every value, to the size before (with zeros at the far
                             end where pooling left pixels out)
    flattening, reshaping    the shape before
    normalisation, dropout   nothing: weights of the mirrored layers can scale

A pooling knows nothing here of which pixels it took; `Conv2DPair` does.
"""

import keras

from dtp_tf.errors import SettingError
from dtp_tf.pairs.transposed import TransposedConvolution

_LEFT_OUT = (
    keras.layers.InputLayer,
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
)
_POOLS = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
_ITSELF = (keras.layers.Activation, keras.layers.ELU, keras.layers.LeakyReLU, keras.layers.ReLU)


def derive_inverse(block, input_shape):
    """Return a Keras model from a block's outputs to its inputs.

    Args:
        block: a `keras.Sequential`.
        input_shape: of the block.

    Raises:
        SettingError: another kind of model, or a layer that is not in the list above.
    """
    if not isinstance(block, keras.Sequential):
        raise SettingError(
            f"the inverse of {block.name!r} cannot be derived, for it is no keras.Sequential; give "
            "`inverse_block`."
        )
    shape, mirrored = tuple(input_shape), []
    for layer in block.layers:
        mirrored.insert(0, _mirror(layer, shape, block))
        shape = tuple(layer.compute_output_shape(shape))
    layers = [one for many in mirrored for one in many]
    inverse = keras.Sequential(layers, name=f"{block.name}_inverse")
    inverse.build(shape)
    return inverse


def _mirror(layer, shape, block):
    """Return the layers that lead from a layer's outputs back to inputs of this shape."""
    name = f"{layer.name}_back"
    if isinstance(layer, _LEFT_OUT):
        return []
    if isinstance(layer, _ITSELF):
        config = {**layer.get_config(), "name": name}
        return [type(layer).from_config(config)]
    if isinstance(layer, (keras.layers.Flatten, keras.layers.Reshape)):
        return [keras.layers.Reshape(shape[1:], name=name)]
    if isinstance(layer, _POOLS):
        return _repeat(layer, shape, name)
    if isinstance(layer, (keras.layers.Dense, keras.layers.Conv2D)):
        return [*_activation(layer, name), _transposed(layer, shape, name, block)]
    raise SettingError(
        f"the inverse of {block.name!r} cannot be derived, for its layer {layer.name!r} is a "
        f"{type(layer).__name__}; give `inverse_block`."
    )


def _activation(layer, name):
    if layer.activation in (None, keras.activations.linear):
        return []
    return [keras.layers.Activation(layer.activation, name=f"{name}_activation")]


def _transposed(layer, shape, name, block):
    if isinstance(layer, keras.layers.Dense) and len(shape) == 2:
        return keras.layers.Dense(
            shape[-1], kernel_initializer=layer.kernel_initializer.clone(), name=name
        )
    if isinstance(layer, keras.layers.Conv2D) and type(layer) is keras.layers.Conv2D:
        (size, width), (stride, across) = layer.kernel_size, layer.strides
        plain = layer.groups == 1 and set(layer.dilation_rate) == {1}
        if size == width and stride == across and plain:
            return TransposedConvolution(
                shape[1:],
                size,
                stride,
                layer.padding,
                kernel_initializer=layer.kernel_initializer.clone(),
                name=name,
            )
    raise SettingError(
        f"the inverse of {block.name!r} cannot be derived, for its layer {layer.name!r} is not a "
        "plain one with square kernels and equal strides; give `inverse_block`."
    )


def _repeat(layer, shape, name):
    pooled = layer.compute_output_shape(shape)
    sizes = layer.strides
    back = [keras.layers.UpSampling2D(sizes, name=name)]
    crop, pad = [], []
    for before, after, size in zip(shape[1:3], pooled[1:3], sizes, strict=True):
        crop.append((0, max(0, after * size - before)))
        pad.append((0, max(0, before - after * size)))
    if any(map(any, crop)):
        back.append(keras.layers.Cropping2D(tuple(crop), name=f"{name}_crop"))
    if any(map(any, pad)):
        back.append(keras.layers.ZeroPadding2D(tuple(pad), name=f"{name}_pad"))
    return back
