"""Layers in words that are several of Keras's: the blocks of `dtp_tf.BlockPair`s.

Only their products are of the precision that is asked for; what goes into a normalisation is
float32, and so is what a block gives.
"""

import keras
import tensorflow as tf
from keras import layers

from dtp_tf.recipes.layers_in_words import Conv
from dtp_tf.training.initializers import initializer


def normalised(layer, below, name, **products):
    """Return a convolution or a dense layer with batch normalisation before its activation.

    Args:
        layer: a `Conv` or `Dense` with an activation.
        below: the shape of one example that comes in.
        name: of the block.
        **products: "initializer" of the kernels, and their "dtype".
    """
    steps = [keras.Input(below, name=f"{name}_inputs")]
    if isinstance(layer, Conv):
        padding = layer.padding
        if not isinstance(padding, str):
            steps.append(layers.ZeroPadding2D(padding, name=f"{name}_padding"))
            padding = "valid"
        size = {"kernel_size": layer.kernel_size, "strides": layer.strides, "padding": padding}
        steps.append(_convolution(layer.filters, f"{name}_conv", products, **size))
    else:
        if len(below) > 1:
            steps.append(layers.Flatten(name=f"{name}_flatten"))
        steps.append(layers.Dense(layer.units, name=f"{name}_dense", **_unbiased(products)))
    steps.append(_normalisation(f"{name}_norm"))
    steps.append(layers.Activation(layer.activation, name=f"{name}_activation"))
    return keras.Sequential([*steps, *_pooling(layer, name)], name=name)


def residual(layer, below, name, **products):
    """Return the basic block of He et al. (2016), which may pool what it gives.

        s( BN(W_2 * s(BN(W_1 * h))) + h ),   or + BN(W * h) where the shape changes

    Args:
        layer: a `Residual` with an activation.
        below, name, products: see `normalised`.
    """

    def convolved(h, size, strides, part):
        h = _convolution(
            layer.filters, f"{name}_{part}", products,
            kernel_size=size, strides=strides, padding="same",
        )(h)  # fmt: skip
        return _normalisation(f"{name}_{part}_norm")(h)

    h = keras.Input(below, name=f"{name}_inputs")
    inner = convolved(h, 3, layer.strides, "conv_1")
    inner = layers.Activation(layer.activation, name=f"{name}_activation_1")(inner)
    inner = convolved(inner, 3, 1, "conv_2")
    shortcut = h
    if layer.strides > 1 or below[-1] != layer.filters:
        shortcut = convolved(h, 1, layer.strides, "shortcut")
    outputs = layers.Add(name=f"{name}_sum")([inner, shortcut])
    outputs = layers.Activation(layer.activation, name=f"{name}_activation_2")(outputs)
    for step in _pooling(layer, name):
        outputs = step(outputs)
    return keras.Model(h, outputs, name=name)


def _convolution(filters, name, products, **size):
    return layers.Conv2D(
        filters, data_format="channels_last", name=name, **size, **_unbiased(products)
    )


def _unbiased(products):
    """The normalisation that follows has the biases."""
    return {
        "use_bias": False,
        "kernel_initializer": initializer(products["initializer"]),
        "dtype": products["dtype"],
    }


def _normalisation(name):
    # PyTorch's numbers: Keras's momentum of 0.99 needs hundreds of steps to know the statistics.
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, synchronized=replicas > 1, dtype="float32", name=name
    )


def _pooling(layer, name):
    pool = getattr(layer, "pool", None)
    if pool is None:
        return []
    kind = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}[pool]
    steps = [kind(layer.pool_size, layer.pool_strides, data_format="channels_last",
                  name=f"{name}_pool")]  # fmt: skip
    if layer.pool_padding:  # of means only: see `parse_layers`
        steps.insert(0, layers.ZeroPadding2D(layer.pool_padding, name=f"{name}_pool_padding"))
    return steps
