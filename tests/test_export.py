"""Exports: what a server finds in them, and that a bad one never appears."""

import json
import os
import pathlib
import shlex
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import digits, full_disk, invoke, refusal, succeeded, trained
from tensorflow.core.protobuf import saved_model_pb2

import dtp_tf
from dtp_tf.errors import UserError
from dtp_tf.export import export, serve_command
from dtp_tf.models import load_model
from dtp_tf.recipes import PREPROCESSINGS
from dtp_tf.training import build_network

export_module = sys.modules["dtp_tf.export"]  # `dtp_tf.export` is the function
NAMES = ["zero", "eins", "dos", "trois", "[4]", "fünf", "六", "seven 7", "", "nine"]


@pytest.fixture(scope="module")
def classifier():
    return load_model(trained()[0] / "classifier.keras").model


@pytest.fixture(scope="module")
def images():
    return digits().test.images[:40]


@pytest.fixture(scope="module")
def exported(classifier, images, tmp_path_factory):
    """The path of an export with class names that are no ASCII."""
    return export(classifier, NAMES, tmp_path_factory.mktemp("exported"), "digits", images)


@pytest.fixture(scope="module")
def serve(exported):
    """The function that a server would call."""
    loaded = tf.saved_model.load(str(exported))

    def call(images):
        return loaded.signatures["serving_default"](images=tf.constant(images))

    return call


@pytest.fixture(scope="module")
def program(exported):
    """The saved program, as a server reads it."""
    content = saved_model_pb2.SavedModel()
    content.ParseFromString((exported / "saved_model.pb").read_bytes())
    return content


# what it answers


def test_the_export_gives_the_classifiers_scores(serve, classifier, images):
    probabilities = serve(images)["probabilities"].numpy()
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, classifier(images), rtol=1e-5, atol=1e-7)


def test_classes_are_names_best_first_with_their_scores(serve, classifier, images):
    served = serve(images)
    probabilities = np.asarray(classifier(images))
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :5]
    expected = [[NAMES[i] for i in row] for row in order]
    answered = [[name.decode("utf-8") for name in row] for row in served["classes"].numpy()]
    assert answered == expected
    scores = served["scores"].numpy()
    assert scores.dtype == np.float32
    np.testing.assert_allclose(
        scores, np.take_along_axis(probabilities, order, axis=1), rtol=1e-5, atol=1e-7
    )
    assert (np.diff(scores, axis=1) <= 0).all()


@pytest.mark.parametrize("count", [1, 2, 40])
def test_a_request_may_have_any_number_of_images(serve, images, count):
    served = serve(images[:count])
    assert served["classes"].shape == (count, 5)
    assert served["scores"].shape == (count, 5)
    assert served["probabilities"].shape == (count, 10)


@pytest.mark.parametrize("preprocessing", PREPROCESSINGS)
def test_every_preprocessing_is_inside(images, tmp_path, preprocessing):
    recipe = dtp_tf.recipe("digits", units=(4, 4), preprocessing=preprocessing)
    model = build_network(recipe, digits()).classifier(dtype="uint8")
    path = export(model, NAMES, tmp_path, "digits", images)
    loaded = tf.saved_model.load(str(path))
    served = loaded.signatures["serving_default"](images=tf.constant(images))
    np.testing.assert_allclose(served["probabilities"], model(images), rtol=1e-5, atol=1e-7)


def test_a_set_of_few_classes_shows_all_of_them(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((2, 2, 1), dtype="uint8"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(3, "softmax"),
        ]
    )
    pixels = np.arange(8, dtype="uint8").reshape(2, 2, 2, 1)
    path = export(model, ["a", "b", "c"], tmp_path, "three", pixels)
    loaded = tf.saved_model.load(str(path))
    served = loaded.signatures["serving_default"](images=tf.constant(pixels))
    assert [sorted(row) for row in served["classes"].numpy().tolist()] == [[b"a", b"b", b"c"]] * 2


