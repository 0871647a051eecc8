"""How good a network is: reports, answers, pictures, and angles to other rules' updates.

In: a model and images. Out: reports as plain JSON types, answers with scores, PNG files.
For `training`, `export`, the commands and notebooks; measuring changes no weight.
"""

import lazy_loader

from dtp_tf.backend import require_tensorflow

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

require_tensorflow()
