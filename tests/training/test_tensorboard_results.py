"""TensorBoard gets a finished run's pictures, test results and settings beside its curves."""

import json

import pytest
import tensorflow as tf
from helpers import trained
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.hparams.metadata import parse_session_start_info_plugin_data

from dtp_tf.recipes.recipe import Recipe
from dtp_tf.reporting.board import hyperparameters


@pytest.fixture(scope="module")
def values():
    """The last value of each name in the run's event files."""
    files = sorted((trained()[0] / "tensorboard").iterdir())
    events = [event for file in files for event in EventFileLoader(str(file)).Load()]
    return {value.tag: value for event in events for value in event.summary.value}


def test_pictures_are_the_files_of_the_run(values):
    for name in ("curves", "confusion_matrix"):
        picture = values[name].tensor.string_val[2]
        assert picture == (trained()[0] / f"{name}.png").read_bytes()


def test_wrong_answers_and_the_first_layer_are_images(values):
    for name in ("wrong_answers", "first_layer"):
        assert all(one.startswith(b"\x89PNG") for one in values[name].tensor.string_val[2:])
    assert len(values["first_layer"].tensor.string_val) == 2 + 16


def test_test_results_stand_beside_the_settings(values):
    metrics = json.loads((trained()[0] / "metrics.json").read_text())
    written = tf.make_ndarray(values["test_accuracy"].tensor)
    assert float(written) == pytest.approx(metrics["test"]["accuracy"])
    content = values["_hparams_/session_start_info"].metadata.plugin_data.content
    found = parse_session_start_info_plugin_data(content).hparams
    assert found["rule"].string_value == "dtp"
    assert found["units"].string_value == "16,12"
    assert found["learning_rate"].number_value == pytest.approx(0.03)


def test_settings_of_other_rules_are_left_out():
    found = hyperparameters(Recipe(rule="bp"))
    assert "inverse_learning_rate" not in found and "noise" not in found
    assert all(isinstance(value, (bool, int, float, str)) for value in found.values())
