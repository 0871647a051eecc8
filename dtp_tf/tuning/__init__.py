"""Searching for settings with Optuna: trials in worker processes that share a study.

In: a recipe and a search space. Out: trials, best.yaml, tables and pictures.
For the command `tune` and Python.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
