"""From a recipe to a compiled network: pairs, rule, preprocessing and optimizers."""

import dataclasses
import inspect
import math

import keras
import psutil

from dtp_tf.data.preprocessing import preprocessing_layer
from dtp_tf.errors import SettingError
from dtp_tf.network.network import DTPNetwork
from dtp_tf.network.objectives import recipe_loss
from dtp_tf.numerics.activations import matched
from dtp_tf.numerics.precision import dtype_policy
from dtp_tf.pairs import Conv2DPair, DensePair
from dtp_tf.recipes.layers_in_words import Conv, Dense, parse_layers
from dtp_tf.recipes.recipe import ACTIVATIONS, OF_CLASS
from dtp_tf.rules import find_rule
from dtp_tf.rules.base import as_list, at_layer
from dtp_tf.training.optimizers import make_optimizer


def build_network(recipe, data):
    """Return the compiled `DTPNetwork` that a recipe describes, built for the data's images."""
    flat = recipe.layers is None
    preprocessing = preprocessing_layer(recipe.preprocessing, data.train.images, flat)
    rule = build_rule(recipe, len(data.train) // min(recipe.batch_size, len(data.train)))
    network = DTPNetwork(
        build_pairs(recipe),
        len(data.class_names),
        rule=rule,
        output_activation=recipe.output_activation,
        preprocessing=preprocessing,
        output_initializer=initializer(recipe.initializer),
        # What is sent as signs are the hidden layers' messages to each other.
        output_transmission="sample" if recipe.transmission == "sample" else "continuous",
        seed=recipe.seed,
        name="network",
    )
    check_memory(network, data.image_shape, min(recipe.batch_size, len(data.train)))
    network.build((None, *data.image_shape))
    compile_network(network, recipe, data)
    return network


def check_memory(network, image_shape, batch_size):
    """Raise `SettingError` if a network that is not built yet cannot be trained in the memory here.

    Counted are weights with their gradients and Adam's moments, and a batch's activations with
    theirs; training needs more, so that what passes may still be too much.
    """
    shape, weights, units = (None, *image_shape), 0, 0
    if network.preprocessing is not None:
        shape = network.preprocessing.compute_output_shape(shape)
    for pair in network.layers_up:
        below, shape = shape, pair.compute_output_shape(shape)
        if isinstance(pair, Conv2DPair):
            kernel = pair.kernel_size**2 * below[-1] * pair.filters
        else:
            kernel = math.prod(below[1:]) * math.prod(shape[1:])
        weights += kernel * (2 if pair.inverse else 1)
        units += math.prod(shape[1:])
    needed, free = 16 * weights + 8 * batch_size * units, psutil.virtual_memory().available
    if needed > free:
        raise SettingError(
            f"the network has {weights:,} weights and {units:,} units, which need "
            f"{needed / 1e9:,.1f} GB of memory with batches of {batch_size:,} images, and "
            f"{free / 1e9:,.1f} GB are free; take fewer `units`, smaller `layers` or a smaller "
            "`batch_size`."
        )


def build_pairs(recipe):
    """Return the hidden layers of a recipe, not yet built."""
    if recipe.layers is None:
        layers = [Dense(units) for units in recipe.units]
    else:
        layers = parse_layers(recipe.layers, ACTIVATIONS)
    pairs = []
    for i, layer in enumerate(layers, start=1):
        activation = layer.activation or recipe.activation
        inverse = recipe.inverse_activation
        settings = dict(
            activation=activation,
            inverse_activation=matched(activation) if inverse == "matched" else inverse,
            kernel_initializer=initializer(recipe.initializer),
            # A rule without inverses says nothing of them; the pairs then have none.
            inverse_kernel_initializer=initializer(recipe.inverse_initializer or "orthogonal"),
            inverse_first=bool(recipe.inverse_first),
            dtype=dtype_policy(recipe.precision),
            name=f"pair_{i}",
        )
        if isinstance(layer, Conv):
            pairs.append(Conv2DPair(**{**dataclasses.asdict(layer), **settings}))
        else:
            sent = recipe.transmission if i > 1 else "continuous"
            pairs.append(DensePair(layer.units, transmission=sent, **settings))
    return pairs


def compile_network(network, recipe, data):
    """Give a built network its loss and its optimizers."""
    objective = {"loss": recipe_loss(recipe), "metrics": ["accuracy"]}
    updates = recipe.epochs * (len(data.train) // min(recipe.batch_size, len(data.train)))
    optimizer = make_optimizer(
        recipe.optimizer, recipe.learning_rate, recipe.learning_rate_schedule, updates
    )
    trained = len(network.trained_feedback)
    if not trained:
        network.compile(optimizer, **objective)
        return
    before, after = recipe.inverse_epochs_before or 0, recipe.inverse_epochs_after or 0
    extra = (before + after * recipe.epochs) * (updates // recipe.epochs)
    rates = recipe.inverse_learning_rate
    if isinstance(rates, tuple) and len(rates) != trained:
        raise SettingError(
            f"`inverse_learning_rate` has {len(rates)} values, but the rule {recipe.rule} trains "
            f"the feedback of {trained} layers; give one value for all, or {trained}."
        )

    def inverse_optimizer(position):
        return make_optimizer(
            recipe.inverse_optimizer,
            at_layer(rates, position),
            recipe.inverse_learning_rate_schedule,
            (updates + extra) * network.rule.steps(position),
        )

    if isinstance(rates, tuple) or isinstance(network.rule.inverse_steps, (list, tuple)):
        optimizers = [inverse_optimizer(i) for i in range(trained)]
    else:
        optimizers = inverse_optimizer(0)
    network.compile(optimizer, optimizers, **objective)


def build_rule(recipe, steps):
    """Return the learning rule of a recipe; `steps` are the updates of one pass."""
    rule = find_rule(recipe.rule)
    taken = inspect.signature(rule).parameters
    given = {name: getattr(recipe, name) for name in OF_CLASS}
    given = {name: value for name, value in given.items() if name in taken and value is not None}
    if recipe.noise_decay_epochs is not None and "noise" in given:
        schedule = given.get("schedule", getattr(taken.get("schedule"), "default", None))
        passes = (2 if schedule == "alternating" else 1) + (recipe.inverse_epochs_after or 0)
        decay_steps = recipe.noise_decay_epochs * steps * passes
        decaying = [
            keras.optimizers.schedules.InverseTimeDecay(sigma, decay_steps, 1.0, staircase=False)
            for sigma in as_list(given["noise"])
        ]
        given["noise"] = decaying if isinstance(given["noise"], tuple) else decaying[0]
    try:
        return rule(**given)
    except TypeError as error:  # the class of a user's own rule
        raise SettingError(f"`rule` {recipe.rule!r} cannot be made: {error}.") from error


def initializer(name):
    """Return a new Keras initializer by a recipe's name for it."""
    if name == "torch_uniform":  # U(-1/sqrt(inputs), 1/sqrt(inputs))
        return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
    if name == "small_uniform":
        return keras.initializers.RandomUniform(-0.001, 0.001)
    return keras.initializers.get(name)
