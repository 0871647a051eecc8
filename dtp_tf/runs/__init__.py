"""What a training leaves: its folder, its `.keras` files, and where a result came from.

In: networks, logs, recipes. Out: files that appear whole or not at all, and what they held.
For `training` and all that reads runs; presets are another wing, and neither knows the other.
"""

import lazy_loader

from dtp_tf.backend import require_tensorflow

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

require_tensorflow()
