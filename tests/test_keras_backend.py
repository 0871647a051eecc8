"""Keras's other backends are refused in one sentence, where Keras is needed at all."""

import json
import os
import subprocess
import sys

import keras
import pytest
from helpers import REPO, environment

from dtp_tf.backend import is_tensorflow, require_tensorflow
from dtp_tf.errors import SettingError

NAMES = """
import sys

import dtp_tf

for name in sorted(set(dtp_tf.__all__) - {"__version__"}):
    try:
        getattr(dtp_tf, name)
    except dtp_tf.errors.SettingError as error:
        print(name, error)
print("keras" in sys.modules)
"""


def run(words, tmp_path, **variables):
    env = {**environment(), "KERAS_HOME": str(tmp_path), **variables}
    return subprocess.run(
        [sys.executable, *words], cwd=tmp_path, env=env, capture_output=True, text=True
    )


@pytest.mark.parametrize("how", ["variable", "file"])
@pytest.mark.slow
def test_names_that_need_keras_are_refused_and_the_others_are_not(tmp_path, how):
    if how == "variable":
        variables = {"KERAS_BACKEND": "jax"}
    else:
        variables = {"KERAS_BACKEND": ""}
        (tmp_path / "keras.json").write_text(json.dumps({"backend": "torch"}))
    done = run(["-c", NAMES], tmp_path, **variables)
    assert done.returncode == 0, done.stderr
    *refused, imported = done.stdout.splitlines()
    assert imported == "False"
    named = {line.split()[0] for line in refused}
    assert {"DTPNetwork", "DensePair", "train", "compare", "evaluate", "rules"} <= named
    assert not named & {"Recipe", "recipe", "recipes", "errors", "preset_info"}
    got = "jax (KERAS_BACKEND)" if how == "variable" else f"torch ({tmp_path / 'keras.json'})"
    for line in refused:
        assert f"needs Keras with the backend tensorflow, got {got}; set KERAS_BACKEND=" in line


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [["train"], ["evaluate", "digits_mlp_dtp"], ["compare", "digits"], ["--version"]]
)
def test_commands_that_need_keras_end_with_the_sentence(tmp_path, words):
    done = run([str(REPO / "cli.py"), *words], tmp_path, KERAS_BACKEND="jax")
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert "Error: dtp_tf needs Keras with the backend tensorflow, got jax" in done.stderr


@pytest.mark.slow
def test_commands_that_do_not_need_keras_work_with_every_backend(tmp_path):
    for words in (["--help"], ["recipes", "digits"], ["train", "--help"]):
        assert run([str(REPO / "cli.py"), *words], tmp_path, KERAS_BACKEND="torch").returncode == 0


def test_keras_that_is_imported_says_its_backend_itself(monkeypatch):
    monkeypatch.setitem(os.environ, "KERAS_BACKEND", "jax")  # too late
    require_tensorflow()
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    assert not is_tensorflow()
    with pytest.raises(SettingError, match="got torch \\(Keras was imported with it\\)"):
        require_tensorflow()


def test_a_file_that_says_nothing_leaves_the_default(tmp_path, monkeypatch):
    monkeypatch.setitem(os.environ, "KERAS_HOME", str(tmp_path))
    monkeypatch.delitem(os.environ, "KERAS_BACKEND", raising=False)
    monkeypatch.delitem(sys.modules, "keras")
    for content in (None, "{", "[]", "{}", '{"backend": "tensorflow"}'):
        if content is not None:
            (tmp_path / "keras.json").write_text(content)
        require_tensorflow()
