"""The page on one's own model: its Python runs, from the first lines to the last."""

import pathlib
import re

import keras
import pytest

PAGE = pathlib.Path(__file__).parents[2] / "docs/models.md"


@pytest.mark.slow
def test_the_python_on_the_page_of_models_runs(capsys):
    names = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(compile(code, PAGE.name, "exec"), names)
    assert names["classifier"].output_shape == (None, 10)
    assert "'stem'" in capsys.readouterr().out
    assert [pair.name for pair in names["coarser"].pairs] == ["stem", "mean"]
    assert isinstance(names["network"].pairs[1].inverse_layer, keras.layers.Dense)
