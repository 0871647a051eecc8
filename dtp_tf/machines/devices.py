"""The devices of this host: which of them TensorFlow sees, their memory, and their precision."""

import os
import platform

import tensorflow as tf

from dtp_tf.errors import UserError


def choose_device(machine):
    """Let TensorFlow see no other devices than those of a `Machine`, and take no more of a GPU's
    memory than it needs.

    Must be called before anything runs on a device; later it may only ask for the same again.

    Raises:
        UserError: there is no such GPU, or TensorFlow already runs on other devices.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if machine.gpu is not None and machine.gpu >= len(gpus):
        found = ", ".join(f"gpu:{i}" for i in range(len(gpus))) or "no GPU"
        remedy = "use one of these" if gpus else "use `device` cpu, or auto"
        raise UserError(
            f"`device` {machine.device} is not there: TensorFlow finds {found} on this machine; "
            f"{remedy}."
        )
    wanted = gpus if machine.device == "auto" else []
    if machine.gpu is not None:
        wanted = [gpus[machine.gpu]]
    try:
        if tf.config.get_visible_devices("GPU") != wanted:
            tf.config.set_visible_devices(wanted, "GPU")
        for gpu in wanted:
            if not tf.config.experimental.get_memory_growth(gpu):
                tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:  # it has begun
        raise UserError(
            f"`device` {machine.device} came too late: TensorFlow already runs in this process; "
            "choose the device before anything else is computed."
        ) from None


def set_precision(precision):
    """Let float32 products on a GPU be what a recipe's `precision` says: exact, or TF32.

    TensorFlow allows TF32 by itself, which rounds what is multiplied to 11 bits.
    """
    tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")


def device_name():
    """Return the name of the device that trains: a GPU's, or CPU."""
    gpus = tf.config.get_visible_devices("GPU")
    if not gpus:
        return f"CPU ({platform.machine()}, {os.cpu_count()} cores)"
    details = tf.config.experimental.get_device_details(gpus[0])
    return f"GPU ({details.get('device_name', gpus[0].name)})"
