"""Modules that others import and nobody here may need: loaded when they are first used."""

import contextlib
import importlib.machinery
import importlib.util
import sys


@contextlib.contextmanager
def postponed(*names):
    """A block in which a module that is imported for the first time waits until it is used.

    It looks like a module that is loaded, and becomes one as soon as anything of it is asked for,
    in the block or later. One that is missing is missing at once, as it would be without.

    Args:
        names: of the modules, "package.module". Not of what is imported with `from`.
    """
    finder = _Postponing(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Postponing:
    """Finds modules as Python does, and gives them a loader that waits."""

    def __init__(self, names):
        self._names = names

    def find_spec(self, name, path, target=None):
        if name not in self._names:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec
