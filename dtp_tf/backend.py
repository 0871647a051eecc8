"""The backend of Keras that everything here is written for."""

import json
import os
import pathlib
import sys

from dtp_tf.errors import SettingError


def require_tensorflow():
    """Raise `SettingError` if Keras has, or would have, another backend than TensorFlow.

    It comes before Keras is imported, for with the backend of a library that is not installed that
    fails.
    """
    name, where = _chosen()
    if name != "tensorflow":
        raise SettingError(
            f"dtp_tf needs Keras with the backend tensorflow, got {name} ({where}); set "
            "KERAS_BACKEND=tensorflow before Keras is imported."
        )


def is_tensorflow():
    """Whether Keras has, or would have, the backend TensorFlow."""
    return _chosen()[0] == "tensorflow"


def _chosen():
    """Return the name of the backend, and what chose it: the order is Keras's."""
    keras = sys.modules.get("keras")
    if keras is not None and hasattr(keras, "config"):
        return keras.config.backend(), "Keras was imported with it"
    if os.environ.get("KERAS_BACKEND"):
        return os.environ["KERAS_BACKEND"], "KERAS_BACKEND"
    path = _keras_home() / "keras.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # Keras, too, goes on with its defaults
        config = {}
    name = config.get("backend", "tensorflow") if isinstance(config, dict) else "tensorflow"
    return name, str(path)


def _keras_home():
    if "KERAS_HOME" in os.environ:
        return pathlib.Path(os.environ["KERAS_HOME"]).expanduser()
    home = os.path.expanduser("~")
    return pathlib.Path(home if os.access(home, os.W_OK) else "/tmp") / ".keras"
