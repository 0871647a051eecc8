"""TensorFlow Serving: starting servers, asking them, and measuring how they answer.

In: exports, URLs, image files. Out: a running server, answers, a load test's numbers.
For the commands around servers and Python; REST needs no TensorFlow.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
