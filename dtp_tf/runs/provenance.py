"""What a result came from: data, versions and device."""

import platform

import keras
import tensorflow as tf

from dtp_tf.devices import device_name


def fingerprint(data):
    """Return what tells one set of data from another."""
    return {
        "name": data.name,
        "image_shape": list(data.image_shape),
        "classes": len(data.class_names),
        "training_images": len(data.train),
        "validation_images": len(data.validation),
        "test_images": None if data.test is None else len(data.test),
        "test_origin": data.test_origin,
    }


def versions():
    """Return the versions and the device that a result depends on."""
    import dtp_tf

    return {
        "dtp_tf": dtp_tf.__version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "python": platform.python_version(),
        "device": device_name(),
    }


def card_facts(about, data, test):
    """Return what a model card says of a trained network, see `dtp_tf.cards.model_card`.

    Args:
        about: of its `SavedModel`.
        data: the `ImageData` it was trained on.
        test: its report on their test split.
    """
    history = about.get("history")  # a classifier without its run has none
    return {
        "recipe": about["recipe"],
        "data": fingerprint(data),
        "results": {"test": test, "best_epoch": None if history is None else len(history)},
        "versions": about["versions"],
    }
