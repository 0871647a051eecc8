"""Presets: what is saved comes back, in Keras and by every command; what is damaged is named."""

import json
import os
import re
import shutil
import zipfile

import h5py
import keras
import make_preset
import numpy as np
import pytest
import tensorflow as tf
import yaml
from helpers import (
    REPO,
    digits,
    full_disk,
    hidden_files,
    invoke,
    python,
    refusal,
    succeeded,
    trained,
)
from PIL import Image

import dtp_tf
from dtp_tf.errors import UserError
from dtp_tf.files import read_json, write_json
from dtp_tf.presets import folder as presets
from dtp_tf.presets import writing
from dtp_tf.presets.folder import FORMAT, file_hash, probe_images, shipped_presets
from dtp_tf.presets.writing import save_preset
from dtp_tf.runs.models import load_model, save_model
from dtp_tf.sharing.opening import load_preset, open_model
from dtp_tf.sharing.run_presets import save_run
from dtp_tf.training.building import build_network

PAGE = (REPO / "docs/presets.md").read_text(encoding="utf-8")
FILES = ["README.md", "config.json", "metadata.json", "model.weights.h5"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The preset of the shared run."""
    path = tmp_path_factory.mktemp("presets") / "tiny_digits"
    save_run(trained()[0], path)
    return path


@pytest.fixture
def preset(saved, tmp_path):
    """A copy of it, to be damaged."""
    return shutil.copytree(saved, tmp_path / "copy")


def refused(path):
    """Return the sentence with which a preset is refused."""
    with pytest.raises(UserError) as caught:
        load_preset(path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    assert text.endswith((".", "?"))
    return text


def change(path, **changes):
    """Change a preset's metadata."""
    facts = read_json(path / "metadata.json")
    write_json(path / "metadata.json", {**facts, **changes})


def sign(path):
    """Make a preset's metadata agree with its files, as one who changes a preset would."""
    names = ("config.json", "model.weights.h5")
    change(path, files={
        name: {"bytes": (path / name).stat().st_size, "sha256": file_hash(path / name)}
        for name in names
    })  # fmt: skip


# -- what is saved comes back ----------------------------------------------------------------------


def test_a_preset_is_a_folder_of_four_plain_files(saved):
    assert sorted(path.name for path in saved.iterdir()) == FILES
    assert not hidden_files(saved.parent)


def test_a_preset_has_the_very_weights_of_the_run_forward_and_inverse(saved):
    run, network = load_model(trained()[0] / "best.keras").model, load_preset(saved).model
    assert len(network.inverse_variables) == 2
    for ours, theirs in (
        (network.forward_variables, run.forward_variables),
        (network.inverse_variables, run.inverse_variables),
    ):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)
    images = digits().test.images
    np.testing.assert_array_equal(network(images), run(images))


def test_a_preset_holds_no_states_of_optimizers_and_no_count_of_steps(saved):
    with h5py.File(saved / "model.weights.h5") as file:
        names = []
        file.visit(names.append)
    assert not [name for name in names if "optimizer" in name]
    network = load_preset(saved).model
    assert int(network.step) == 0
    assert int(load_model(trained()[0] / "best.keras").model.step) > 0


def test_a_preset_is_compiled_as_its_recipe_says_and_learns_on(saved):
    network = dtp_tf.DTPNetwork.from_preset(saved)
    run = load_model(trained()[0] / "best.keras").model
    assert network.optimizer.get_config() == run.optimizer.get_config()
    assert network.inverse_optimizer.get_config() == run.inverse_optimizer.get_config()
    assert int(network.optimizer.iterations) == 0
    before = [variable.numpy() for variable in network.forward_variables]
    split = digits().train
    network.fit(split.images[:64], split.labels[:64], epochs=1, verbose=0)
    for old, variable in zip(before, network.forward_variables, strict=True):
        assert not np.array_equal(old, variable)


def test_without_its_weights_a_preset_is_the_same_network_drawn_afresh(saved):
    whole = dtp_tf.DTPNetwork.from_preset(saved)
    keras.utils.set_random_seed(1)
    fresh = dtp_tf.DTPNetwork.from_preset(saved, load_weights=False)
    assert fresh.get_config() == whole.get_config()
    for one, other in zip(fresh.weights, whole.weights, strict=True):
        assert one.shape == other.shape
        if len(one.shape) == 2:
            assert not np.allclose(one, other)
    assert fresh(digits().test.images[:3]).shape == (3, 10)


