"""A preset is opened by name or folder; what is damaged, foreign or newer is named."""

import os
import shutil

import keras
import pytest
from helpers import digits, invoke, refusal, trained
from presets_support import fixture_saved  # noqa: F401

import dtp_tf
from dtp_tf.errors import UserError
from dtp_tf.files import read_json, write_json
from dtp_tf.presets.folder import FORMAT, REPLACED, file_hash, shipped_presets
from dtp_tf.sharing.opening import load_preset, open_model
from dtp_tf.training.building import build_network


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


# -- names and folders -----------------------------------------------------------------------------


def test_a_wrong_name_is_refused_with_the_names_that_there_are():
    with pytest.raises(UserError) as caught:
        dtp_tf.DTPNetwork.from_preset("digit_mlp_dtp")
    text = str(caught.value)
    assert "there is no preset 'digit_mlp_dtp'" in text
    assert all(name in text for name in shipped_presets())
    assert text.endswith("Did you mean 'digits_mlp_dtp'?")


@pytest.mark.parametrize("name", REPLACED)
@pytest.mark.parametrize(
    "load", [dtp_tf.preset_info, dtp_tf.pretrained_classifier, dtp_tf.DTPNetwork.from_preset]
)
def test_a_preset_that_is_shipped_no_more_names_the_one_that_took_its_place(name, load):
    with pytest.raises(UserError) as caught:
        load(name)
    assert f"{name!r} does not come with dtp_tf {dtp_tf.__version__} any more" in str(caught.value)
    assert f"give {REPLACED[name]!r}" in str(caught.value)
    assert REPLACED[name] in shipped_presets() and name not in shipped_presets()


def test_commands_name_it_too():
    words = ("predict", "cifar10_mlp_dtp", "seven.png"), ("presets", "cifar10_mlp_dtp")
    for one in (*words, ("train", "--init", "cifar10_mlp_dtp")):
        assert "give 'cifar10_mlp_dtp_decay'" in " ".join(invoke(*one).output.split())


@pytest.mark.slow
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
