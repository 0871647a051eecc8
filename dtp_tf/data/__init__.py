"""Images and labels: sets by name or folder, their splits, batches, preprocessing.

In: a recipe, a TFDS folder, image files. Out: `ImageData` in uint8 [0, 255], in memory or read as
they are needed, and batches for training.
For what trains, evaluates and exports; no network is known here.
"""

import lazy_loader

from dtp_tf.backend import require_tensorflow

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

require_tensorflow()
