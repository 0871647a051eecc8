"""The courses of a learning rate that a recipe can have. This module does not import TensorFlow."""

from dtp_tf.errors import SettingError
from dtp_tf.recipes.arguments import WithArguments
from dtp_tf.recipes.settings import Setting

_EPOCHS = Setting(float, "", low=0, open_low=True)
_WARMUP = {"warmup": Setting(float, "", low=0)}

ARGUMENTS = {
    "constant": _WARMUP,
    "cosine": {"min": Setting(float, "", low=0), "epochs": _EPOCHS, **_WARMUP},
    "step": {
        "factor": Setting(float, "", low=0, high=1, open_low=True, open_high=True),
        "every": _EPOCHS,
        "at": Setting(float, "", low=0, open_low=True, many=True),
        **_WARMUP,
    },
}
LEARNING_RATE_SCHEDULES = tuple(ARGUMENTS)
"""The names that `learning_rate_schedule` takes."""


def _together(choice, given):
    if "every" in given and "at" in given:
        return "step falls every=EPOCHS or at=EPOCH,EPOCH,.., got both; give one of them."
    if list(given.get("at", ())) != sorted(set(given.get("at", ()))):
        return "step needs the epochs of `at` in their order, each once."
    return None


def schedule_setting(text, optional=False):
    """Return the `Setting` of a course of the learning rate, in words or a mapping."""
    return WithArguments(
        str,
        text,
        choices=LEARNING_RATE_SCHEDULES,
        arguments=ARGUMENTS,
        together=_together,
        optional=optional,
    )


_PARSER = schedule_setting("")


def schedule_values(text):
    """Return the course in a recipe's text and its arguments by name."""
    return _PARSER.values("learning_rate_schedule", text)


def check_schedule(name, text, rates, epochs):
    """Raise `SettingError` for a course that does not fit the rate or the epochs.

    Args:
        name: of the setting.
        text: its value.
        rates: the learning rate, or a tuple with one for each layer.
        epochs: of the whole training.
    """
    course, given = schedule_values(text)
    lowest = min(rates) if isinstance(rates, tuple) else rates
    if given.get("min", 0) > lowest:
        raise SettingError(
            f"`{name}.min` must be at most the learning rate, {lowest:g}, got {given['min']:g}."
        )
    end = min(epochs, given.get("epochs", epochs))
    if given.get("warmup", 0) >= end:
        raise SettingError(
            f"`{name}.warmup` must end before epoch {end:g}, got {given['warmup']:g} epochs."
        )
