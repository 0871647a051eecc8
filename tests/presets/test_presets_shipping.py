"""The presets that are shipped are listed and installed, and are made of the best runs."""

import shutil

import make_preset
import numpy as np
import pytest
from helpers import REPO, python, trained
from presets_support import FILES

import dtp_tf
from dtp_tf.files import read_json, write_json
from dtp_tf.presets import folder as presets
from dtp_tf.presets.folder import probe_images, shipped_presets
from dtp_tf.sharing.opening import load_preset

# -- the table -------------------------------------------------------------------------------------


def test_the_table_lists_what_is_shipped_with_its_facts():
    table = dtp_tf.DTPNetwork.presets
    assert set(table) == {path.name for path in presets.SHIPPED.iterdir()}
    assert table is shipped_presets()
    for name, facts in table.items():
        known = dtp_tf.preset_info(name)
        assert known["name"] == name
        assert facts["test_accuracy"] == known["results"]["test"]["accuracy"] > 0.5
        assert facts["parameters"] == sum(known["parameters"].values())
        folder = presets.SHIPPED / name
        assert facts["bytes"] == sum((folder / one).stat().st_size for one in known["files"])
    with pytest.raises(TypeError):
        table["mine"] = {}


@pytest.mark.slow
def test_reading_the_table_imports_no_tensorflow(tmp_path):
    program = """
import sys
from dtp_tf.commands.main import main
for words in (["presets"], ["presets", "digits_mlp_dtp"], ["presets", "--json"], ["presets", "no"]):
    try:
        main(words)
    except SystemExit as end:
        print("exit", end.code)
print("tensorflow" in sys.modules, "keras" in sys.modules)
"""
    lines = python("-c", program, cwd=tmp_path, fresh=True).splitlines()
    assert [line for line in lines if line.startswith("exit ")] == [
        "exit 0", "exit 0", "exit 0", "exit 1",
    ]  # fmt: skip
    assert lines[-1] == "False False"


def test_all_presets_together_stay_under_60_megabytes():
    files = [path for path in presets.SHIPPED.rglob("*") if path.is_file()]
    assert 0 < sum(path.stat().st_size for path in files) < 60e6


