"""Arithmetic that pairs, rules and networks share: activations, noise, samples, precision.

In: tensors, seeds and step numbers. Out: tensors, which depend on nothing else.
For `pairs`, `rules`, `network` and what trains them; no layer or rule is known here.
"""

import lazy_loader

from dtp_tf.backend import require_tensorflow

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

require_tensorflow()

# Before any module here begins: Keras, once imported, imports the network (see `dtp_tf`), which
# needs these modules whole.
import keras  # noqa: E402, F401
