"""A preset or `.keras` file reads no file but its own, and makes nothing of what it only names."""

import io
import json
import pathlib
import re
import shutil
import zipfile

import h5py
import keras
import numpy as np
import pytest
from helpers import REPO, trained

from dtp_tf.errors import UserError
from dtp_tf.files import read_json, write_json
from dtp_tf.presets.folder import SHIPPED, Preset, file_hash
from dtp_tf.presets.reading import read_preset
from dtp_tf.runs.models import load_model
from dtp_tf.sharing import open_model


def test_keras_is_one_that_refuses_these():
    lowest = re.search(r"^ *keras>=([\d.]+)", (REPO / "setup.cfg").read_text(), re.MULTILINE)[1]
    assert tuple(map(int, lowest.split("."))) >= (3, 15)
    assert tuple(map(int, keras.__version__.split(".")[:2])) >= (3, 15)


def first_array(file):
    """Return the address of an HDF5 file's first array of numbers in a layer."""
    names = []
    file.visit(names.append)
    return next(name for name in names if getattr(file[name], "ndim", 0) == 2)


def by_external_link(file, name, secret):
    del file[name]
    file[name] = h5py.ExternalLink(str(secret), "secret")


def by_external_storage(file, name, secret):
    shape, group = file[name].shape, file[name].parent
    del file[name]
    raw = secret.with_suffix(".raw")
    raw.write_bytes(np.ones(shape, np.float32).tobytes())
    external = [(str(raw), 0, h5py.h5f.UNLIMITED)]
    group.create_dataset(name.rsplit("/", 1)[1], shape, np.float32, external=external)


def by_virtual_dataset(file, name, secret):
    shape, group = file[name].shape, file[name].parent
    del file[name]
    layout = h5py.VirtualLayout(shape, np.float32)
    layout[:] = h5py.VirtualSource(str(secret), "secret", shape)
    group.create_virtual_dataset(name.rsplit("/", 1)[1], layout)


KINDS = [by_external_link, by_external_storage, by_virtual_dataset]


@pytest.fixture
def preset(tmp_path):
    return Preset(shutil.copytree(SHIPPED / "digits_mlp_dtp", tmp_path / "preset"))


def poison(path, kind, folder):
    """Let an array of an HDF5 file be one of another file of the user's."""
    with h5py.File(path, "r+") as file:
        name = first_array(file)
        secret = folder / "secret.h5"
        with h5py.File(secret, "w") as other:
            other["secret"] = np.ones(file[name].shape, np.float32)
        kind(file, name, secret)


def sign(preset):
    """Write the sizes and hashes of a changed preset's files into its metadata."""
    facts = read_json(preset.metadata)
    for path in (preset.config, preset.weights):
        facts["files"][path.name] = {"bytes": path.stat().st_size, "sha256": file_hash(path)}
    write_json(preset.metadata, facts)


def sentence(caught):
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".") and len(text) < 400
    return text


@pytest.mark.parametrize("kind", KINDS)
def test_a_preset_whose_weights_lie_in_another_file_is_refused(kind, preset, tmp_path):
    poison(preset.weights, kind, tmp_path)
    sign(preset)
    with pytest.raises(UserError) as caught:
        read_preset(preset.path)
    assert "weights that do not fit" in sentence(caught)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_whose_weights_lie_in_another_file_is_refused(kind, tmp_path):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(trained()[0] / "best.keras") as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    weights = tmp_path / "model.weights.h5"
    weights.write_bytes(entries["model.weights.h5"])
    poison(weights, kind, tmp_path)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**entries, weights.name: weights.read_bytes()}.items():
            archive.writestr(name, content)
    with pytest.raises(UserError) as caught:
        load_model(path)
    assert "damaged or no Keras model" in sentence(caught)


