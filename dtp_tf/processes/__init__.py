"""Processes of this machine: children that do a job, locks between them, and ending in order.

In: jobs as JSON, paths, signals. Out: outcomes, held locks, an event that Ctrl-C sets.
Whoever starts, waits or stops uses it; what a job does is told by the wing that starts it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
