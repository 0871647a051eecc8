"""Exports: what a server finds in them, and that a bad one never appears."""

import json
import os
import pathlib
import shlex

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import TINY, digits, flags, full_disk, invoke, refusal, succeeded, trained
from tensorflow.core.protobuf import saved_model_pb2

import dtp_tf
from dtp_tf.errors import UserError
from dtp_tf.export import saved_model
from dtp_tf.export.decoding import decoder
from dtp_tf.export.saved_model import export, serve_command
from dtp_tf.export.signatures import write_saved_model
from dtp_tf.recipes.recipe import PREPROCESSINGS
from dtp_tf.runs.models import load_model
from dtp_tf.training.building import build_network

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


@pytest.mark.slow
def test_the_export_gives_the_classifiers_scores(serve, classifier, images):
    probabilities = serve(images)["probabilities"].numpy()
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, classifier(images), rtol=1e-5, atol=1e-7)


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("preprocessing", PREPROCESSINGS)
def test_every_preprocessing_is_inside(images, tmp_path, preprocessing):
    recipe = dtp_tf.recipe("digits", units=(4, 4), preprocessing=preprocessing)
    model = build_network(recipe, digits()).classifier(dtype="uint8")
    write_saved_model(model, NAMES, tmp_path / "1", True)
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    served = loaded.signatures["serving_default"](images=tf.constant(images))
    np.testing.assert_allclose(served["probabilities"], model(images), rtol=1e-5, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_a_set_of_few_classes_shows_all_of_them(tmp_path, channels):
    model = keras.Sequential(
        [
            keras.Input((2, 2, channels), dtype="uint8"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(3, "softmax"),
        ]
    )
    pixels = np.arange(8 * channels, dtype="uint8").reshape(2, 2, 2, channels)
    path = export(model, ["a", "b", "c"], tmp_path, "three", pixels)
    loaded = tf.saved_model.load(str(path))
    served = loaded.signatures["serving_default"](images=tf.constant(pixels))
    assert [sorted(row) for row in served["classes"].numpy().tolist()] == [[b"a", b"b", b"c"]] * 2


# what a server reads


def test_no_operation_needs_xla_python_or_a_lookup_table(program):
    graph = program.meta_graphs[0].graph_def
    functions = graph.library.function
    nodes = [*graph.node, *(node for function in functions for node in function.node_def)]
    names = {node.op for node in nodes}
    # The search does see the program.
    assert {"MatMul", "TopKV2", "GatherV2", "DecodeImage", "DecodeJpeg", "ParseExampleV2"} <= names
    for name in names:
        lowered = name.lower()
        assert not any(bad in lowered for bad in ("xla", "pyfunc", "table"))
    for function in functions:
        assert not function.attr["_XlaMustCompile"].b
    for node in nodes:
        assert not node.attr["_XlaMustCompile"].b
        assert not node.attr["_XlaCompile"].b


def test_all_signatures_share_one_graph_that_decodes(program):
    def count(functions):
        nodes = [node for one in functions for node in one.node_def]
        return sum(node.op == "DecodeBmp" for node in nodes)

    alone = decoder((8, 8, 1)).graph.as_graph_def().library.function
    assert count(program.meta_graphs[0].graph_def.library.function) == count(alone) > 0


def test_the_weights_are_those_of_the_forward_layers_alone(exported):
    listed = tf.train.list_variables(str(exported / "variables" / "variables"))
    shapes = [tuple(shape) for name, shape in listed if "CHECKPOINTABLE" not in name]
    # hidden layers of 16 and 12 units; the inverse of the second would be (12, 16) and (16,)
    assert sorted(shapes) == sorted([(64, 16), (16,), (16, 12), (12,), (12, 10), (10,)])


def test_labels_and_model_card_lie_among_the_assets(exported):
    labels = (exported / "assets" / "labels.txt").read_text(encoding="utf-8")
    assert labels.split("\n") == [*NAMES, ""]
    card = (exported / "assets" / "model_card.md").read_text(encoding="utf-8")
    assert card.startswith("# digits\n")
    assert "8x8 grey images into 10 classes" in card


def test_an_export_needs_no_package_of_ours(program):
    assert b"dtp_tf" not in program.SerializeToString()


# publishing; see also test_publishing.py


@pytest.mark.slow
def test_a_server_never_sees_half_a_model(classifier, images, tmp_path, monkeypatch):
    seen = []
    check = saved_model._check

    def look(*args):
        seen.append([entry.name for entry in (tmp_path / "digits").iterdir()])
        check(*args)

    monkeypatch.setattr(saved_model, "_check", look)
    path = export(classifier, NAMES, tmp_path, "digits", images)
    (while_writing,) = seen  # the folder, and the lock that shows that it is being written
    assert while_writing and all(name.startswith(".") for name in while_writing)
    assert [entry.name for entry in path.parent.iterdir()] == ["1"]


# what goes wrong


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "../up", "a b", "naïve", "-x"])
def test_a_name_that_is_no_folder_for_a_server_is_refused(classifier, images, tmp_path, name):
    with pytest.raises(UserError, match="cannot name an export"):
        export(classifier, NAMES, tmp_path / "exported", name, images)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [0.001, float("nan")])