def test_the_metadata_say_what_the_run_said(saved):
    facts, metrics = dtp_tf.preset_info(saved), read_json(trained()[0] / "metrics.json")
    assert facts["format_version"] == FORMAT
    assert facts["name"] == "tiny_digits"
    assert facts["recipe"] == read_json(trained()[0] / "config.json")
    assert facts["data"] == metrics["conditions"]["data"]
    assert facts["results"]["test"] == metrics["test"]
    assert facts["results"]["validation"] == metrics["validation"]
    assert facts["class_names"] == [str(i) for i in range(10)]
    assert facts["image_shape"] == [8, 8, 1]
    assert facts["layers"] == "64-16-12-10"
    # The inverse of the second layer alone: DTP needs none of the first and of the output.
    assert facts["parameters"] == {
        "forward": 65 * 16 + 17 * 12 + 13 * 10, "inverse": 13 * 16,
    }  # fmt: skip
    assert facts["seeds"] == {
        "seed": 0, "validation_accuracy": {"0": metrics["validation"]["accuracy"]},
    }  # fmt: skip
    assert {name: facts["versions"][name] for name in ("dtp_tf", "keras", "tensorflow")} == {
        "dtp_tf": dtp_tf.__version__, "keras": keras.__version__, "tensorflow": tf.__version__,
    }  # fmt: skip
    for name, known in facts["files"].items():
        assert known == {
            "bytes": (saved / name).stat().st_size, "sha256": file_hash(saved / name),
        }  # fmt: skip


