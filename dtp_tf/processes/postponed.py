"""Modules that others import and nobody here may need: loaded when they are first used."""

import contextlib
import importlib.machinery
import sys
import threading
import types

# What Python itself gives a module, or asks for, before the module is loaded.
_BEFORE = {"__builtins__", "__cached__", "__file__", "__loader__", "__package__", "__path__"}


@contextlib.contextmanager
def postponed(*names):
    """A block in which a module that is imported for the first time waits until it is used.

    It looks like a module that is loaded, and becomes one as soon as anything of it is asked for,
    in the block or later. One that is missing is missing at once, as it would be without. What a
    module has before it is loaded, such as its `__file__`, does not load it: Python's own
    `LazyLoader` would, and AutoGraph asks every module for that.

    Args:
        names: of the modules, "package.module", in Python files. Not of what is imported with
            `from`.
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
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Waiting(spec.loader)
        return spec


class _Waiting:
    """A loader that leaves the loading to the module."""

    def __init__(self, loader):
        self.loader = loader

    def create_module(self, spec):
        return _Module(spec.name)

    def exec_module(self, module):
        pass


class _Module(types.ModuleType):
    """A module that is loaded when it is asked for what it does not have."""

    _lock = threading.RLock()

    def __getattr__(self, name):
        if name in _BEFORE:
            raise AttributeError(f"module {self.__name__!r} has no {name}")
        with _Module._lock:
            waiting = isinstance(self.__spec__.loader, _Waiting)
            if waiting:
                self.__spec__.loader = self.__loader__ = self.__spec__.loader.loader
                try:
                    self.__loader__.exec_module(self)
                except BaseException:
                    self.__spec__.loader = _Waiting(self.__loader__)  # the next one is told, too
                    raise
                self.__class__ = types.ModuleType
        if waiting or type(self) is types.ModuleType:  # this thread, or another, has loaded it
            return getattr(self, name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} yet")