def test_a_session_of_version_1_feeds_and_fetches_by_name(exported, classifier, images):
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        meta = tf.compat.v1.saved_model.load(session, ["serve"], str(exported))
        signature = meta.signature_def["serving_default"]
        outputs = {name: info.name for name, info in signature.outputs.items()}
        fed = {signature.inputs["images"].name: images}
        served = session.run(outputs, fed)
    np.testing.assert_allclose(served["probabilities"], classifier(images), rtol=1e-5, atol=1e-7)
    best = served["probabilities"].argmax(axis=1)
    assert [row[0].decode("utf-8") for row in served["classes"]] == [NAMES[i] for i in best]


# what a server reads


def test_the_only_tag_is_serve(program):
    assert [list(graph.meta_info_def.tags) for graph in program.meta_graphs] == [["serve"]]


def test_input_and_outputs_have_names_types_and_a_free_batch_size(program):
    signature = program.meta_graphs[0].signature_def["serving_default"]

    def described(infos):
        return {
            name: (
                tf.dtypes.as_dtype(info.dtype).name,
                [dim.size for dim in info.tensor_shape.dim],
            )
            for name, info in infos.items()
        }

    assert described(signature.inputs) == {"images": ("uint8", [-1, 8, 8, 1])}
    assert described(signature.outputs) == {
        "classes": ("string", [-1, 5]),
        "scores": ("float32", [-1, 5]),
        "probabilities": ("float32", [-1, 10]),
    }


def test_no_operation_needs_xla_python_or_a_lookup_table(program):
    graph = program.meta_graphs[0].graph_def
    functions = graph.library.function
    nodes = [*graph.node, *(node for function in functions for node in function.node_def)]
    names = {node.op for node in nodes}
    assert {"MatMul", "TopKV2", "GatherV2"} <= names  # the search does see the program
    for name in names:
        lowered = name.lower()
        assert not any(bad in lowered for bad in ("xla", "pyfunc", "table"))
    for function in functions:
        assert not function.attr["_XlaMustCompile"].b
    for node in nodes:
        assert not node.attr["_XlaMustCompile"].b
        assert not node.attr["_XlaCompile"].b


def test_the_weights_are_those_of_the_forward_layers_alone(exported):
    listed = tf.train.list_variables(str(exported / "variables" / "variables"))
    shapes = [tuple(shape) for name, shape in listed if "CHECKPOINTABLE" not in name]
    # hidden layers of 16 and 12 units; the inverse of the second would be (12, 16) and (16,)
    assert sorted(shapes) == sorted([(64, 16), (16,), (16, 12), (12,), (12, 10), (10,)])


def test_an_export_needs_no_package_of_ours(program):
    assert b"dtp_tf" not in program.SerializeToString()


# versions


def test_the_next_version_is_one_above_the_highest(classifier, images, tmp_path):
    names = [str(i) for i in range(10)]
    first = export(classifier, names, tmp_path, "digits", images)
    assert first == tmp_path / "digits" / "1"
    for taken in ("7", "not-a-number", ".99", "8.5"):
        (tmp_path / "digits" / taken).mkdir()
    second = export(classifier, names, tmp_path, "digits", images)
    assert second == tmp_path / "digits" / "8"
    found = sorted(path.name for path in (tmp_path / "digits").iterdir())
    assert found == [".99", "1", "7", "8", "8.5", "not-a-number"]


def test_a_version_that_appears_meanwhile_is_left_alone(classifier, images, tmp_path, monkeypatch):
    home = tmp_path / "digits"
    check = export_module._check

    def other_writer(*args):
        check(*args)
        (home / "1").mkdir()
        (home / "1" / "theirs").touch()

    monkeypatch.setattr(export_module, "_check", other_writer)
    path = export(classifier, NAMES, tmp_path, "digits", images)
    assert path == home / "2"
    assert os.listdir(home / "1") == ["theirs"]


def test_a_version_lost_in_the_last_moment_is_not_overwritten(
    classifier, images, tmp_path, monkeypatch
):
    rename, home = os.rename, tmp_path / "digits"

    def race(source, target):
        if not (home / "1").exists():
            (home / "1").mkdir()
            (home / "1" / "theirs").touch()
        return rename(source, target)

    monkeypatch.setattr(export_module.os, "rename", race)
    assert export(classifier, NAMES, tmp_path, "digits", images) == home / "2"
    assert os.listdir(home / "1") == ["theirs"]


