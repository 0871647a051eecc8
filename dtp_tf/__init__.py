"""Difference target propagation in Keras: layers with inverses, targets and local losses.

The public names stand in `__init__.pyi`, where editors and type checkers read them; they are
imported on first use, so that `import dtp_tf` (and `dtp-tf --help`) does not wait for TensorFlow.
"""

import importlib

import lazy_loader
import wrapt

from dtp_tf.backend import is_tensorflow

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


@wrapt.when_imported("keras")
def _register(keras):
    """Register the layers with Keras, so that `keras.saving.load_model` finds them.

    Keras looks a class up among those already imported; this runs as soon as both it and `dtp_tf`
    are there, in either order. With another backend than TensorFlow nothing here can be used, which
    what needs Keras says.
    """
    if is_tensorflow():
        importlib.import_module("dtp_tf.network.registered")
