"""Runs of networks that answer one class against the rest, or with numbers, from `train` to an
answer."""

import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import digits, flags, invoke, refusal, succeeded, tiny

from dtp_tf.evaluating.evaluation import predict
from dtp_tf.runs.models import load_model

SETTINGS = {
    "sigmoid": {"rule": "bp", "output_activation": "sigmoid", "label_smoothing": 0.1},
    "linear": {"rule": "sdtp", "output_activation": "linear", "loss": "huber",
               "diagnostics_every": 2},
}
every_output = pytest.mark.parametrize("output", SETTINGS)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run, whose export is in `../exported`."""

    @functools.cache
    def trained(output):
        home, settings = tmp_path_factory.mktemp(output), SETTINGS[output]
        settings = {**tiny(settings["rule"]), **settings}
        succeeded(
            invoke(
                "train",
                "digits",
                *flags(settings),
                "--run-dir",
                home / "run",
                "--export-dir",
                home / "exported",
            )
        )
        return home / "run"

    return trained


@every_output
def test_a_run_reports_the_loss_that_it_learned_by(run, output):
    folder = run(output)
    saved = load_model(folder / "best.keras")
    assert saved.model.output_activation == output
    metrics = json.loads((folder / "metrics.json").read_text())
    scores = predict(saved.model, digits().test)
    vectors = np.eye(10, dtype="float32")[digits().test.labels]
    assert metrics["test"]["loss"] == pytest.approx(
        float(saved.model.loss(vectors, scores)), rel=1e-4
    )
    assert metrics["test"]["accuracy"] == np.mean(scores.argmax(1) == digits().test.labels)
    again = json.loads(succeeded(invoke("evaluate", folder, "--json")))
    assert again["loss"] == pytest.approx(metrics["test"]["loss"], rel=1e-5)
    assert again["confusion_matrix"] == metrics["test"]["confusion_matrix"]
    logs = (folder / "log.csv").read_text().splitlines()[0].split(",")
    measured = {"angle_bp_1", "angle_gn_1", "angle_jacobian_3"} if output == "linear" else set()
    assert {"val_accuracy", *measured} <= set(logs)


def test_a_run_is_resumed_with_its_own_output(run):
    result = invoke("train", "--resume", run("linear"), "--output-activation", "sigmoid")
    assert "`output_activation` is linear in the run, got sigmoid" in refusal(result, 2)


@every_output
def test_an_export_names_numbers_what_they_are(run, output):
    folder = run(output)
    (version,) = (folder.parent / "exported" / "digits").iterdir()
    signatures = tf.saved_model.load(str(version)).signatures
    images, classifier = digits().test.images[:7], load_model(folder / "classifier.keras").model
    answers = signatures["serving_default"](images=tf.constant(images))
    name = "outputs" if output == "linear" else "probabilities"
    assert set(answers) == {"classes", "scores", name}
    np.testing.assert_allclose(answers[name], classifier(images), rtol=1e-4, atol=1e-5)
    assert set(signatures) == {"serving_default", "image_bytes", "classify"}
    card = (version / "assets" / "model_card.md").read_text()
    told = {
        "sigmoid": "outputs of a sigmoid, one for each class by itself",
        "linear": "numbers near 1 for the class and near 0 for others",
    }
    assert told[output] in card
    assert "mean loss" in card and "nats" not in card


def test_predict_names_classes_by_their_numbers(run, tmp_path):
    keras.utils.save_img(tmp_path / "one.png", digits().test.images[0], scale=False)
    (answer,) = json.loads(
        succeeded(invoke("predict", run("linear"), tmp_path / "one.png", "--json"))
    )
    scores = np.asarray(load_model(run("linear") / "best.keras").model(digits().test.images[:1]))
    assert answer["scores"] == pytest.approx(np.sort(scores[0])[::-1][:3], rel=1e-4)


def test_a_rule_that_cannot_know_its_targets_is_refused_by_the_command(tmp_path):
    said = refusal(
        invoke(
            "train",
            "digits",
            "--rule",
            "sdtp",
            "--label-smoothing",
            "0.1",
            "--loss",
            "categorical_focal_crossentropy",
            "--run-dir",
            tmp_path / "run",
        ),
        2,
    )
    assert "the rule SDTP takes the answers" in said
    assert not (tmp_path / "run").exists()
