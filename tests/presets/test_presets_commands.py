"""Every command takes a preset as it takes a run, and the page on presets is right."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf
import yaml
from helpers import REPO, digits, invoke, succeeded, trained
from PIL import Image
from presets_support import FILES, fixture_saved  # noqa: F401

import dtp_tf
from dtp_tf.presets.folder import shipped_presets
from dtp_tf.sharing.opening import load_preset

PAGE = (REPO / "docs/presets.md").read_text(encoding="utf-8")


@pytest.fixture
def seven(tmp_path):
    path = tmp_path / "seven.png"
    Image.fromarray(digits().test.images[7, ..., 0]).save(path)
    return path


@pytest.mark.slow
def test_predict_and_evaluate_take_a_preset_as_they_take_its_run(saved, seven):
    for words in (["evaluate", "--json"], ["predict", "--json", seven]):
        command, *rest = words
        ours, runs = (
            json.loads(succeeded(invoke(command, *where, *rest)))
            for where in ([saved], [trained()[0]])
        )
        assert ours == pytest.approx(runs) if isinstance(ours, float) else ours == runs


def test_a_shipped_preset_is_evaluated_by_its_name_to_the_accuracy_of_its_card():
    result = json.loads(succeeded(invoke("evaluate", "digits_mlp_dtp", "--json")))
    known = dtp_tf.preset_info("digits_mlp_dtp")["results"]["test"]
    assert result["accuracy"] == known["accuracy"]
    assert result["confusion_matrix"] == known["confusion_matrix"]


@pytest.mark.slow
def test_a_preset_is_exported_without_its_data(saved, tmp_path, monkeypatch):
    images = digits().test.images[:9]

    def no_data(*args):
        raise AssertionError("data were asked for")

    monkeypatch.setattr("dtp_tf.data.sets.load_data", no_data)
    words = ("--export-dir", tmp_path / "exported", "--json")
    content = json.loads(succeeded(invoke("export", saved, *words)))
    assert content["export"] == str(tmp_path / "exported/tiny_digits/1")
    served = tf.saved_model.load(content["export"]).signatures["serving_default"]
    np.testing.assert_allclose(
        served(images=tf.constant(images))["probabilities"],
        load_preset(saved).model(images),
        rtol=1e-5, atol=1e-7,
    )  # fmt: skip


def test_presets_shows_the_table_and_one_presets_card(saved):
    lines = succeeded(invoke("presets")).splitlines()
    assert [line.split()[0] for line in lines] == ["preset", *shipped_presets()]
    (line,) = [line for line in lines if line.startswith("digits_mlp_dtp ")]
    facts = shipped_presets()["digits_mlp_dtp"]
    assert f"{facts['test_accuracy']:.2%}" in line
    assert f"{facts['parameters']:,}" in line
    table = json.loads(succeeded(invoke("presets", "--json")))
    assert table == {name: dict(facts) for name, facts in shipped_presets().items()}
    text = succeeded(invoke("presets", saved))
    assert text.startswith("# tiny_digits\n")
    assert json.loads(succeeded(invoke("presets", saved, "--json"))) == dtp_tf.preset_info(saved)


def test_save_preset_speaks_json(tmp_path):
    words = ("--license", "cc-by-4.0", "--float16", "--json")
    facts = json.loads(succeeded(invoke("save-preset", trained()[0], tmp_path / "out", *words)))
    assert facts == dtp_tf.preset_info(tmp_path / "out")
    assert (facts["license"], facts["weights_dtype"]) == ("cc-by-4.0", "float16")


def test_the_card_begins_with_what_hubs_read(saved):
    front = yaml.safe_load((saved / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    assert front["license"] == "apache-2.0"
    assert front["library_name"] == "keras"
    assert "difference-target-propagation" in front["tags"]
    (result,) = front["model-index"][0]["results"]
    accuracy = dtp_tf.preset_info(saved)["results"]["test"]["accuracy"]
    assert result["metrics"] == [{"type": "accuracy", "value": round(accuracy, 4)}]


@pytest.mark.slow
def test_the_python_of_the_page_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    exec(compile(code, "presets.md", "exec"), names)
    images = digits().test.images[:5]
    expected = names["network"](images)
    np.testing.assert_allclose(names["classifier"](images), expected, rtol=1e-5, atol=1e-7)
    assert not np.allclose(names["fresh"](images), expected)
    assert names["names"] == [str(i) for i in range(10)]
    assert "digits_mlp_dtp" in capsys.readouterr().out


def test_the_page_names_every_file_of_a_preset():
    assert all(f"`{name}`" in PAGE for name in FILES)
