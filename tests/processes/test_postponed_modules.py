"""Modules that others import for their own sake load when they are first used, and not before."""

import concurrent.futures
import gc
import importlib
import sys

import pytest
from helpers import python

from dtp_tf.processes.postponed import postponed
from dtp_tf.processes.quiet import import_tensorflow

PROGRAM = """
import gc, sys
from dtp_tf.processes.quiet import import_tensorflow
import_tensorflow()
print(gc.isenabled(), gc.get_freeze_count() > 100_000)
import dtp_tf.training.train
[hasattr(module, "__file__") for module in tuple(sys.modules.values())]  # as AutoGraph does
print("scipy.stats._stats_py" in sys.modules, "matplotlib.figure" in sys.modules)
import matplotlib.pyplot, scipy.stats
print(scipy.stats.norm.cdf(0.0), matplotlib.pyplot.Figure.__name__)
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that imports its module `late`, which says when it is loaded."""
    home = tmp_path / "waiting"
    home.mkdir()
    (home / "__init__.py").write_text("loaded = []\nimport waiting.late\n")
    (home / "late.py").write_text("import waiting\nwaiting.loaded.append(1)\nvalue = 5\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = list(sys.meta_path)
    yield importlib.import_module
    assert sys.meta_path == before
    for name in ("waiting", "waiting.late"):
        sys.modules.pop(name, None)


def test_a_postponed_module_loads_when_it_is_first_used(package):
    with postponed("waiting.late"):
        waiting = package("waiting")
    assert waiting.loaded == []
    assert waiting.late.value == 5 and waiting.loaded == [1]
    assert waiting.late.value == 5 and waiting.loaded == [1]


def test_a_later_import_loads_a_postponed_module_as_ever(package):
    with postponed("waiting.late"):
        waiting = package("waiting")
    assert package("waiting.late").value == 5 and waiting.loaded == [1]


def test_a_look_at_where_it_comes_from_does_not_load_a_postponed_module(package):
    with postponed("waiting.late"):
        waiting = package("waiting")
    late = sys.modules["waiting.late"]
    assert hasattr(late, "__file__") and late.__file__.endswith("late.py")
    assert late.__spec__.name == late.__name__ == "waiting.late" and not hasattr(late, "__path__")
    assert isinstance(late.__dict__, dict) and waiting.loaded == []


def test_what_a_postponed_module_does_not_have_is_missing_as_ever(package):
    with postponed("waiting.late"):
        waiting = package("waiting")
    with pytest.raises(AttributeError, match="waiting.late"):
        _ = waiting.late.nothing
    assert waiting.loaded == [1]


def test_a_postponed_module_that_fails_fails_each_time(package, tmp_path):
    (tmp_path / "waiting/late.py").write_text("import waiting\nwaiting.loaded.append(1)\n1 / 0\n")
    with postponed("waiting.late"):
        waiting = package("waiting")
    for times in (1, 2):
        with pytest.raises(ZeroDivisionError):
            _ = waiting.late.value
        assert len(waiting.loaded) == times


def test_threads_that_ask_at_the_same_time_wait_for_the_module(package, tmp_path):
    late = "import time, waiting\nwaiting.loaded.append(1)\ntime.sleep(0.2)\nvalue = 5\n"
    (tmp_path / "waiting/late.py").write_text(late)
    with postponed("waiting.late"):
        waiting = package("waiting")
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda _: waiting.late.value, range(4))) == [5] * 4
    assert waiting.loaded == [1]


def test_other_modules_load_at_once(package):
    with postponed("waiting.other"):
        assert package("waiting").loaded == [1]


def test_a_postponed_module_that_is_missing_is_missing_at_once(package):
    with postponed("waiting.nowhere"), pytest.raises(ModuleNotFoundError):
        package("waiting.nowhere")


@pytest.mark.slow
def test_a_training_does_not_wait_for_modules_that_it_does_not_use(tmp_path):
    lines = python("-c", PROGRAM, cwd=tmp_path, fresh=True).splitlines()
    assert lines == ["True True", "False False", "0.5 Figure"]


def test_where_tensorflow_is_imported_nothing_is_kept_from_the_garbage_collector():
    before = gc.get_freeze_count()
    import_tensorflow()
    assert gc.get_freeze_count() == before and gc.isenabled()
