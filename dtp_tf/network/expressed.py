"""Parts of a model as `DensePair` or `Conv2DPair`, where these express the same function."""

import keras
from keras import layers

from dtp_tf.numerics.activations import has_matched, matched
from dtp_tf.pairs.conv import Conv2DPair
from dtp_tf.pairs.dense import DensePair


def as_dense(part, graph, names):
    """Return the `DensePair` of a part, None if it is none; see `as_conv`."""
    rest = [segment.only for segment in part.segments]
    flatten = rest.pop(0) if isinstance(rest[0], layers.Flatten) else None
    dense = rest.pop(0) if rest else None
    if type(dense) is not layers.Dense or len(graph.shape(part.segments[-1].after)) != 2:
        return None
    activation, own = _activation(dense, rest)
    if rest or (flatten is None and len(_shape_below(dense, part, graph)) != 2):
        return None
    names |= _named(part.name, forward=dense, flatten=flatten, activation=own)
    return DensePair(
        dense.units,
        kernel_initializer=dense.kernel_initializer,
        settings=dense_settings(dense),
        name=part.name,
        **_activations(activation),
        **_dropout(part),
    )


def as_conv(part, graph, names):
    """Return the `Conv2DPair` of a part, None if it is none.

    Args:
        part, graph: of the model.
        names: a dict, which gets the layers' names by those that the pair's stock layers have.
    """
    rest = [segment.only for segment in part.segments]
    border = rest.pop(0) if type(rest[0]) is layers.ZeroPadding2D else None
    conv = rest.pop(0) if rest else None
    if type(conv) is not layers.Conv2D or not _plain(conv):
        return None
    padding = conv.padding
    if border is not None:
        sides = {side for sides in border.padding for side in sides}
        if len(sides) != 1 or padding != "valid":
            return None
        padding = sides.pop()
    activation, own = _activation(conv, rest)
    pool = rest.pop(0) if rest else None
    if rest or (pool is not None and not _plain_pool(pool, _shape_below(pool, part, graph))):
        return None
    names |= _named(part.name, padding=border, forward=conv, activation=own, pool=pool)
    return Conv2DPair(
        conv.filters,
        conv.kernel_size[0],
        conv.strides[0],
        padding,
        kernel_initializer=conv.kernel_initializer,
        name=part.name,
        **_activations(activation),
        **_dropout(part),
        **_pool(pool),
    )


def dense_settings(layer):
    """Return what a Dense layer has beside units, activation and kernel initializer; None if it is
    what Keras has by default."""
    default = layers.Dense(1).get_config()
    own = layer.get_config()
    names = ("use_bias", "bias_initializer", "kernel_regularizer", "bias_regularizer",
             "kernel_constraint", "bias_constraint")  # fmt: skip
    return {name: own[name] for name in names if own[name] != default[name]} or None


def _plain(conv):
    """Whether a convolution has square kernels, and nothing that `Conv2DPair` has not."""
    default = layers.Conv2D(1, 1).get_config()
    own = conv.get_config()
    names = ("groups", "dilation_rate", "use_bias", "bias_initializer", "kernel_regularizer",
             "bias_regularizer", "kernel_constraint", "bias_constraint")  # fmt: skip
    same = all(own[name] == default[name] for name in names)
    square = len(set(conv.kernel_size)) == len(set(conv.strides)) == 1
    return same and square and conv.trainable and conv.padding in ("same", "valid")


def _shape_below(layer, part, graph):
    (before,) = [segment.before for segment in part.segments if segment.only is layer]
    return graph.shape(before)


def _plain_pool(pool, below):
    """Whether a pooling has square windows, all of them within the image."""
    if type(pool) not in (layers.MaxPooling2D, layers.AveragePooling2D):
        return False
    size, stride = _pair_of(pool.pool_size), _pair_of(pool.strides)
    if size[0] != size[1] or stride[0] != stride[1] or size[0] > 11:
        return False
    inside = all(
        (-(-length // stride[0]) - 1) * stride[0] + size[0] <= length for length in below[1:3]
    )
    return pool.padding == "valid" or inside


def _pair_of(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def _pool(pool):
    if pool is None:
        return {}
    kind = "max" if type(pool) is layers.MaxPooling2D else "average"
    return {
        "pool": kind,
        "pool_size": _pair_of(pool.pool_size)[0],
        "pool_strides": _pair_of(pool.strides)[0],
    }


def _activation(layer, rest):
    """Return a layer's activation and the layer that has it, which is taken from `rest`; None
    where the layer itself has it."""
    if layer.activation is not keras.activations.linear or not rest:
        return layer.activation, None
    found = _function(rest[0])
    return (found, rest.pop(0)) if found is not None else (layer.activation, None)


def _function(layer):
    """Return the function of a layer that is an activation and nothing else."""
    if type(layer) is layers.Activation:
        softmax = layer.activation is keras.activations.softmax  # not unit by unit
        return None if softmax else layer.activation
    if type(layer) is layers.ReLU:
        plain = layer.max_value is None and not layer.negative_slope and not layer.threshold
        return keras.activations.relu if plain else None
    if type(layer) is layers.ELU:
        return keras.activations.elu if layer.alpha == 1 else None
    return None


def _activations(activation):
    """An inverse starts with the slope of f, then has its weights: what is below may have any
    sign."""
    name = getattr(activation, "__name__", "")
    back = matched(name) if has_matched(name) else activation
    return {"activation": activation, "inverse_activation": back, "inverse_first": True}


def _dropout(part):
    return {"dropout": part.dropped.only.rate} if part.dropped else {}


def _named(name, **found):
    return {f"{name}_{role}": layer.name for role, layer in found.items() if layer is not None}
