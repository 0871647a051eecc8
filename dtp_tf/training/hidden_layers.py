"""The hidden layers of a recipe: from words to pairs, once there is memory for them."""

import dataclasses
import math

import psutil

from dtp_tf.errors import SettingError
from dtp_tf.numerics.activations import matched
from dtp_tf.numerics.precision import dtype_policy
from dtp_tf.pairs import BlockPair, Conv2DPair, DensePair, LocallyConnected2DPair
from dtp_tf.recipes.layers_in_words import Conv, Dense, Local, Residual, is_block
from dtp_tf.training.blocks import normalised, residual
from dtp_tf.training.initializers import initializer


def hidden_pairs(recipe, rule, input_shape, classes, batch_size):
    """Return the pairs of a recipe's hidden layers.

    Args:
        recipe: a `Recipe`.
        rule: its `dtp_tf.rules.Rule`.
        input_shape: of one preprocessed example.
        classes: the units of the output layer.
        batch_size: examples in a batch.

    Raises:
        SettingError: layers that do not fit the images, or a network that cannot be trained in the
            memory here.
    """
    layers = [
        dataclasses.replace(layer, activation=layer.activation or recipe.activation)
        for layer in recipe.parsed_layers()
    ]
    shapes = _shapes(layers, recipe, input_shape)
    _check_memory(layers, shapes, rule, classes, batch_size)
    return [
        _pair(layer, number, recipe, below)
        for number, (layer, below) in enumerate(zip(layers, shapes, strict=False), start=1)
    ]


def _shapes(layers, recipe, shape):
    """Return the shapes of an example from the input on, before anything has weights."""
    shapes = [tuple(shape)]
    for number, layer in enumerate(layers, start=1):
        plain = layer
        if isinstance(layer, Residual):  # its first convolution makes its shape
            plain = Conv(kernel_size=3, **_pooled(layer))
        plain = dataclasses.replace(plain, activation="linear")
        # Zeros draw no seed: the weights that a seed gives do not depend on what is only measured.
        pair = _plain_pair(plain, number, recipe, lambda name: "zeros")
        shapes.append(tuple(pair.compute_output_shape((None, *shapes[-1]))[1:]))
    return shapes


def _pooled(layer):
    names = "filters strides pool pool_size pool_strides pool_padding".split()
    return {name: getattr(layer, name) for name in names}


def _check_memory(layers, shapes, rule, classes, batch_size):
    """Raise `SettingError` if a network cannot be trained in the memory here.

    Counted are weights with their gradients and Adam's moments, feedback among them, and a batch's
    activations with theirs and with what the rule holds beside them; training needs more, so that
    what passes may still be too much.
    """
    forward = [*map(_weights, layers, shapes, shapes[1:]), math.prod(shapes[-1]) * classes]
    every = [*map(math.prod, shapes), classes]
    inverses = sum(
        one for i, one in enumerate(forward) if rule.uses_inverse(i, len(forward))
    ) + rule.feedback_weights(every, forward)
    weights, units = sum(forward) + inverses, sum(every[1:])
    # Weights that never learn have neither gradients nor moments.
    of_weights = 16 * sum(forward) + (16 if rule.trains_feedback else 4) * inverses
    needed = of_weights + batch_size * (8 * units + 4 * rule.more_per_example(every))
    free = psutil.virtual_memory().available
    if needed > free:
        raise SettingError(
            f"the network has {weights:,} weights and {units:,} units, which need "
            f"{needed / 1e9:,.1f} GB of memory with batches of {batch_size:,} images, and "
            f"{free / 1e9:,.1f} GB are free; take fewer `units`, smaller `layers` or a smaller "
            "`batch_size`."
        )


def _weights(layer, below, above):
    """Return about how many weights f has."""
    if isinstance(layer, Dense):
        return math.prod(below) * layer.units
    if isinstance(layer, Residual):
        return layer.filters * (10 * below[-1] + 9 * layer.filters)
    kernel = layer.kernel_size**2 * below[-1] * layer.filters
    return kernel * (math.prod(above[:2]) if isinstance(layer, Local) else 1)


def _pair(layer, number, recipe, below):
    if not is_block(layer):
        return _plain_pair(layer, number, recipe)
    products = {"initializer": recipe.initializer, "dtype": dtype_policy(recipe.precision)}
    if isinstance(layer, Residual):
        block = residual(layer, below, f"residual_{number}", **products)
    else:
        kind = type(layer).__name__.lower()
        block = normalised(layer, below, f"{kind}_norm_{number}", **products)
    return BlockPair(block, dropout=layer.dropout, name=f"pair_{number}")


def _plain_pair(layer, number, recipe, weights=initializer):
    inverse = recipe.inverse_activation
    settings = dict(
        inverse_activation=matched(layer.activation) if inverse == "matched" else inverse,
        kernel_initializer=weights(recipe.initializer),
        # A rule without inverses says nothing of them; the pairs then have none.
        inverse_kernel_initializer=weights(recipe.inverse_initializer or "orthogonal"),
        inverse_first=bool(recipe.inverse_first),
        dtype=dtype_policy(recipe.precision),
        name=f"pair_{number}",
    )
    kinds = {Conv: Conv2DPair, Local: LocallyConnected2DPair, Dense: DensePair}
    if isinstance(layer, Dense):
        settings["transmission"] = recipe.transmission if number > 1 else "continuous"
    given = {name: value for name, value in dataclasses.asdict(layer).items() if name != "norm"}
    return kinds[type(layer)](**given, **settings)

