"""Settings in JSON and YAML files. This module does not import TensorFlow."""

import pathlib
import re
import shlex

from dtp_tf.errors import SettingError
from dtp_tf.files import read_bytes
from dtp_tf.recipes.own_files import is_own_file
from dtp_tf.recipes.recipe import check_names
from dtp_tf.schema import ANYTHING, DEEPEST, DamagedError, check_plain, decoded, parse_json

MAX_CONFIG = 100_000  # bytes, of which YAML takes some 10 s to read
MOST_VALUES = 100_000  # in a YAML file, whose aliases could stand for any number


def read_config(path):
    """Return the settings in a JSON or YAML file as a dict.

    Raises:
        SettingError: a file that cannot be read, is no mapping, or has unknown settings.
    """
    settings = read_mapping(path)
    try:
        check_names(settings)
    except SettingError as error:
        raise SettingError(f"config file {path}: {error}") from None
    return settings


def refuse_unnamed(file, from_file, named):
    """Raise `SettingError` if a file, alone, names what would be run or whose code would be.

    Args:
        file: which it is, in words.
        from_file: its settings.
        named: those of the call itself.
    """
    name = first_code({k: v for k, v in from_file.items() if k not in named})
    if name is not None:
        value = from_file[name]
        raise SettingError(
            f"{file} names the {name} {value!r}, whose code is run only where the command "
            f"names it: if you trust it, add --{name} {shlex.quote(value)}."
        )


def first_code(settings):
    """Return the first of some settings that names code that would be run, or None."""
    programs = {"rule": is_own_file, "model": is_own_file, "dataset": _is_of_community}
    for name, runs_code in programs.items():
        value = settings.get(name)
        if isinstance(value, str) and runs_code(value):
            return name
    return None


def _is_of_community(dataset):
    """Whether TFDS would fetch the code of a data set, or leave it to another library."""
    return re.fullmatch(r"\w+(/[\w.,=+-]*)?(:[\d.*]+)?", dataset, re.ASCII) is None


def read_mapping(path):
    """Return the content of a JSON or YAML file, which must be a mapping.

    Raises:
        SettingError: a file that cannot be read, or is no mapping.
    """
    path = pathlib.Path(path)
    try:
        text = decoded(read_bytes(path, MAX_CONFIG))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingError(f"config file {path} cannot be read: {reason}.") from None
    is_yaml = path.suffix.lower() in (".yaml", ".yml")
    try:
        settings = _parse_yaml(text, path) if is_yaml else parse_json(text, path, ANYTHING)
    except DamagedError as error:
        kind = "YAML" if is_yaml else "JSON"
        raise SettingError(f"config file {path} is not valid {kind}: {error.reason}.") from None
    if not isinstance(settings, dict):
        raise SettingError(f"config file {path} must hold settings by name, got {text[:40]!r}.")
    return settings


def _parse_yaml(text, path):
    import yaml

    from dtp_tf.recipes.plain_yaml import PlainLoader

    try:
        content = yaml.load(text, PlainLoader)  # noqa: S506  (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = "" if mark is None else f", in line {mark.line + 1}"
        problem = " ".join(filter(None, (error.context, error.problem)))
        raise DamagedError(path, f"{problem}{place}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise DamagedError(path, " ".join(str(error).split())) from None
    except RecursionError:
        raise DamagedError(path, f"it is nested more than {DEEPEST} deep") from None
    check_plain(content, path, most=MOST_VALUES)
    return content
