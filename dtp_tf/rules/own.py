"""Learning rules of users, from files of their own.

Such a file is a program. It is run where a call names it, and never because a model, a run or a
preset that is opened names it: see `require_loaded`, and `dtp_tf.runs.own_rules` for the exception.
"""

import contextlib
import hashlib
import importlib.util
import inspect
import os
import pathlib
import shlex
import sys
import traceback

import keras

from dtp_tf.errors import SettingError
from dtp_tf.rules.base import Rule

_LOADED = {}  # {(absolute path, class name): (class, SHA-256)} of what this process was told to run


def load_own_rule(place):
    """Return the class that FILE.py:CLASS names, and register it with Keras.

    The file is run as a module; it may do whatever a program may.

    Raises:
        SettingError: there is no such file or class, it fails, or it is no `Rule`.
    """
    path, _, name = place.rpartition(":")
    file, content = pathlib.Path(path), _read(place)
    module_name = f"dtp_tf_own_{file.stem}"
    spec = importlib.util.spec_from_file_location(module_name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        # What was read is what runs: a cache beside the file could hold the code of another.
        exec(spec.loader.source_to_code(content, spec.origin), module.__dict__)
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
    digest = hashlib.sha256(content).hexdigest()
    _LOADED[_key(place)] = rule, digest
    _remember(digest)
    return rule


def require_loaded(place, registered_name, what):
    """Let Keras find the rule of a file that is opened, if a call has named it; run nothing.

    Args:
        place: FILE.py:CLASS, as the opened file names it.
        registered_name: of the class, as Keras has it in the opened file.
        what: the opened file, in words.

    Raises:
        SettingError: no call in this process has named the rule.
    """
    rule, _ = _LOADED.get(_key(place), (None, None))
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
    _, digest = _LOADED.get(_key(place), (None, None))
    return {} if digest is None else {"rule_sha256": digest}


def file_digest(place):
    """Return the SHA-256 of the file in FILE.py:CLASS, in hexadecimal digits.

    Raises:
        SettingError: there is no such file.
    """
    return hashlib.sha256(_read(place)).hexdigest()


def named_before(digest):
    """Whether this user has named a file with that SHA-256 in a call, on this machine."""
    with contextlib.suppress(OSError, RuntimeError, UnicodeDecodeError):
        return digest in _named_file().read_text(encoding="utf-8").split()
    return False


def _remember(digest):
    """Note that this user has named a file; where that cannot be written, it is asked for again."""
    if named_before(digest):
        return
    with contextlib.suppress(OSError, RuntimeError):
        path = _named_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{digest}\n")


def _named_file():
    home = os.environ.get("XDG_STATE_HOME") or pathlib.Path.home() / ".local" / "state"
    return pathlib.Path(home, "dtp_tf", "own_rules")


def _read(place):
    path = place.rpartition(":")[0]
    if not (path.endswith(".py") and pathlib.Path(path).is_file()):
        raise SettingError(f"`rule` {place!r}: there is no file {path}.")
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise SettingError(f"`rule` {place!r}: {path} cannot be read: {error.strerror}.") from None


def _key(place):
    path, _, name = place.rpartition(":")
    return os.path.abspath(path), name
