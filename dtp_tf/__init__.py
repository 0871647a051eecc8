"""Difference target propagation in Keras: layers with inverses, targets and local losses.

The public names are imported on first use, so that `import dtp_tf` (and `dtp-tf --help`) does not
wait for TensorFlow.
"""

import importlib

import wrapt

__version__ = "0.1.0"

_HOMES = {
    "DTPNetwork": "dtp_tf.network",
    "BlockPair": "dtp_tf.pairs",
    "Conv2DPair": "dtp_tf.pairs",
    "DensePair": "dtp_tf.pairs",
    "Diagnostics": "dtp_tf.diagnostics",
    "Recipe": "dtp_tf.recipes",
    "compare": "dtp_tf.comparison",
    "evaluate": "dtp_tf.evaluation",
    "export": None,
    "load_data": "dtp_tf.data",
    "preset_info": "dtp_tf.presets",
    "pretrained_classifier": "dtp_tf.preset_models",
    "recipe": "dtp_tf.recipes",
    "recipes": None,
    "rules": None,
    "train": "dtp_tf.training",
    "tune": "dtp_tf.tuning",
}

__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'dtp_tf' has no attribute {name!r}")
    home = _HOMES[name]
    if home is None:
        return importlib.import_module(f"dtp_tf.{name}")
    return getattr(importlib.import_module(home), name)


def __dir__():
    return __all__


@wrapt.when_imported("keras")
def _register(keras):
    """Register the layers with Keras, so that `keras.saving.load_model` finds them.

    Keras looks a class up among those already imported; this runs as soon as both it and `dtp_tf`
    are there, in either order.
    """
    importlib.import_module("dtp_tf.network")
