"""How fast training is on this machine: steps, epochs, the start, what a step consists of.

In: a recipe. Out: images per second beside the machine's own peak, as plain JSON types.
For the command `benchmark` and the scripts in `benchmarks/`.
"""

import lazy_loader

from dtp_tf.backend import require_tensorflow

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

require_tensorflow()
