"""Checks of what is given from Python, where no option of the command line has seen it."""

from dtp_tf.errors import SettingError


def check_whole(name, value, least=1, most=None, others=""):
    """Raise `SettingError` for a value that is no whole number of `least` to `most`.

    Args:
        name: of the argument, for the sentence.
        value: what was given.
        least, most: the smallest and the greatest number that can be; None = there is none.
        others: what else it may be, in words that end with " or ".
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SettingError(
            f"`{name}` must be {others}a whole number of at least {least}, got {value!r}."
        )
    if most is not None and value > most:
        raise SettingError(f"`{name}` must be at most {most:,}, got {value:,}.")


def check_boolean(name, value):
    """Raise `SettingError` unless `value` is True or False."""
    if not isinstance(value, bool):
        raise SettingError(f"`{name}` must be True or False, got {value!r}.")
