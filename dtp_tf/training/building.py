"""From a recipe to a compiled network: pairs, rule, preprocessing and optimizers."""

import inspect

import keras

from dtp_tf.data.preprocessing import preprocessing_layer
from dtp_tf.errors import SettingError
from dtp_tf.network.network import DTPNetwork
from dtp_tf.network.objectives import recipe_loss
from dtp_tf.recipes.optimizers import check_layers, per_layer
from dtp_tf.recipes.recipe import OF_CLASS
from dtp_tf.rules import find_rule
from dtp_tf.rules.base import as_list, at_layer
from dtp_tf.rules.own_settings import arguments
from dtp_tf.training.hidden_layers import hidden_pairs
from dtp_tf.training.initializers import initializer
from dtp_tf.training.optimizers import make_optimizer
from dtp_tf.training.own_model import network_of_model
from dtp_tf.training.symmetric import start_symmetric


def build_network(recipe, data):
    """Return the compiled `DTPNetwork` that a recipe describes, built for the data's images."""
    batch, classes = min(recipe.batch_size, len(data.train)), len(data.class_names)
    rule = build_rule(recipe, steps_of_pass(recipe, data))
    if recipe.model is not None:
        network = network_of_model(recipe, rule, data)
        network.input_noise = recipe.input_noise
        _start(network, recipe)
        compile_network(network, recipe, data)
        return network
    flat = recipe.layers is None
    preprocessing = preprocessing_layer(recipe.preprocessing, data.train.images, flat)
    shape = preprocessing.compute_output_shape((None, *data.image_shape))[1:]
    network = DTPNetwork(
        hidden_pairs(recipe, rule, shape, classes, batch),
        classes,
        rule=rule,
        output_activation=recipe.output_activation,
        preprocessing=preprocessing,
        output_initializer=initializer(recipe.initializer),
        # What is sent as signs are the hidden layers' messages to each other.
        output_transmission="sample" if recipe.transmission == "sample" else "continuous",
        seed=recipe.seed,
        input_noise=recipe.input_noise,
        name="network",
    )
    network.build((None, *data.image_shape))
    _start(network, recipe)
    compile_network(network, recipe, data)
    return network


def steps_of_pass(recipe, data):
    """Return how many batches a pass over the training images has."""
    return len(data.train) // min(recipe.batch_size, len(data.train))


def _start(network, recipe):
    if recipe.symmetric_start:
        start_symmetric(network)


def compile_network(network, recipe, data):
    """Give a built network its loss and its optimizers."""
    objective = {"loss": recipe_loss(recipe), "metrics": ["accuracy"]}
    updates = recipe.epochs * steps_of_pass(recipe, data)

    def optimizer_at(layer):
        return make_optimizer(
            recipe.optimizer,
            at_layer(recipe.learning_rate, layer),
            recipe.learning_rate_schedule,
            updates,
            recipe.epochs,
            weight_ema=recipe.weight_ema,
            layer=layer,
        )

    layers = len(network.layers_up)
    what = f"the network has {layers} layers, the output included"
    check_layers("optimizer", recipe.optimizer, layers, what)
    if isinstance(recipe.learning_rate, tuple):
        optimizer = [optimizer_at(layer) for layer in range(len(recipe.learning_rate))]
    elif per_layer(recipe.optimizer):
        optimizer = [optimizer_at(layer) for layer in range(layers)]
    else:
        optimizer = optimizer_at(0)
    trained = len(network.trained_feedback)
    if not trained:
        network.compile(optimizer, **objective)
        return
    before, after = recipe.inverse_epochs_before or 0, recipe.inverse_epochs_after or 0
    one_pass = updates // recipe.epochs
    extra = (before + after * recipe.epochs) * one_pass
    rates = recipe.inverse_learning_rate
    if isinstance(rates, tuple) and len(rates) != trained:
        raise SettingError(
            f"`inverse_learning_rate` has {len(rates)} values, but the rule {recipe.rule} trains "
            f"the feedback of {trained} layers; give one value for all, or {trained}."
        )
    what = f"the rule {recipe.rule} trains the feedback of {trained} layers"
    check_layers("inverse_optimizer", recipe.inverse_optimizer, trained, what)

    def inverse_optimizer(position):
        steps = network.rule.steps(position)
        return make_optimizer(
            recipe.inverse_optimizer,
            at_layer(rates, position),
            recipe.inverse_learning_rate_schedule,
            (updates + extra) * steps,
            recipe.epochs,
            before * one_pass * steps,
            recipe.weight_ema,
            position,
        )

    several = isinstance(rates, tuple) or per_layer(recipe.inverse_optimizer)
    if several or isinstance(network.rule.inverse_steps, (list, tuple)):
        optimizers = [inverse_optimizer(i) for i in range(trained)]
    else:
        optimizers = inverse_optimizer(0)
    network.compile(optimizer, optimizers, **objective)


def build_rule(recipe, steps):
    """Return the learning rule of a recipe; `steps` are the updates of one pass."""
    rule = find_rule(recipe.rule, again=False)  # `train` has run it to check its settings
    taken = arguments(rule)
    given = {name: getattr(recipe, name) for name in OF_CLASS}
    given = {name: value for name, value in given.items() if name in taken and value is not None}
    if recipe.noise_decay_epochs is not None and "noise" in given:
        own = inspect.signature(rule).parameters.get("schedule")
        schedule = given.get("schedule", getattr(own, "default", None))
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
