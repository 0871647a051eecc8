"""Trained networks as people pass them on: runs, presets and files are opened, or become presets.

In: a run's folder, a preset's name or folder, a `.keras` or PyTorch file. Out: a model, a preset.
It stands above `runs` and `presets`, so that those need not know each other.
"""

import lazy_loader

from dtp_tf.backend import require_tensorflow

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

require_tensorflow()
