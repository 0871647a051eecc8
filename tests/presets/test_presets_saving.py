"""What is saved as a preset comes back, in fewer bytes too; what cannot be saved leaves nothing."""

import os
import shutil
import zipfile

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import digits, full_disk, hidden_files, invoke, refusal, succeeded, trained
from presets_support import FILES, fixture_saved  # noqa: F401

import dtp_tf
from dtp_tf.errors import UserError
from dtp_tf.files import read_json
from dtp_tf.presets import writing
from dtp_tf.presets.folder import FORMAT, file_hash, probe_images
from dtp_tf.presets.writing import save_preset
from dtp_tf.runs.models import load_model, save_model
from dtp_tf.sharing.opening import load_preset
from dtp_tf.sharing.run_presets import save_run

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


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_a_preset_of_a_network_with_mixed_numbers_computes_with_exact_ones(tmp_path):
    pairs = [dtp_tf.DensePair(8, dtype="mixed_bfloat16") for _ in range(2)]
    network = dtp_tf.DTPNetwork(pairs, 3, rule=dtp_tf.rules.DTP(), seed=1)
    network.build((None, 6))
    network.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    save_preset(network, tmp_path / "preset", {"class_names": ["a", "b", "c"]})
    loaded = dtp_tf.DTPNetwork.from_preset(tmp_path / "preset")
    x = np.random.default_rng(0).normal(size=(20, 6)).astype("float32")
    assert {pair.compute_dtype for pair in loaded.layers_up} == {"float32"}
    assert {pair.compute_dtype for pair in network.pairs} == {"bfloat16"}
    np.testing.assert_allclose(loaded(x), network.classifier()(x), rtol=1e-6)
    assert np.max(np.abs(loaded(x) - network(x))) > 1e-4
    for one, other in zip(loaded.inverse_variables, network.inverse_variables, strict=True):
        np.testing.assert_array_equal(one, other)


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


@pytest.mark.slow
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
@pytest.mark.slow
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
@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