def test_a_hash_is_the_sha_256(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
    assert file_hash(tmp_path / "file") == known


def test_probe_images_are_varied_and_the_same_everywhere():
    images = probe_images((8, 6, 3), 5)
    assert (images.shape, images.dtype) == ((5, 8, 6, 3), np.uint8)
    n, y, x, c = 4, 7, 5, 2
    number = (((n * 1009 + y // 2) * 1013 + x // 2) * 11 + c) * 2654435761 % 2**32
    assert images[n, y, x, c] == number >> 24
    assert images.std() > 50
    assert len(np.unique(images.reshape(5, -1), axis=0)) == 5


# -- in fewer bytes --------------------------------------------------------------------------------


def arrays(folder):
    """Return the arrays in a preset's file of weights."""
    found = []
    with h5py.File(folder / "model.weights.h5") as file:
        file.visititems(lambda _, item: found.append(item[()]) if hasattr(item, "dtype") else None)
    return found


def file_size(folder):
    return (folder / "model.weights.h5").stat().st_size


@pytest.mark.parametrize(("float16", "share"), [(False, 0.9), (True, 0.45)])
def test_a_file_is_smaller_than_its_weights(tmp_path, float16, share):
    network = dtp_tf.DTPNetwork.from_preset("digits_mlp_dtp")
    save_preset(network, tmp_path / "again", {"class_names": list("0123456789")}, float16)
    bare = sum(np.size(weight) * 4 for weight in network.weights)
    assert file_size(tmp_path / "again") < share * bare


def test_compression_changes_no_weight(saved):
    whole = load_model(trained()[0] / "best.keras").model
    network = load_preset(saved).model
    assert len(network.weights) == len(whole.weights)
    for one, other in zip(network.trainable_variables, whole.trainable_variables, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def small(monkeypatch):
    """Arrays of this size are halved in the shared run's network, but for those of the output."""
    monkeypatch.setattr(writing, "SMALL", 150)


@pytest.mark.usefixtures("small")
def test_float16_halves_large_arrays_and_keeps_the_accuracy(saved, tmp_path):
    facts = save_run(trained()[0], tmp_path / "half", float16=True)
    assert facts["weights_dtype"] == "float16"
    found = arrays(tmp_path / "half")
    assert all((array.dtype == np.float16) == (array.size >= 150) for array in found)
    assert {np.float16, np.float32} <= {array.dtype.type for array in found}
    whole, half = load_preset(saved).model, load_preset(tmp_path / "half").model
    for one, other in zip(half.forward_variables, whole.forward_variables, strict=True):
        stored = np.float16(other) if np.size(other) >= 150 else other
        np.testing.assert_array_equal(one, np.float32(stored))
        assert one.dtype == "float32"
    test = digits().test
    right = [np.asarray(model(test.images)).argmax(-1) == test.labels for model in (whole, half)]
    assert right[0].sum() == right[1].sum()


@pytest.fixture
def run(tmp_path):
    """A copy of the shared run, to be changed."""
    return shutil.copytree(trained()[0], tmp_path / "run")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "scales", [(1e6, 1e6, 1, 1, 1), (1e-8, 1e-8, 1e4, 1e-4, 1e4)], ids=["too large", "too small"]
)
def test_float16_is_refused_where_it_changes_the_accuracy(run, tmp_path, scales):
    best = load_model(run / "best.keras")
    first, second = (pair.forward_layer for pair in best.model.pairs)
    output = best.model.output_pair.forward_layer
    weights = first.kernel, first.bias, second.kernel, second.bias, output.kernel
    for weight, scale in zip(weights, scales, strict=True):
        weight.assign(weight * scale)
    save_model(best.model, run / "best.keras", best.about)
    refused = r"float16 would change the accuracy from \d+ to \d+ of the 360 test images; save the"
    with pytest.raises(UserError, match=refused):
        save_run(run, tmp_path / "half", float16=True)
    assert os.listdir(tmp_path) == ["run"]


# -- the forward network alone ---------------------------------------------------------------------


def test_the_classifier_needs_no_dtp_tf(saved, tmp_path):
    classifier = dtp_tf.pretrained_classifier(saved)
    assert classifier.input.dtype == "uint8"
    assert not any(type(layer).__module__.startswith("dtp_tf") for layer in classifier.layers)
    images = digits().test.images[:50]
    expected = np.asarray(load_preset(saved).model(images))
    np.testing.assert_allclose(classifier(images), expected, rtol=1e-5, atol=1e-7)
    classifier.save(tmp_path / "c.keras")
    with zipfile.ZipFile(tmp_path / "c.keras") as archive:
        assert b"dtp_tf" not in archive.read("config.json")
    again = keras.saving.load_model(tmp_path / "c.keras")
    np.testing.assert_array_equal(again(images), classifier(images))


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
    lines = python("-c", program, cwd=tmp_path).splitlines()
    assert [line for line in lines if line.startswith("exit ")] == [
        "exit 0", "exit 0", "exit 0", "exit 1",
    ]  # fmt: skip
    assert lines[-1] == "False False"


def test_all_presets_together_stay_under_40_megabytes():
    files = [path for path in presets.SHIPPED.rglob("*") if path.is_file()]
    assert 0 < sum(path.stat().st_size for path in files) < 40e6


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


# -- names and folders -----------------------------------------------------------------------------


def test_a_wrong_name_is_refused_with_the_names_that_there_are():
    with pytest.raises(UserError) as caught:
        dtp_tf.DTPNetwork.from_preset("digit_mlp_dtp")
    text = str(caught.value)
    assert "there is no preset 'digit_mlp_dtp'" in text
    assert all(name in text for name in shipped_presets())
    assert text.endswith("Did you mean 'digits_mlp_dtp'?")


def test_a_folder_goes_before_a_shipped_preset_of_the_same_name(saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert open_model("digits_mlp_dtp").model.layers_up[0].units == 512
    shutil.copytree(saved, tmp_path / "digits_mlp_dtp")
    assert open_model("digits_mlp_dtp").model.layers_up[0].units == 16
    assert load_preset("digits_mlp_dtp").model.layers_up[0].units == 16


def test_a_folder_of_other_things_is_no_preset(tmp_path):
    assert refused(tmp_path) == f"{tmp_path} is no preset: it has no metadata.json."
    assert "is no preset" in refused(trained()[0])
    (tmp_path / "file").touch()
    assert "is no preset" in refused(tmp_path / "file")


def test_a_model_of_no_known_name_is_refused_with_the_names_of_presets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = refusal(invoke("predict", "digits_mlp", "a.png"), 1)
    assert "model digits_mlp does not exist: no run, preset or file has that name" in text
    assert text.endswith("Did you mean 'digits_mlp_dtp'?")


# -- what is damaged, foreign or newer is named ----------------------------------------------------


def test_a_changed_byte_in_the_weights_is_noticed(preset):
    content = bytearray((preset / "model.weights.h5").read_bytes())
    content[len(content) // 2] ^= 1
    (preset / "model.weights.h5").write_bytes(content)
    assert "has a model.weights.h5 that was changed: its SHA-256 is not that in" in refused(preset)


def test_a_changed_config_is_noticed(preset):
    text = (preset / "config.json").read_text()
    (preset / "config.json").write_text(text.replace("tanh", "relu"))
    assert "has a config.json that was changed" in refused(preset)


@pytest.mark.parametrize("share", [0, 0.5])
def test_a_truncated_file_is_noticed(preset, share):
    whole = (preset / "model.weights.h5").stat().st_size
    os.truncate(preset / "model.weights.h5", int(whole * share))
    text = refused(preset)
    assert f"has a model.weights.h5 of {int(whole * share)} bytes instead of {whole}" in text
    assert "get the whole folder again" in text


@pytest.mark.parametrize("name", ["config.json", "metadata.json", "model.weights.h5"])
def test_a_missing_file_is_named(preset, name):
    (preset / name).unlink()
    assert f"has no {name}; get the whole folder again" in refused(preset)


def test_the_card_may_be_changed_or_missing(preset):
    (preset / "README.md").write_text("# Mine")
    load_preset(preset)
    (preset / "README.md").unlink()
    load_preset(preset)


def test_damaged_metadata_are_refused(preset):
    (preset / "metadata.json").write_text("{")
    assert "metadata.json is damaged" in refused(preset)


@pytest.mark.parametrize("lacking", ["name", "versions", "parameters", "files"])
def test_metadata_that_lack_something_are_refused(preset, lacking):
    change(preset, **{lacking: None})
    assert f"metadata.json is damaged: {lacking} must be" in refused(preset)


@pytest.mark.parametrize("content", [[], {"keras_version": "3.15.1", "parameter_count": 5}])
def test_the_preset_of_another_program_is_refused(preset, content):
    write_json(preset / "metadata.json", content)
    assert "is no preset of dtp_tf: its metadata.json is another program's" in refused(preset)


def test_a_preset_of_a_newer_version_asks_for_an_upgrade(preset):
    change(preset, format_version=FORMAT + 1, versions={"dtp_tf": "9.9"})
    (preset / "config.json").unlink()  # it may look like anything
    text = refused(preset)
    assert f"has format {FORMAT + 1}, made by dtp_tf 9.9; dtp_tf {dtp_tf.__version__} " in text
    assert "upgrade dtp_tf" in text


def test_weights_of_another_network_are_refused(preset):
    other = build_network(dtp_tf.recipe("digits", units=(5, 4)), digits())
    other.save_weights(preset / "model.weights.h5")
    sign(preset)
    assert "weights that do not fit this version of dtp_tf" in refused(preset)


def test_a_file_that_holds_no_weights_is_refused(preset):
    (preset / "model.weights.h5").write_bytes(b"an arbitrary text")
    sign(preset)
    assert "weights that do not fit this version of dtp_tf" in refused(preset)


def test_a_preset_of_another_model_is_refused(preset):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    write_json(preset / "config.json", keras.saving.serialize_keras_object(model))
    sign(preset)
    assert "holds no DTPNetwork" in refused(preset)


def test_no_code_in_a_preset_is_run(preset):
    """Keras could keep a Python function in a config; it is not unpacked."""
    config = read_json(preset / "config.json")
    layer = keras.layers.Lambda(lambda x: x, name="evil")
    config["config"]["preprocessing"] = keras.saving.serialize_keras_object(layer)
    write_json(preset / "config.json", config)
    sign(preset)
    assert "do not fit this version of dtp_tf" in refused(preset)


def test_a_preset_of_a_rule_that_is_not_in_dtp_tf_is_refused(preset):
    config = read_json(preset / "config.json")
    config["config"]["rule"]["registered_name"] = "own>NeverMade"
    write_json(preset / "config.json", config)
    change(preset, rule="mine.py:Mine")
    sign(preset)
    text = refused(preset)
    assert "was trained by the rule 'mine.py:Mine', which is not in dtp_tf; import the file" in text
    assert "tp, dtp, sdtp" in text


@pytest.mark.parametrize("command", ["evaluate", "export", "predict"])
def test_every_command_names_what_is_damaged(preset, tmp_path, command):
    os.truncate(preset / "model.weights.h5", 100)
    words = [command, preset, *(["a.png"] if command == "predict" else [])]
    words += ["--export-dir", tmp_path / "exported"] if command == "export" else []
    assert "has a model.weights.h5 of 100 bytes instead of" in refusal(invoke(*words), 1)
    assert os.listdir(tmp_path) == ["copy"]


# -- what cannot be saved --------------------------------------------------------------------------


def test_a_run_of_a_rule_of_ones_own_cannot_be_shared(run, tmp_path):
    best = load_model(run / "best.keras")
    about = {**best.about, "recipe": {**best.about["recipe"], "rule": "mine.py:Mine"}}
    (tmp_path / "mine.py").write_text(
        "import dtp_tf\n\nclass Mine(dtp_tf.rules.DTP):\n    pass\n"
    )
    about["recipe"]["rule"] = f"{tmp_path}/mine.py:Mine"
    save_model(best.model, run / "best.keras", about)
    text = refusal(invoke("save-preset", run, tmp_path / "out"), 1)
    assert "mine.py:Mine, without which no one can load a preset; share its classifier" in text
    assert not (tmp_path / "out").exists()


def test_an_unfinished_run_is_no_preset_yet(run, tmp_path):
    (run / "metrics.json").unlink()
    text = refusal(invoke("save-preset", run, tmp_path / "out"), 1)
    assert f"end it first, with `train --resume {run}`" in text


def test_a_folder_with_something_in_it_is_left_alone(saved, tmp_path):
    (tmp_path / "letter.txt").write_text("Dear reader")
    text = refusal(invoke("save-preset", trained()[0], tmp_path), 1)
    assert f"{tmp_path} already exists; choose another folder, or delete it." in text
    text = refusal(invoke("save-preset", trained()[0], tmp_path / "letter.txt"), 1)
    assert "already exists" in text
    assert os.listdir(tmp_path) == ["letter.txt"]


def test_an_empty_folder_and_missing_parents_are_taken(tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "a/b/c"):
        assert load_preset(path_of(invoke("save-preset", trained()[0], path), path)).model.built
    assert not hidden_files(tmp_path)


def path_of(result, path):
    """Check that a preset was written to a folder, and return the folder."""
    assert f"preset     {path}: 64-16-12-10, " in succeeded(result)
    return path


def test_a_full_disk_leaves_nothing_of_a_preset(saved, tmp_path):
    network = load_preset(saved).model
    with full_disk(5000):
        with pytest.raises(UserError, match="cannot write"):
            save_preset(network, tmp_path / "out", {"class_names": list("0123456789")})
    assert not list(tmp_path.iterdir())


# -- the commands ----------------------------------------------------------------------------------


@pytest.fixture
def seven(tmp_path):
    path = tmp_path / "seven.png"
    Image.fromarray(digits().test.images[7, ..., 0]).save(path)
    return path


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


def test_a_preset_is_exported_without_its_data(saved, tmp_path, monkeypatch):
    def no_data(*args):
        raise AssertionError("data were asked for")

    monkeypatch.setattr("dtp_tf.data.sets.load_data", no_data)
    words = ("--export-dir", tmp_path / "exported", "--json")
    content = json.loads(succeeded(invoke("export", saved, *words)))
    assert content["export"] == str(tmp_path / "exported/tiny_digits/1")
    served = tf.saved_model.load(content["export"]).signatures["serving_default"]
    images = digits().test.images[:9]
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


# -- making one to ship ----------------------------------------------------------------------------


def test_the_seed_with_the_best_validation_is_shipped():
    def best(*results):
        reports = [{"accuracy": accuracy, "loss": loss} for accuracy, loss in results]
        return make_preset.best_seed(dict(enumerate(reports)))

    assert best((0.9, 0.1), (0.95, 0.4), (0.94, 0.1)) == 1
    assert best((0.9, 0.1), (0.95, 0.4), (0.95, 0.3)) == 2


def test_a_preset_is_made_of_finished_runs_without_training_again(tmp_path):
    runs, out, golden = (tmp_path / name for name in ("runs", "out", "golden"))
    for seed in (0, 1):
        shutil.copytree(trained()[0], runs / f"digits-{seed}")
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
    shutil.copytree(trained()[0], runs / "digits-1")
    words = ["--recipe", "digits", "--recorded", table, "--runs", runs, "--out", tmp_path / "out",
             "--golden", tmp_path / "golden"]  # fmt: skip
    accuracy = read_json(runs / "digits-1/metrics.json")["validation"]["accuracy"]

    def make(other, best):
        table.write_text(
            "recipe,seed,validation_accuracy\n"
            f"digits,0,{other}\ndigits,1,{best}\nmnist,0,1.0\n"
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