@pytest.fixture
def saved_model(tmp_path):
    """A stranger's TensorFlow program."""
    import tensorflow as tf

    module = tf.Module()
    module.serve = tf.function(lambda x: x, input_signature=[tf.TensorSpec((None, 64))])
    tf.saved_model.save(module, str(tmp_path / "program"), {"serve": module.serve})
    return tmp_path / "program"


def layers(saved_model, vocabulary):
    """Layers that read files, or run what their configuration holds."""
    code = "4wEAAAA="
    return {
        "TFSMLayer": {"filepath": str(saved_model), "call_endpoint": "serve"},
        "Lambda": {
            "function": {"class_name": "__lambda__", "config": {"value": [code, None, None]}}
        },
        "StringLookup": {"vocabulary": str(vocabulary)},
        "IntegerLookup": {"vocabulary": str(vocabulary)},
        "TextVectorization": {"vocabulary": str(vocabulary)},
        "TorchModuleWrapper": {"module": code},
    }


@pytest.mark.parametrize("name", layers("", ""))
def test_a_model_of_layers_that_read_files_or_run_code_is_refused(name, saved_model, tmp_path):
    vocabulary = tmp_path / "secret.txt"
    vocabulary.write_text("a\nb\n")
    config = layers(saved_model, vocabulary)[name]
    layer = {"module": "keras.layers", "class_name": name, "config": {"name": "x", **config}}
    whole = {
        "module": "keras", "class_name": "Sequential",
        "config": {"name": "m", "layers": [layer]}, "registered_name": None,
    }  # fmt: skip
    weights = io.BytesIO()
    h5py.File(weights, "w").close()
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", json.dumps(whole))
        archive.writestr("model.weights.h5", weights.getvalue())
    with pytest.raises(UserError) as caught:
        load_model(tmp_path / "m.keras")
    assert "damaged or no Keras model" in sentence(caught)


@pytest.mark.parametrize("place", ["preprocessing", "a pair"])
def test_a_preset_with_a_strangers_program_in_its_network_is_refused(place, preset, saved_model):
    config = read_json(preset.config)
    layer = {
        "module": "keras.layers", "class_name": "TFSMLayer", "registered_name": None,
        "config": {"filepath": str(saved_model), "call_endpoint": "serve"},
    }  # fmt: skip
    if place == "preprocessing":
        config["config"]["preprocessing"] = layer
    else:
        config["config"]["pairs"][0] = layer
    write_json(preset.config, config)
    sign(preset)
    with pytest.raises(UserError) as caught:
        read_preset(preset.path)
    assert "do not fit this version" in sentence(caught)


@pytest.mark.slow
def test_the_state_of_keras_is_left_as_it_was(preset):
    from keras.src.saving.serialization_lib import in_safe_mode

    before = in_safe_mode()
    read_preset(preset.path)
    load_model(trained()[0] / "best.keras")
    assert in_safe_mode() is before


def test_nothing_in_the_package_reads_pickles_or_turns_safety_off():
    loaders = ("UnsafeLoader", "FullLoader", "yaml.Loader")
    for path in pathlib.Path(REPO / "dtp_tf").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for word in ("allow_pickle", "pickle.load", "safe_mode=False", "unsafe", *loaders):
            assert word not in text, f"{path} has {word}"


@pytest.mark.slow
def test_a_network_whose_layers_do_not_fit_each_other_is_refused_when_it_is_opened(tmp_path):
    folder = shutil.copytree(SHIPPED / "digits_mlp_dtp", tmp_path / "preset")
    config = read_json(folder / "config.json")
    first = config["config"]["preprocessing"]["config"]["layers"][0]
    first["config"]["batch_shape"] = [None, 8, 8, 1, None, 8, 8, 1]
    write_json(folder / "config.json", config)
    facts = read_json(folder / "metadata.json")
    path = folder / "config.json"
    facts["files"]["config.json"] = {"bytes": path.stat().st_size, "sha256": file_hash(path)}
    write_json(folder / "metadata.json", facts)
    with pytest.raises(UserError, match="do not lead from examples of shape .* to 10 classes"):
        open_model(folder)
