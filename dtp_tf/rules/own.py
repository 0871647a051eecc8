"""Learning rules of users, from files of their own; see `dtp_tf.recipes.own_files`."""

import inspect
import shlex

import keras

from dtp_tf.errors import SettingError
from dtp_tf.recipes.own_files import file_digest as file_digest
from dtp_tf.recipes.own_files import place_key, run_own_file
from dtp_tf.rules.base import Rule

_LOADED = {}  # {(absolute path, class name): (class, SHA-256)} of what this process was told to run


def load_own_rule(place):
    """Return the class that FILE.py:CLASS names, and register it with Keras.

    The file is run as a module; it may do whatever a program may.

    Raises:
        SettingError: there is no such file or class, it fails, or it is no `Rule`.
    """
    path, _, name = place.rpartition(":")
    rule, digest = run_own_file("rule", place)
    if not (isinstance(rule, type) and issubclass(rule, Rule)):
        raise SettingError(
            f"`rule` {place!r}: {path} has no class {name!r} that extends dtp_tf.rules.Rule."
        )
    if inspect.isabstract(rule):
        lacking = ", ".join(sorted(rule.__abstractmethods__))
        raise SettingError(
            f"`rule` {place!r}: the class {name} lacks {lacking}, which dtp_tf.rules.Rule or the "
            "class that it extends asks for; define it."
        )
    if keras.saving.get_registered_name(rule) == rule.__name__:  # not registered by its author
        keras.saving.register_keras_serializable("own")(rule)
    _LOADED[place_key(place)] = rule, digest
    return rule


def loaded_rule(place):
    """Return the class of FILE.py:CLASS if this process has run that file as it is, else None."""
    rule, digest = _LOADED.get(place_key(place), (None, None))
    return rule if rule is not None and digest == file_digest(place, "rule") else None


def require_loaded(place, registered_name, what):
    """Let Keras find the rule of a file that is opened, if a call has named it; run nothing.

    Args:
        place: FILE.py:CLASS, as the opened file names it.
        registered_name: of the class, as Keras has it in the opened file.
        what: the opened file, in words.

    Raises:
        SettingError: no call in this process has named the rule.
    """
    rule, _ = _LOADED.get(place_key(place), (None, None))
    if rule is not None:  # two files may have classes of one name
        keras.saving.get_custom_objects()[keras.saving.get_registered_name(rule)] = rule
    elif keras.saving.get_registered_object(registered_name) is None:
        raise SettingError(
            f"{what} was trained by the rule {place!r}, a file that is run only where the call "
            f"names it: if you trust it, add --rule {shlex.quote(place)}, or in Python "
            f"rule={place!r}."
        )


def rule_facts(place):
    """Return what a run records of its rule's file, {"rule_sha256": ..}; {} for other rules."""
    _, digest = _LOADED.get(place_key(place), (None, None))
    return {} if digest is None else {"rule_sha256": digest}