def test_a_server_never_sees_half_a_model(classifier, images, tmp_path, monkeypatch):
    seen = []
    check = export_module._check

    def look(model, path, check_images):
        seen.append([entry.name for entry in (tmp_path / "digits").iterdir()])
        check(model, path, check_images)

    monkeypatch.setattr(export_module, "_check", look)
    path = export(classifier, NAMES, tmp_path, "digits", images)
    ((while_writing,),) = seen
    assert while_writing.startswith(".")
    assert [entry.name for entry in path.parent.iterdir()] == ["1"]


# what goes wrong


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "../up", "a b", "naïve", "-x"])
def test_a_name_that_is_no_folder_for_a_server_is_refused(classifier, images, tmp_path, name):
    with pytest.raises(UserError, match="cannot name an export"):
        export(classifier, NAMES, tmp_path / "exported", name, images)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [0.001, float("nan")])
def test_an_export_with_other_scores_is_not_published(
    classifier, images, tmp_path, monkeypatch, wrong
):
    def distorted(images, training=False):
        return classifier(images, training=training) + wrong

    write = export_module._write
    monkeypatch.setattr(
        export_module, "_write", lambda model, names, path: write(classifier, names, path)
    )
    with pytest.raises(UserError, match="does not give the trained model's scores"):
        export(distorted, NAMES, tmp_path, "digits", images)
    assert not list(tmp_path.iterdir())


def test_a_failing_export_keeps_the_versions_that_were_there(
    classifier, images, tmp_path, monkeypatch
):
    first = export(classifier, NAMES, tmp_path, "digits", images)
    with pytest.raises(UserError, match="it was not published"):
        monkeypatch.setattr(np, "abs", lambda difference: np.ones(1))
        export(classifier, NAMES, tmp_path, "digits", images)
    assert list(first.parent.iterdir()) == [first]


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_a_folder_that_cannot_be_written_is_said_in_one_sentence(
    classifier, images, tmp_path, where
):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        export(classifier, NAMES, tmp_path / where, "digits", images)
    assert [path.name for path in tmp_path.rglob("*")] == ["file"]


def test_a_full_disk_leaves_no_version_and_nothing_hidden(classifier, images, tmp_path):
    with full_disk(4000), pytest.raises(UserError) as caught:
        export(classifier, NAMES, tmp_path, "digits", images)
    assert str(caught.value).startswith(f"cannot write {tmp_path / 'digits'}")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


# the command


def test_the_serving_command_names_an_absolute_folder_above_the_versions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = shlex.split(serve_command("exported models/digits/3"))
    assert words[0] == "tensorflow_model_server"
    assert "--model_name=digits" in words
    (base,) = [word.split("=")[1] for word in words if word.startswith("--model_base_path=")]
    assert pathlib.Path(base) == tmp_path / "exported models" / "digits"


def test_the_training_command_exports_what_it_evaluated():
    folder, _ = trained()
    path = folder.parent / "exported" / "digits" / "1"
    loaded = tf.saved_model.load(str(path))
    test = digits().test
    served = loaded.signatures["serving_default"](images=tf.constant(test.images))
    answers = [int(row[0]) for row in served["classes"].numpy()]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert np.mean(answers == test.labels) == metrics["test"]["accuracy"]


def test_a_run_is_exported_again_under_another_name(tmp_path):
    folder, _ = trained()
    words = ("export", folder, "--name", "my_digits", "--export-dir", tmp_path)
    content = json.loads(succeeded(invoke(*words, "--json")))
    path = tmp_path / "my_digits" / "1"
    assert content == {"export": str(path), "serve": serve_command(path)}
    assert (path / "saved_model.pb").exists()
    printed = succeeded(invoke(*words))
    assert f"exported   {tmp_path / 'my_digits' / '2'}" in printed
    assert serve_command(path) in printed


def test_the_command_refuses_a_bad_name_in_one_sentence(tmp_path):
    result = invoke("export", trained()[0], "--name", "../up", "--export-dir", tmp_path)
    assert "'../up' cannot name an export" in refusal(result, 1)
    assert not list(tmp_path.iterdir())
