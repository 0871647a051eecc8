"""The page on losses and outputs: its code runs, and so do the examples whose numbers it gives."""

import importlib.util
import pathlib
import re

import numpy as np
import pytest

import dtp_tf
from dtp_tf.data.splits import ImageData, Split

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/losses.md").read_text(encoding="utf-8")
EXAMPLES = ("mnist_autoencoder", "student_teacher")


def example(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def printed(module, monkeypatch, capsys, *words):
    """The rows that an example prints, by what stands first in them."""
    monkeypatch.setattr("sys.argv", ["example", *words])
    module.main()
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()]
    return {name: cells for name, *cells in rows}


@pytest.mark.slow
def test_the_code_of_the_page_runs():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    exec(compile(code, "losses.md", "exec"), names)
    assert names["model"].predict(names["x"], verbose=0).shape == (200, 4)


@pytest.mark.slow
def test_the_autoencoder_of_the_page_runs(monkeypatch, capsys):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(24, 28, 28, 1), dtype="uint8")
    split = Split(images, np.arange(24, dtype="int32") % 10)
    data = ImageData("mnist", split, split, split, tuple("0123456789"), "")
    monkeypatch.setattr(dtp_tf, "load_data", lambda recipe, data_dir: data)
    module = example("mnist_autoencoder")
    monkeypatch.setattr(module, "HIDDEN", (8, 4))
    rows = printed(module, monkeypatch, capsys, "--epochs", "1", "--rules", "bp")
    assert 0 < float(rows["`bp`"][0]) < 1
    assert float(rows["the mean image"][0]) == pytest.approx(
        np.var(images / 255, axis=0).mean(), abs=1e-4
    )


@pytest.mark.slow
def test_the_students_of_the_page_learn(monkeypatch, capsys):
    module = example("student_teacher")
    monkeypatch.setattr(module, "TEACHER", (50,) * 4)
    words = ("--epochs", "40", "--seeds", "1", "--rules", "bp")
    rows = printed(module, monkeypatch, capsys, *words)
    assert float(rows["`bp`"][0].split()[0]) < 0.8  # the mean answers with an error of 1


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_page_gives_a_number_for_every_rule_of_an_example(name):
    module = example(name)
    after = PAGE.split(f"python examples/{name}.py", 1)[1]
    table = after.split("```", 1)[1].split("\n\n", 2)[1]
    found = re.findall(r"^\| `(\w+)` \| (0\.\d+)", table, re.MULTILINE)
    assert {rule for rule, _ in found} == set(module.RULES)
    for make in module.RULES.values():
        assert isinstance((make[0] if isinstance(make, tuple) else make)(), dtp_tf.rules.Rule)
