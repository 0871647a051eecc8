"""Learning rules of users, from files of their own."""

import importlib.util
import inspect
import pathlib
import sys
import traceback

import keras

from dtp_tf.errors import SettingError
from dtp_tf.rules.base import Rule


def load_own_rule(place):
    """Return the class that FILE.py:CLASS names, and register it with Keras.

    The file is run as a module; it may do whatever a program may.

    Raises:
        SettingError: there is no such file or class, it fails, or it is no `Rule`.
    """
    path, _, name = place.rpartition(":")
    file = pathlib.Path(path)
    if not file.is_file():
        raise SettingError(f"`rule` {place!r}: there is no file {path}.")
    module_name = f"dtp_tf_own_{file.stem}"
    spec = importlib.util.spec_from_file_location(module_name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)
                 if frame.filename == spec.origin]  # an absolute path
        where = f" in line {lines[-1]}" if lines else ""
        reason = " ".join(str(error).split()).rstrip(".")
        raise SettingError(
            f"`rule` {place!r}: the file fails{where} with {type(error).__name__}: {reason}."
        ) from error
    rule = getattr(module, name, None)
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
    return rule
