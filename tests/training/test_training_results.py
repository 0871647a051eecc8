"""A training run returns and leaves what is promised, and its numbers agree."""

import json
import os
import re

import keras
import numpy as np
import pytest
from helpers import (
    arrays,
    assert_same_arrays,
    deterministic_history,
    deterministic_run,
    digits,
    log_rows,
    python,
    trained,
    without_times,
)
from PIL import Image

import dtp_tf
from dtp_tf.console.tables import make_console
from dtp_tf.data.sets import load_data
from dtp_tf.evaluating.evaluation import evaluate
from dtp_tf.machines.devices import device_name
from dtp_tf.machines.versions import versions
from dtp_tf.network.network import DTPNetwork
from dtp_tf.runs import folder as runs
from dtp_tf.runs.models import load_model


@pytest.fixture(scope="module")
def three_epochs(tmp_path_factory):
    """(model, history, the folder in which Python ran) of the call in the README."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("cwd"))
    try:
        model, history = dtp_tf.train("digits", epochs=3, console=make_console(quiet=True))
        yield model, history, os.getcwd()
    finally:
        os.chdir(before)


@pytest.mark.slow
def test_training_from_python_returns_the_network_and_its_history(three_epochs):
    model, history, _ = three_epochs
    assert isinstance(model, DTPNetwork)
    assert isinstance(history, keras.callbacks.History)
    assert history.epoch == [0, 1, 2]
    assert {len(values) for values in history.history.values()} == {3}
    assert history.history["loss"][2] < history.history["loss"][0]
    assert history.history["val_accuracy"][2] > 0.8


@pytest.mark.slow
def test_a_run_is_named_by_time_and_recipe_in_the_current_folder(three_epochs):
    _, history, cwd = three_epochs
    assert [str(path.parent) for path in (history.run_dir, history.export_path)] == [
        "runs",
        "exported_models/digits",
    ]
    assert re.fullmatch(r"\d{8}-\d{6}-digits", history.run_dir.name)
    assert sorted(os.listdir(cwd)) == ["exported_models", "runs"]


@pytest.mark.slow
def test_a_run_leaves_every_file_that_is_promised_and_no_other(three_epochs):
    _, history, _ = three_epochs
    listed = [line for line in runs.__doc__.splitlines() if line.startswith("    ")]
    promised = re.findall(r"[\w.]+\.\w+|tensorboard", " ".join(line[:26] for line in listed))
    pictures = re.findall(r"\w+\.png", runs.__doc__)
    assert {"last.keras", "best.keras", "metrics.json", "curves.png"} <= {*promised, *pictures}
    found = sorted(path.name for path in history.run_dir.iterdir())
    # Angles are drawn only where a run measured them, the images of a folder alone are listed, and
    # a finished run is within no epoch.
    others = {"diagnostics.png", "images.csv", "unfinished.keras"}
    assert found == sorted({*promised, *pictures} - others)


@pytest.mark.slow
def test_a_run_holds_its_resolved_recipe_and_versions(three_epochs):
    _, history, _ = three_epochs
    config = json.loads((history.run_dir / "config.json").read_text())
    assert config == dtp_tf.recipe("digits", epochs=3).to_dict()
    assert json.loads((history.run_dir / "versions.json").read_text()) == versions()


@pytest.mark.slow
def test_the_log_has_the_history_row_by_row(three_epochs):
    _, history, _ = three_epochs
    rows = log_rows(history.run_dir)
    assert [row.pop("epoch") for row in rows] == ["1", "2", "3"]
    for name, values in history.history.items():
        assert [float(row[name]) for row in rows] == values
    assert list(rows[0]) == list(history.history)
    layers = range(1, len(dtp_tf.recipe("digits").units) + 1)
    assert list(rows[0]) == [
        "loss",
        "accuracy",
        *(f"local_loss_{i}" for i in layers),
        *(f"inverse_loss_{i}" for i in layers[1:]),
        "val_loss",
        "val_accuracy",
        *(f"val_reconstruction_error_{i}" for i in layers[1:]),
        "images_per_second",
        "seconds",
    ]


@pytest.mark.slow
def test_metrics_have_both_splits_the_best_epoch_and_the_conditions(three_epochs):
    _, history, _ = three_epochs
    metrics = json.loads((history.run_dir / "metrics.json").read_text())
    assert metrics == history.metrics
    names = ["test", "validation", "best_epoch", "epochs", "interrupted", "seconds", "conditions"]
    assert list(metrics) == names
    assert (metrics["epochs"], metrics["interrupted"]) == (3, False)
    assert metrics["seconds"] == pytest.approx(sum(history.history["seconds"]))
    for split, images in (("test", 360), ("validation", 287)):
        part = metrics[split]
        assert {"accuracy", "loss", "images", "per_class", "confusion_matrix"} <= set(part)
        matrix = np.array(part["confusion_matrix"])
        assert matrix.shape == (10, 10)
        assert matrix.sum() == part["images"] == images
        assert part["accuracy"] == pytest.approx(np.trace(matrix) / images)
        shares = np.diag(matrix) / matrix.sum(axis=1)
        assert list(part["per_class"]) == [str(i) for i in range(10)]
        assert list(part["per_class"].values()) == pytest.approx(shares.tolist())
        assert 0 < part["loss"] < 2
    conditions = metrics["conditions"]
    assert conditions["recipe"] == dtp_tf.recipe("digits", epochs=3).to_dict()
    assert conditions["data"]["training_images"] == 1150
    assert conditions["data"]["test_origin"] == "every fifth image"
    assert conditions["chosen_by"] == "validation accuracy"
    assert {name: conditions[name] for name in versions()} == versions()


@pytest.mark.slow
def test_the_test_accuracy_is_that_of_the_returned_and_of_the_best_network(three_epochs):
    model, history, _ = three_epochs
    data = load_data(dtp_tf.recipe("digits"))
    for network in (model, load_model(history.run_dir / "best.keras").model):
        for split in ("test", "validation"):
            again = evaluate(network, getattr(data, split), data.class_names)
            assert again["confusion_matrix"] == history.metrics[split]["confusion_matrix"]
            assert again["loss"] == pytest.approx(history.metrics[split]["loss"], rel=1e-5)


@pytest.mark.slow
def test_the_report_agrees_with_what_was_seen_while_training(three_epochs):
    _, history, _ = three_epochs
    best = history.metrics["best_epoch"] - 1
    validation = history.metrics["validation"]
    assert validation["accuracy"] == pytest.approx(history.history["val_accuracy"][best])
    assert validation["loss"] == pytest.approx(history.history["val_loss"][best], rel=1e-4)


@pytest.mark.slow
def test_the_pictures_of_a_run_can_be_opened(three_epochs):
    _, history, _ = three_epochs
    for name in ("curves.png", "confusion_matrix.png"):
        with Image.open(history.run_dir / name) as picture:
            picture.load()
            assert min(picture.size) > 300


@pytest.mark.slow
def test_tensorboard_has_every_epoch_once(three_epochs):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _, history, _ = three_epochs
    events = EventAccumulator(str(history.run_dir / "tensorboard"))
    events.Reload()
    scalars = set(events.PluginTagToContent("scalars"))  # pictures and settings are there, too
    of_the_test = {name for name in scalars if name.startswith("test_")}
    assert scalars - of_the_test == set(history.history)
    assert [event.step for event in events.Tensors("val_accuracy")] == [1, 2, 3]


@pytest.mark.slow
def test_training_from_python_does_what_the_command_does():
    ours, theirs = deterministic_history()[1], deterministic_run()
    for name in ("best.keras", "last.keras"):
        assert_same_arrays(arrays(ours.run_dir / name), arrays(theirs / name))
    metrics = json.loads((theirs / "metrics.json").read_text())
    for name in ("test", "validation", "best_epoch", "epochs", "conditions"):
        assert ours.metrics[name] == metrics[name]
    for row, their_row in zip(log_rows(ours.run_dir), log_rows(theirs), strict=True):
        assert without_times(row) == without_times(their_row)


@pytest.mark.slow
def test_the_classifier_opens_without_the_package_and_gives_the_same_scores(tmp_path):
    images = digits().test.images
    np.save(tmp_path / "images.npy", images)
    program = """
import sys
sys.modules["dtp_tf"] = None  # cannot be imported, even where it is installed
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1])
images = np.load("images.npy")
assert images.dtype == np.uint8
np.save("scores.npy", model.predict(images, verbose=0))
assert not [name for name in sys.modules if name.startswith("dtp_tf.")]
assert all(type(layer).__module__.startswith("keras.") for layer in model.layers)
"""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    python("-I", "-c", program, trained()[0] / "classifier.keras", cwd=tmp_path, env=env)
    expected = load_model(trained()[0] / "best.keras").model(images)
    np.testing.assert_allclose(
        np.load(tmp_path / "scores.npy"), expected, rtol=1e-5, atol=1e-7
    )


def test_the_device_has_a_name():
    assert re.match(r"CPU \(.+, \d+ cores\)|GPU \(.+\)", device_name())
