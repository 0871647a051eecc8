"""Reproducing papers: a table's rows, each trained with several seeds, beside what is published.

In: the tables in `tables/`, or a file like them. Out: run folders, reproduction.csv, .json, .md and
.png. For the command `reproduce` and Python.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
