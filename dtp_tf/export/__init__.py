"""Exports for TensorFlow Serving, ONNX and LiteRT, checked before they appear.

In: a classifier of stock layers, class names, a few images. Out: NAME/VERSION folders.
For `training` and the command `export`; `serving` meets them as files only.
"""

import lazy_loader

from dtp_tf.backend import require_tensorflow

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

require_tensorflow()
