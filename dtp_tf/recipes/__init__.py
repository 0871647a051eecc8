"""What a training run is: every setting with its default, unit and reason, and named sets of them.

In: names, flags, JSON and YAML files. Out: a checked `Recipe`.
Every wing above may ask for settings; nothing here imports TensorFlow.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
