"""Models that others wrote: by Keras alone, or with a record that fits nothing."""

import json
import shutil
import zipfile

import keras
import numpy as np
import pytest
from helpers import digits, invoke, refusal, succeeded, trained
from PIL import Image

from dtp_tf.errors import UserError
from dtp_tf.runs.models import ENTRY, load_model
from dtp_tf.sharing import open_model


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("image") / "a.png"
    Image.fromarray(np.asarray(digits().test.images[0, :, :, 0])).save(path)
    return path


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A network saved by Keras's own `save`, which adds no record."""
    path = tmp_path_factory.mktemp("own") / "own.keras"
    open_model(trained()[0]).model.save(path)
    return path


def changed_record(path, target, change):
    """Copy a .keras file, its record changed by a function."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == ENTRY:
                content = json.dumps(change(json.loads(content))).encode()
            new.writestr(name, content)
    return target


@pytest.mark.slow
def test_a_network_that_keras_saved_predicts_as_the_run_does(own, image):
    theirs = json.loads(succeeded(invoke("predict", own, image, "--json")))
    ours = json.loads(succeeded(invoke("predict", trained()[0], image, "--json")))
    assert theirs[0]["classes"] == ours[0]["classes"]
    assert theirs[0]["scores"] == pytest.approx(ours[0]["scores"], abs=1e-5)


@pytest.mark.slow
def test_training_starts_from_a_network_that_keras_saved(own, tmp_path):
    words = ("train", "digits", "--units", "16,12", "--epochs", "1", "--init", own, "--no-export")
    said = succeeded(invoke(*words, "--run-dir", tmp_path / "run"))
    assert f"forward weights of {own}" in said


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("evaluate", "OWN"), 1, "does not say what data it was trained on"),
        (("export", "OWN", "--export-dir", "OUT"), 1, "does not say what data it was trained on"),
        (("save-preset", "OWN", "OUT"), 1, "is no run folder"),
        (("train", "--resume", "OWN"), 1, "is no run folder"),
        (("presets", "OWN"), 1, "is no preset"),
    ],
)
def test_what_needs_more_than_keras_saves_is_refused_in_one_sentence(
    own, tmp_path, words, code, said
):
    out = tmp_path / "out"
    words = [{"OWN": own, "OUT": out}.get(word, word) for word in words]
    assert said in refusal(invoke(*words), code)
    assert not out.exists()


@pytest.mark.parametrize("name", ["best.keras", "last.keras"])
@pytest.mark.slow
def test_a_run_whose_checkpoint_keras_saved_is_refused(own, tmp_path, name):
    run = shutil.copytree(trained()[0], tmp_path / "run")
    shutil.copy(own, run / name)
    words = ("save-preset", run, tmp_path / "out") if name == "best.keras" else (
        "train", "--resume", run, "--no-export"
    )  # fmt: skip
    assert f"{name} is no checkpoint of a training run" in refusal(invoke(*words), 1)


def _model(inputs, outputs):
    return keras.Model(inputs, outputs)


def foreign():
    """Models that are no classifiers of examples, by what they are."""
    layer, x, y, z = keras.layers.Dense(3), *(keras.Input((size,)) for size in (4, 4, None))
    return {
        "two inputs": _model([x, y], layer(x) + layer(y)),
        "two outputs": _model(x, [layer(x), keras.layers.Dense(2)(x)]),
        "a mapping": _model(x, {"a": layer(x)}),
        "no batch of scores": _model(x, keras.layers.Reshape((3, 1))(layer(x))),
        "not built": keras.Sequential([keras.layers.Dense(3)]),
        "any length": _model(z, keras.layers.Activation("tanh")(z)),
    }


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [
    "two inputs", "two outputs", "a mapping", "no batch of scores", "not built", "any length",
])
def test_a_model_that_is_no_classifier_is_refused(tmp_path, image, kind):
    path = tmp_path / "m.keras"
    foreign()[kind].save(path)
    refusal(invoke("predict", path, image), 1)


@pytest.mark.slow
def test_a_model_without_weights_starts_no_training(tmp_path):
    keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()]).save(tmp_path / "m.keras")
    words = ("train", "digits", "--init", tmp_path / "m.keras", "--run-dir", tmp_path / "run")
    assert "has no layers with weights" in refusal(invoke(*words), 2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda about: [], "it must be a mapping, got []"),
        (lambda about: {**about, "class_names": "0123456789"}, "class_names must be a list"),
        (lambda about: {**about, "class_names": [0, 1]}, "class_names[0] must be text, got 0"),
        (lambda about: {**about, "class_names": []}, "class_names must be a list of at least 1"),
        (lambda about: {**about, "recipe": "digits"}, "recipe must be a mapping"),
        (lambda about: {**about, "recipe": {}}, "recipe lacks 'rule'"),
        (lambda about: {**about, "history": [{"loss": None}]}, "history[0].loss must be a number"),
        (lambda about: {**about, "versions": {}}, "versions lacks 'dtp_tf'"),
        (lambda about: {**about, "data": {"name": 3}}, "data lacks"),
        (lambda about: {**about, "history": float("nan")}, "in history nan is no finite number"),
        (lambda about: {**about, "preset": ["x"]}, "preset must be text"),
    ],
)
def test_a_record_that_is_damaged_is_named_by_its_place(tmp_path, change, said):
    path = changed_record(trained()[0] / "best.keras", tmp_path / "m.keras", change)
    with pytest.raises(UserError) as error:
        load_model(path)
    assert f"model {path} is damaged" in str(error.value) and said in str(error.value)


def test_too_few_names_of_classes_are_refused(tmp_path):
    def change(about):
        return {**about, "class_names": about["class_names"][:9]}

    path = changed_record(trained()[0] / "best.keras", tmp_path / "m.keras", change)
    assert "has 10 classes, but 9 names" in refusal(invoke("predict", path, "a.png"), 1)


@pytest.mark.parametrize("lacking", ["recipe", "class_names", "data", "versions", "history"])
@pytest.mark.slow
def test_a_checkpoint_that_lacks_something_is_not_resumed(tmp_path, lacking):
    run = shutil.copytree(trained()[0], tmp_path / "run")

    def change(about):
        return {name: value for name, value in about.items() if name != lacking}

    changed_record(trained()[0] / "last.keras", run / "last.keras", change)
    error = refusal(invoke("train", "--resume", run, "--no-export"), 1)
    assert f"last.keras is damaged: it lacks '{lacking}'" in error
