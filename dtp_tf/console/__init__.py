"""What a person reads in a terminal.

In: data, networks, reports, answers. Out: lines and tables on the console that is given.
Whoever prints uses it; it computes nothing and knows no other wing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
