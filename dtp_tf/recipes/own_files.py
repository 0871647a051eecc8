"""Programs of users that settings name, as FILE.py:NAME.

Such a file is a program, which may do whatever a program may. It is run where a call names it, and
never because a model, a run or a preset that is opened names it; see `dtp_tf.runs.own_files` for
the exception. This module does not import TensorFlow.
"""

import contextlib
import hashlib
import importlib.util
import os
import pathlib
import sys
import traceback

from dtp_tf.errors import SettingError


def run_own_file(setting, place):
    """Run the file of FILE.py:NAME as a module.

    Args:
        setting: the name of the setting, for errors.
        place: FILE.py:NAME.

    Returns:
        What the file calls NAME, None if there is nothing, and the SHA-256 of the file.

    Raises:
        SettingError: there is no such file, or it fails.
    """
    path, _, name = place.rpartition(":")
    file, content = pathlib.Path(path), _read(setting, place)
    module_name = f"dtp_tf_own_{file.stem}"
    spec = importlib.util.spec_from_file_location(module_name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    with told_of_failures(setting, place):
        # What was read is what runs: a cache beside the file could hold the code of another.
        exec(spec.loader.source_to_code(content, spec.origin), module.__dict__)
    digest = hashlib.sha256(content).hexdigest()
    _remember(digest)
    return getattr(module, name, None), digest


@contextlib.contextmanager
def told_of_failures(setting, place):
    """Raise `SettingError` for what goes wrong in a user's file, with the line in it."""
    origin = os.path.abspath(place.rpartition(":")[0])
    try:
        yield
    except Exception as error:
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(error.__traceback__)
            if os.path.abspath(frame.filename) == origin
        ]
        where = f" in line {lines[-1]}" if lines else ""
        reason = " ".join(str(error).split()).rstrip(".")
        raise SettingError(
            f"`{setting}` {place!r}: the file fails{where} with {type(error).__name__}: {reason}."
        ) from error


def is_own_file(value):
    """Whether the value of a setting is FILE.py:NAME."""
    return ".py:" in value


def file_digest(place, setting="rule"):
    """Return the SHA-256 of the file in FILE.py:NAME, in hexadecimal digits.

    Raises:
        SettingError: there is no such file.
    """
    return hashlib.sha256(_read(setting, place)).hexdigest()


def named_before(digest):
    """Whether this user has named a file with that SHA-256 in a call, on this machine."""
    with contextlib.suppress(OSError, RuntimeError, UnicodeDecodeError):
        return digest in _named_file().read_text(encoding="utf-8").split()
    return False


def place_key(place):
    """Return what two spellings of a place have in common."""
    path, _, name = place.rpartition(":")
    return os.path.abspath(path), name


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


def _read(setting, place):
    path = place.rpartition(":")[0]
    if not (path.endswith(".py") and pathlib.Path(path).is_file()):
        raise SettingError(f"`{setting}` {place!r}: there is no file {path}.")
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise SettingError(
            f"`{setting}` {place!r}: {path} cannot be read: {error.strerror}."
        ) from None
