"""Learning rules: how hidden layers are taught and feedback learns. One class a file.

In: a network and a `Batch` with its activations. Out: targets or signals, and losses per example.
`network` asks the rule that it is given; a row in `by_name.py` gives a rule its name in recipes.
"""

import lazy_loader

from dtp_tf.backend import require_tensorflow

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

require_tensorflow()

# Before any module here begins: Keras, once imported, imports the network (see `dtp_tf`), which
# needs these modules whole.
import keras  # noqa: E402, F401
