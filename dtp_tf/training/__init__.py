"""Training a recipe: building the network, the loop, checkpoints, the report at the end.

In: a recipe or a run to resume, a machine. Out: the best network, its history, a run's folder.
For `compare`, `tune`, `benchmark`, the command `train` and Python.
"""

import lazy_loader

from dtp_tf.backend import require_tensorflow

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

require_tensorflow()