def test_an_export_with_other_scores_is_not_published(
    classifier, images, tmp_path, monkeypatch, wrong
):
    def distorted(images, training=False):
        return classifier(images, training=training) + wrong

    distorted.input_shape, distorted.output_shape = classifier.input_shape, classifier.output_shape
    write = saved_model.write_saved_model
    monkeypatch.setattr(
        saved_model, "write_saved_model", lambda _, *rest: write(classifier, *rest)
    )
    with pytest.raises(UserError, match="does not give the trained model's scores"):
        export(distorted, NAMES, tmp_path, "digits", images)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_full_disk_leaves_no_version_and_nothing_hidden(classifier, images, tmp_path):
    with full_disk(4000), pytest.raises(UserError) as caught:
        export(classifier, NAMES, tmp_path, "digits", images)
    assert str(caught.value).startswith(f"cannot write {tmp_path / 'digits'}")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["two\nlines", "a return\r"])
def test_a_class_name_that_is_no_line_is_refused(classifier, images, tmp_path, name):
    with pytest.raises(UserError, match="has a line break"):
        export(classifier, [*NAMES[:-1], name], tmp_path, "digits", images)
    assert not list(tmp_path.iterdir())


# the command


def test_the_serving_command_names_an_absolute_folder_above_the_versions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = shlex.split(serve_command("exported models/digits/3"))
    assert words[0] == "tensorflow_model_server"
    assert "--model_name=digits" in words
    (base,) = [word.split("=")[1] for word in words if word.startswith("--model_base_path=")]
    assert pathlib.Path(base) == tmp_path / "exported models" / "digits"


@pytest.mark.slow
def test_the_training_command_exports_what_it_evaluated():
    folder, _ = trained()
    path = folder.parent / "exported" / "digits" / "1"
    loaded = tf.saved_model.load(str(path))
    test = digits().test
    served = loaded.signatures["serving_default"](images=tf.constant(test.images))
    answers = [int(row[0]) for row in served["classes"].numpy()]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert np.mean(answers == test.labels) == metrics["test"]["accuracy"]


@pytest.mark.slow
def test_a_run_is_exported_again_under_another_name(tmp_path):
    folder, _ = trained()
    words = ("export", folder, "--name", "my_digits", "--export-dir", tmp_path)
    content = json.loads(succeeded(invoke(*words, "--json")))
    path = tmp_path / "my_digits" / "1"
    assert content == {"export": str(path), "formats": {}, "serve": serve_command(path)}
    assert (path / "saved_model.pb").exists()
    printed = succeeded(invoke(*words, "--keep", "1"))
    assert f"exported   {tmp_path / 'my_digits' / '2'}" in printed
    assert serve_command(path) in printed
    assert os.listdir(tmp_path / "my_digits") == ["2"]


@pytest.mark.slow
def test_the_card_of_an_exported_run_has_what_the_run_found(tmp_path):
    folder, _ = trained()
    metrics = json.loads((folder / "metrics.json").read_text())
    trained_card = (folder.parent / "exported/digits/1/assets/model_card.md").read_text()
    test = metrics["test"]
    assert f"{test['accuracy']:.2%} of {test['images']} images" in trained_card
    for name, accuracy in test["per_class"].items():
        assert f"| {name} | {accuracy:.2%} |" in trained_card
    assert f"of epoch {metrics['best_epoch']}, the best by validation accuracy" in trained_card
    assert '"noise": ' in trained_card
    succeeded(invoke("export", folder, "--export-dir", tmp_path))
    assert (tmp_path / "digits/1/assets/model_card.md").read_text() == trained_card
    # The classifier alone does not know its epoch.
    succeeded(invoke("export", folder / "classifier.keras", "--export-dir", tmp_path))
    alone = (tmp_path / "digits/2/assets/model_card.md").read_text()
    assert set(trained_card.splitlines()) - set(alone.splitlines()) == {
        f"- weights: of epoch {metrics['best_epoch']}, the best by validation accuracy"
    }


@pytest.mark.parametrize("command", ["train", "export"])
@pytest.mark.parametrize("keep", ["0", "-1", "all"])
def test_at_least_one_version_must_be_kept(command, keep):
    words = [command] if command == "train" else [command, trained()[0]]
    result = invoke(*words, "--keep", keep)
    assert result.exit_code == 2
    assert "--keep" in result.stderr


@pytest.mark.slow
def test_the_training_command_prunes_old_versions(tmp_path):
    home = tmp_path / "exported" / "digits"
    for version in ("1", "2", "notes"):
        (home / version).mkdir(parents=True)
    words = ("train", *flags({**TINY, "epochs": 1}), "--run-dir", tmp_path / "run", "--keep", "2")
    # The empty ones do not say what they were trained on.
    succeeded(invoke(*words, "--no-keep-others", "--export-dir", tmp_path / "exported"))
    assert sorted(os.listdir(home)) == ["2", "3", "notes"]


def test_the_command_refuses_a_bad_name_in_one_sentence(tmp_path):
    result = invoke("export", trained()[0], "--name", "../up", "--export-dir", tmp_path)
    assert "'../up' cannot name an export" in refusal(result, 1)
    assert not list(tmp_path.iterdir())
