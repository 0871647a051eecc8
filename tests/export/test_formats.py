"""ONNX and LiteRT: written by Keras, and the same answers when other runtimes run them."""

import importlib.util
import json
import pathlib

import keras
import numpy as np
import onnx
import pytest
from helpers import digits, invoke, refusal, succeeded, trained

import dtp_tf
from dtp_tf.errors import UserError
from dtp_tf.export.formats import FILES, require_packages, run_format, write_format
from dtp_tf.export.saved_model import export
from dtp_tf.runs.models import load_model
from dtp_tf.training.building import build_network

KINDS = sorted(FILES)


@pytest.fixture(scope="module")
def images():
    return digits().test.images[:40]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("preprocessing", ["symmetric", "standardize"])
def test_a_written_file_gives_the_classifiers_scores(images, tmp_path, kind, preprocessing):
    recipe = dtp_tf.recipe("digits", units=(6, 4), preprocessing=preprocessing)
    classifier = build_network(recipe, digits()).classifier(dtype="uint8")
    path = tmp_path / FILES[kind]
    expected = np.asarray(classifier(images))
    write_format(classifier, kind, path)
    for count in (1, 3, 40):
        probabilities = run_format(kind, path, images[:count])
        assert probabilities.dtype == np.float32
        np.testing.assert_allclose(probabilities, expected[:count], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(classifier(images), expected)  # the model itself is as it was


def test_an_onnx_file_has_one_input_with_a_name_and_a_free_batch_size(images, tmp_path):
    classifier = load_model(trained()[0] / "classifier.keras").model
    write_format(classifier, "onnx", tmp_path / "a.onnx")
    program = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(program)
    (given,) = program.graph.input
    assert given.name == "images"
    kind = given.type.tensor_type
    assert kind.elem_type == onnx.TensorProto.UINT8
    assert [size.dim_value for size in kind.shape.dim[1:]] == [8, 8, 1]
    assert kind.shape.dim[0].dim_param


@pytest.mark.slow
def test_the_command_writes_both_beside_the_saved_model(images, tmp_path):
    words = ("export", trained()[0], "--export-dir", tmp_path, "--json")
    formats = ("--format", "litert", "--format", "savedmodel", "--format", "onnx")
    content = json.loads(succeeded(invoke(*words, *formats)))
    home = tmp_path / "digits" / "1" / "assets.extra"
    assert content["formats"] == {
        "litert": str(home / "model.tflite"), "onnx": str(home / "model.onnx")
    }  # fmt: skip
    expected = load_model(trained()[0] / "classifier.keras").model(images)
    for kind, path in content["formats"].items():
        np.testing.assert_allclose(run_format(kind, path, images), expected, rtol=1e-5, atol=1e-6)
    assert (pathlib.Path(content["export"]) / "saved_model.pb").is_file()


@pytest.mark.slow
def test_a_file_with_other_scores_is_not_published(images, tmp_path, monkeypatch):
    def wrong(kind, path, images):
        return run_format(kind, path, images) + 0.001

    monkeypatch.setattr("dtp_tf.export.saved_model.run_format", wrong)
    classifier = load_model(trained()[0] / "classifier.keras").model
    names = [str(i) for i in range(10)]
    with pytest.raises(UserError, match="by litert, they differ by 0.001"):
        export(classifier, names, tmp_path, "digits", images, formats=["litert"])
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_said_before_anything_is_written(tmp_path, monkeypatch):
    find = importlib.util.find_spec

    def absent(name, *args):
        return None if "onnx" in name else find(name, *args)

    monkeypatch.setattr(importlib.util, "find_spec", absent)
    require_packages("litert")
    text = refusal(
        invoke("export", trained()[0], "--export-dir", tmp_path, "--format", "onnx"), 1
    )
    assert "format onnx needs tf2onnx, onnx, onnxruntime; install what is missing with" in text
    assert "pip install 'dtp-tf[onnx]'" in text
    assert not list(tmp_path.iterdir())


def test_a_network_that_cannot_be_converted_is_said_in_one_sentence(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise NotImplementedError("no such operation\nin this format")

    classifier = load_model(trained()[0] / "classifier.keras").model
    monkeypatch.setattr(keras.Model, "export", fail)
    with pytest.raises(UserError) as caught:
        write_format(classifier, "onnx", tmp_path / "a.onnx")
    assert str(caught.value) == (
        "the network cannot be written as onnx (no such operation in this format)."
    )


@pytest.mark.slow
def test_a_file_that_no_runtime_knows_is_refused_in_one_sentence(images, tmp_path, caplog):
    # The ONNX converter writes Erfc, which ONNX does not have.
    recipe = dtp_tf.recipe("digits", units=(6, 4), activation="gelu")
    classifier = build_network(recipe, digits()).classifier(dtype="uint8")
    names = [str(i) for i in range(10)]
    with pytest.raises(UserError) as caught:
        export(classifier, names, tmp_path, "digits", images, formats=["onnx"])
    text = str(caught.value)
    assert text.startswith("the network cannot be run as onnx (")
    assert "Erfc" in text
    assert "\n" not in text
    assert not caplog.records
    assert not list(tmp_path.iterdir())


def test_another_format_is_a_wrong_use():
    result = invoke("export", trained()[0], "--format", "pickle")
    assert result.exit_code == 2
    assert "'savedmodel', 'onnx', 'litert'" in result.stderr
