"""`DTPNetwork`: pairs, an output layer and a rule become a Keras model that learns.

In: pairs, a rule, batches. Out: predictions, updates, and a classifier of stock layers.
For everything that trains, saves or exports; it knows neither data nor folders.
"""

import lazy_loader

from dtp_tf.backend import require_tensorflow

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

require_tensorflow()

# Before any module here begins: Keras, once imported, imports the network (see `dtp_tf`), which
# needs these modules whole.
import keras  # noqa: E402, F401
