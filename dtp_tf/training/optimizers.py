"""Optimizers and learning rates as recipes state them."""

import keras

from dtp_tf.errors import SettingError
from dtp_tf.network.warmup import Warmup
from dtp_tf.recipes.learning_rate_schedules import schedule_values
from dtp_tf.recipes.optimizers import optimizer_values
from dtp_tf.rules.base import at_layer


def make_optimizer(
    text, learning_rate, schedule, steps, epochs=1, before=0, weight_ema=None, layer=0
):
    """Return a new Keras optimizer.

    Args:
        text: a recipe's `optimizer`, such as "adam beta_2=0.95".
        learning_rate: a number.
        schedule: a recipe's `learning_rate_schedule`, such as "cosine min=1e-5".
        steps: updates in the whole training.
        epochs: of the whole training, for schedules that count them.
        before: how many of the updates are made before the first epoch.
        weight_ema: the momentum of averages of the weights; None for no averages.
        layer: the place of the layer that it is for, where arguments differ from layer to layer.

    Raises:
        SettingError: Keras refuses the arguments, or the optimizer cannot have such a rate.
    """
    name, given = optimizer_values(text, layer)
    left_alone = given.pop("exclude_from_weight_decay", ())

    def updates(epoch):
        """By the end of an epoch, as schedules count them: with those that accumulate gradients."""
        return before + (steps - before) * epoch / epochs

    if name == "ftrl" and schedule_values(schedule)[1].get("warmup"):
        raise SettingError(
            f"the optimizer ftrl divides by the learning rate, which begins at 0 by {schedule!r}; "
            "leave the warmup out, or use another optimizer."
        )
    rate = scheduled(learning_rate, schedule, updates, epochs)
    known = {key: list(one) if isinstance(one, tuple) else one for key, one in given.items()}
    if weight_ema is not None:
        known |= {"use_ema": True, "ema_momentum": weight_ema}
    try:
        optimizer = _class(name)(learning_rate=rate, **known)
    except (TypeError, ValueError) as error:
        raise SettingError(f"the optimizer {text!r} cannot be made: {error}") from None
    if left_alone:
        optimizer.exclude_from_weight_decay(var_names=list(left_alone))
    return optimizer


def check_optimizers(recipe):
    """Raise `SettingError` for an optimizer that Keras cannot make, before anything is read."""
    forward = recipe.optimizer, recipe.learning_rate, recipe.learning_rate_schedule
    inverse = (
        recipe.inverse_optimizer,
        recipe.inverse_learning_rate,
        recipe.inverse_learning_rate_schedule,
    )
    for text, rates, schedule in (forward, inverse):
        if text is not None:
            make_optimizer(text, at_layer(rates, 0), schedule, recipe.epochs, recipe.epochs)


def _class(name):
    """Return Keras's class of a name in lower case; `keras.optimizers.get` knows not all."""
    found = (one for one in dir(keras.optimizers) if one.lower() == name)
    return getattr(keras.optimizers, next(found))


def scheduled(rate, schedule, updates, epochs):
    """Return a learning rate, or Keras's schedule of it.

    Args:
        rate: a number.
        schedule: a recipe's `learning_rate_schedule`.
        updates: a function of an epoch: how many updates there were by its end.
        epochs: of the whole training.
    """
    course, given = schedule_values(schedule)
    warmup = updates(given["warmup"]) if given.get("warmup") else 0
    if course == "cosine":
        steps = updates(given.get("epochs", epochs)) - warmup
        lowest = given.get("min", 0) / rate
        rate = keras.optimizers.schedules.CosineDecay(rate, max(1, round(steps)), lowest)
    if course == "step":
        rate = _step(rate, given, updates, epochs, warmup)
    return Warmup(rate, max(1, round(warmup))) if warmup else rate


def _step(rate, given, updates, epochs, warmup):
    """Return a learning rate that falls by a factor at the ends of some epochs."""
    every = given.get("every", epochs / 3)
    falls = given.get("at") or [every * number for number in range(1, 1 + int(epochs / every))]
    # Keras has the old rate at the boundary itself.
    boundaries = [round(updates(epoch) - warmup) - 1 for epoch in falls if epoch < epochs]
    factor = given.get("factor", 0.1)
    rates = [rate * factor**number for number in range(len(boundaries) + 1)]
    if not boundaries:
        return rate
    return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates)
