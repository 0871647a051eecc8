"""The Keras callbacks that a training from a recipe takes."""

import keras

from dtp_tf.errors import SettingError

_SETS_RATES = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
_OF_TRAINING = ("on_train_batch_end", "on_batch_end")
_OF_VALIDATION = ("on_test_batch_end",)


def find_callbacks(callbacks, recipe):
    """Return what `train` is given as a list of Keras callbacks that can do their work there.

    Args:
        callbacks: None, a callback, or a list of them.
        recipe: what will be trained.

    Raises:
        SettingError: something else, or a callback that would do nothing, or harm.
    """
    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks = callbacks.callbacks
    found = [one for one in keras.tree.flatten(callbacks) if one is not None]
    for one in found:
        name = type(one).__name__
        if not isinstance(one, keras.callbacks.Callback):
            raise SettingError(f"`callbacks` must be Keras callbacks, got {one!r}.")
        if isinstance(one, keras.callbacks.BackupAndRestore):
            raise SettingError(
                f"`callbacks` has {name}, and a run keeps checkpoints of its own; leave it out and "
                "give `resume` to continue a run."
            )
        if isinstance(one, keras.callbacks.SwapEMAWeights):
            raise SettingError(
                f"`callbacks` has {name}, and a recipe has `weight_ema` for that, without which "
                "its optimizers keep no averages; use `fit` with an optimizer that has "
                "use_ema=True, or give the setting."
            )
        if isinstance(one, _SETS_RATES) and recipe.learning_rate_schedule != "constant":
            raise SettingError(
                f"`callbacks` has {name}, and `learning_rate_schedule` "
                f"{recipe.learning_rate_schedule} sets the learning rate already; use "
                '"constant", or leave the callback out.'
            )
        if isinstance(one, _SETS_RATES) and isinstance(recipe.learning_rate, tuple):
            raise SettingError(
                f"`callbacks` has {name}, which sets one learning rate, and `learning_rate` has "
                "one for each layer; give one for all, or leave the callback out."
            )
    return found


def reads_training_batches(callbacks):
    """Whether a callback is told the logs of each batch of training."""
    return any(_has(one, _OF_TRAINING) for one in callbacks)


def reads_validation_batches(callbacks):
    """Whether a callback is told the logs of each batch of validation."""
    return any(_has(one, _OF_VALIDATION) for one in callbacks)


def _has(callback, hooks):
    """Whether a callback has one of these methods of its own; some have them from arguments."""
    every = keras.callbacks.Callback
    return any(
        getattr(getattr(callback, hook), "__func__", None) is not getattr(every, hook)
        for hook in hooks
    )
