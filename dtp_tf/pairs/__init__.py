"""Layer pairs: a forward layer f and its inverse g in one Keras layer. One class a file.

In: activations h_{i-1}, or with `reverse=True` those above. Out: h_i, or what g makes of them.
`network` stacks them and `rules` ask their inverses; a pair knows neither.
"""

import lazy_loader

from dtp_tf.backend import require_tensorflow

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

require_tensorflow()

# Before any module here begins: Keras, once imported, imports the network (see `dtp_tf`), which
# needs these modules whole.
import keras  # noqa: E402, F401
