"""Comparing learning rules: every rule with every seed, each a run, and one table.

In: a recipe, rules, seeds. Out: run folders, comparison.csv, .json and .png.
For the command `compare` and Python; `tuning` reads plans and logs by it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
