"""The reference lists every public name, and each says what it is."""

import ast
import importlib

import pytest
from public import ROOT, places, public_names, stubs


@pytest.mark.parametrize("module", stubs())
def test_the_public_names_of_a_module_are_those_that_python_hands_on(module):
    assert sorted(public_names(module)) == sorted(importlib.import_module(module).__all__)


def test_every_wing_with_a_stub_is_in_the_reference():
    stubbed = {path.parent.name for path in ROOT.glob("dtp_tf/*/__init__.pyi")}
    assert {module.partition(".")[2] for module in stubs()} == {"", *stubbed}


def test_a_name_that_two_modules_hand_on_has_one_place():
    assert places()["dtp_tf.pairs.DensePair"] == places()["dtp_tf.DensePair"] == "dtp_tf.DensePair"
    assert places()["dtp_tf.rules.DTP"] == "dtp_tf.rules.DTP"


def documented(source):
    """Whether a class, function or constant has a docstring where it is defined."""
    module, _, name = source.rpartition(".")
    path = ROOT / f"{module.replace('.', '/')}.py"
    if not path.is_file():  # a module
        return True
    body = ast.parse(path.read_text(encoding="utf-8")).body
    for line, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(line, ast.ImportFrom) and name in [alias.name for alias in line.names]:
            return documented(f"{line.module}.{name}")
        if getattr(line, "name", None) == name:
            return ast.get_docstring(line) is not None
        if name in [getattr(target, "id", None) for target in getattr(line, "targets", ())]:
            return isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    return False


@pytest.mark.parametrize("module", stubs())
def test_every_public_name_says_what_it_is(module):
    silent = [name for name, source in public_names(module).items() if not documented(source)]
    assert silent == []
