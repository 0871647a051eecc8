"""Settings in JSON and YAML files. This module does not import TensorFlow."""

import json
import pathlib

from dtp_tf.errors import SettingError
from dtp_tf.recipes.recipe import check_names


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


def read_mapping(path):
    """Return the content of a JSON or YAML file, which must be a mapping.

    Raises:
        SettingError: a file that cannot be read, or is no mapping.
    """
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise SettingError(f"config file {path} cannot be read: {reason}.") from None
    if pathlib.Path(path).suffix.lower() in (".yaml", ".yml"):
        import yaml

        try:
            settings = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            place = " ".join(str(error).split())
            raise SettingError(f"config file {path} is not valid YAML: {place}.") from None
    else:
        try:
            settings = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SettingError(f"config file {path} is not valid JSON: {error}.") from None
    if not isinstance(settings, dict):
        raise SettingError(f"config file {path} must hold settings by name, got {text[:40]!r}.")
    return settings