@pytest.mark.slow
def test_an_installation_has_the_shipped_presets(tmp_path):
    """Also one that is no link to a clone: this step of a build collects the files."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPO / name, source)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPO / "dtp_tf", source / "dtp_tf", ignore=ignored)
    program = "import setuptools; setuptools.setup()"
    python("-c", program, "-q", "build_py", "--build-lib", tmp_path / "built", cwd=source)
    built = tmp_path / "built/dtp_tf"
    assert (built / "presets/folder.py").is_file()
    for name in shipped_presets():
        folder = built / "presets/pretrained" / name
        assert sorted(path.name for path in folder.iterdir()) == FILES
        assert load_preset(folder, load_weights=False).class_names


# -- making one to ship ----------------------------------------------------------------------------


def test_the_seed_with_the_best_validation_is_shipped():
    def best(*results):
        reports = [{"accuracy": accuracy, "loss": loss} for accuracy, loss in results]
        return make_preset.best_seed(dict(enumerate(reports)))

    assert best((0.9, 0.1), (0.95, 0.4), (0.94, 0.1)) == 1
    assert best((0.9, 0.1), (0.95, 0.4), (0.95, 0.3)) == 2


def copied_run(folder, **settings):
    """Make `folder` a copy of a finished run whose recipe says these settings."""
    shutil.copytree(trained()[0], folder)
    write_json(folder / "config.json", {**read_json(folder / "config.json"), **settings})


@pytest.mark.slow
def test_a_preset_is_made_of_finished_runs_without_training_again(tmp_path):
    runs, out, golden = (tmp_path / name for name in ("runs", "out", "golden"))
    for seed in (0, 1):
        copied_run(runs / f"digits-{seed}", seed=seed)
    metrics = read_json(runs / "digits-1/metrics.json")
    metrics["validation"]["accuracy"] += 0.01
    write_json(runs / "digits-1/metrics.json", metrics)
    words = ["--recipe", "digits", "--seeds", "2", "--runs", runs, "--out", out, "--golden", golden]
    with pytest.raises(SystemExit) as end:
        make_preset.main([str(word) for word in words])
    assert end.value.code == 0
    tried = dtp_tf.preset_info(out / "digits_mlp_dtp")["seeds"]["validation_accuracy"]
    assert list(tried) == ["0", "1"]
    assert tried["1"] == pytest.approx(tried["0"] + 0.01)
    answers = read_json(golden / "digits_mlp_dtp.json")
    scores = load_preset(out / "digits_mlp_dtp").model(probe_images((8, 8, 1)))
    np.testing.assert_allclose(answers["scores"], scores, atol=1e-6)


def test_only_the_seed_that_a_table_calls_the_best_is_trained(tmp_path):
    """Its run is there already; the other seed has none."""
    runs, table = tmp_path / "runs", tmp_path / "results.csv"
    copied_run(runs / "digits-1", seed=1)
    words = ["--recipe", "digits", "--recorded", table, "--runs", runs, "--out", tmp_path / "out",
             "--golden", tmp_path / "golden"]  # fmt: skip
    accuracy = read_json(runs / "digits-1/metrics.json")["validation"]["accuracy"]

    def make(other, best):
        table.write_text(
            "recipe,rule,seed,validation_accuracy\n"
            f"digits,dtp,0,{other}\ndigits,dtp,1,{best}\nmnist,dtp,0,1.0\ndigits,bp,0,1.0\n"
        )
        with pytest.raises(SystemExit) as end:
            make_preset.main([str(word) for word in words])
        return end.value.code

    other = accuracy - 0.01
    assert "seed 1 is not the best any more" in make(accuracy + 0.005, accuracy + 0.01)
    assert not (tmp_path / "out").exists()
    assert make(other, accuracy + 0.01) == 0
    tried = dtp_tf.preset_info(tmp_path / "out/digits_mlp_dtp")["seeds"]["validation_accuracy"]
    assert (tried["0"], tried["1"]) == pytest.approx((other, accuracy))


def test_runs_of_another_rule_make_a_preset_of_their_own(tmp_path):
    """A table's rows of the recipe's own rule say nothing of it."""
    runs, table = tmp_path / "runs", tmp_path / "results.csv"
    copied_run(runs / "digits-sdtp-1", rule="sdtp", seed=1)
    accuracy = read_json(runs / "digits-sdtp-1/metrics.json")["validation"]["accuracy"]
    table.write_text(
        f"recipe,rule,seed,validation_accuracy\ndigits,dtp,0,1.0\ndigits,sdtp,1,{accuracy}\n"
    )
    words = ["--recipe", "digits", "--rule", "sdtp", "--recorded", table, "--runs", runs,
             "--out", tmp_path / "out", "--golden", tmp_path / "golden"]  # fmt: skip
    with pytest.raises(SystemExit) as end:
        make_preset.main([str(word) for word in words])
    assert end.value.code == 0
    seeds = dtp_tf.preset_info(tmp_path / "out/digits_mlp_sdtp")["seeds"]
    assert list(seeds["validation_accuracy"]) == ["1"]


@pytest.mark.parametrize("setting, value", [("rule", "bp"), ("seed", 7), ("recipe", "mnist")])
def test_a_run_that_is_not_what_its_folder_is_called_becomes_no_preset(tmp_path, setting, value):
    copied_run(tmp_path / "runs/digits-0", **{setting: value})
    words = ["--recipe", "digits", "--seeds", "1", "--runs", tmp_path / "runs",
             "--out", tmp_path / "out", "--golden", tmp_path / "golden"]  # fmt: skip
    with pytest.raises(SystemExit) as end:
        make_preset.main([str(word) for word in words])
    assert "is a run of {'recipe'" in end.value.code
    assert f"'{setting}': {value!r}" in end.value.code
    assert not (tmp_path / "out").exists()
