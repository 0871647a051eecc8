"""The versions and the device that a result depends on."""

import platform

import keras
import tensorflow as tf

import dtp_tf
from dtp_tf.machines.devices import device_name


def versions():
    """Return the versions and the device that a result depends on."""
    return {
        "dtp_tf": dtp_tf.__version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "python": platform.python_version(),
        "device": device_name(),
    }
