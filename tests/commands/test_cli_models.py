"""A run from the command line: every rule trains one, and `evaluate` and `predict` answer by it."""

import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from cli_support import picture
from helpers import digits, flags, invoke, refusal, start, succeeded, tiny, train, trained

import dtp_tf
from dtp_tf.files import read_json
from dtp_tf.recipes.recipe import RULES
from dtp_tf.runs.log import read_log
from dtp_tf.runs.models import load_model

# -- every rule ------------------------------------------------------------------------------------


# An export has the forward network alone, so a rule with inverses, one with other feedback and the
# one without classes tell of all; so they do of pictures, and of resuming a run that has ended.
WHOLE = ("dtp", "kp", "autoencoder")


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_trains_evaluates_predicts_and_exports(rule, tmp_path):
    settings = {**tiny(rule), "rule": rule, "batch_size": 32, "epochs": 1}
    run, exported = tmp_path / "run", tmp_path / "exported"
    whole = rule in WHOLE
    export = ("--export-dir", exported) if whole else ("--no-export",)
    words = "train", "digits", *flags(settings), "--run-dir", run, *export
    text = succeeded(invoke(*words, pictures=whole, compiled=whole))
    assert "epoch 1/1  loss" in text
    assert read_json(run / "config.json") == dtp_tf.recipe("digits", **settings).to_dict()
    metrics = read_json(run / "metrics.json")
    # Guesses are right in 10 %; codes, and maps through random features, take longer to be of use.
    assert metrics["test"]["accuracy"] > (0 if rule in ("autoencoder", "ddtp_rhl") else 0.15)
    assert (run / "curves.png").is_file() == whole
    result = json.loads(succeeded(invoke("evaluate", run, "--json")))
    assert result["confusion_matrix"] == metrics["test"]["confusion_matrix"]

    image = picture(tmp_path / "digit.png", digits().test.images[7, ..., 0])
    (answer,) = json.loads(succeeded(invoke("predict", run, image, "--json")))
    shown = digits().test.images[7:8]
    if whole:
        served = tf.saved_model.load(str(exported / "digits" / "1")).signatures["serving_default"]
        (scores,) = served(images=tf.constant(shown))["probabilities"].numpy()
    else:
        (scores,) = load_model(run / "best.keras").model(shown).numpy()
    assert answer["scores"] == pytest.approx(sorted(scores)[:-4:-1], rel=1e-4)
    if whole:
        again = invoke("train", "--resume", run, "--no-export")
        assert "resumed after epoch 1 of 1" in succeeded(again)
        assert read_json(run / "metrics.json")["test"] == metrics["test"]


# -- evaluate --------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["test", "validation"])
@pytest.mark.parametrize("what", ["", "best.keras", "classifier.keras"])
def test_evaluate_gives_the_report_of_the_run(split, what):
    result = invoke("evaluate", trained()[0] / what, "--split", split, "--json")
    ours, metrics = json.loads(succeeded(result)), read_json(trained()[0] / "metrics.json")[split]
    assert ours.pop("loss") == pytest.approx(metrics.pop("loss"), rel=1e-5)
    assert ours == metrics


def test_evaluate_shows_every_class_to_a_person():
    lines = succeeded(invoke("evaluate", trained()[0])).splitlines()
    metrics = read_json(trained()[0] / "metrics.json")["test"]
    shown = {name: share for name, share, _ in (line.split() for line in lines[1:11])}
    assert shown == {name: f"{value:.2%}" for name, value in metrics["per_class"].items()}
    assert lines[-1].startswith(f"digits test: accuracy {metrics['accuracy']:.2%}, ")


def test_evaluate_on_the_training_images_reads_all_of_them():
    content = json.loads(succeeded(invoke("evaluate", trained()[0], "--split", "train", "--json")))
    assert content["images"] == 1150


def test_evaluate_measures_what_the_training_has_logged(tmp_path):
    run = tmp_path / "run"
    train(run, epochs=1, diagnostics_every=1, diagnostics_images=30)
    asked = "evaluate", run / "last.keras", "--split", "train", "--diagnostics", 30
    found = json.loads(succeeded(invoke(*asked, "--json")))["diagnostics"]
    (logged,) = read_log(run / "log.csv")
    assert "angle_bp_1" in found and "angle_jacobian_2" in found
    for name, value in found.items():
        assert value == pytest.approx(logged[name], rel=1e-4), name
    lines = succeeded(invoke(*asked)).splitlines()
    assert lines[1].split()[:2] == ["1", f"{found['angle_bp_1']:.4g}"]
    assert "digits train: the first 30 images" in lines


def test_evaluate_measures_no_more_images_than_there_are():
    said = succeeded(invoke("evaluate", trained()[0], "--diagnostics", 1000))
    assert "digits test: the first 360 images" in said


@pytest.mark.parametrize("images, model, said, code", [
    (0, "", "0 is not in the range x>=1", 2),
    (10, "classifier.keras", "only a network of pairs has a learning rule", 1),
])  # fmt: skip
def test_what_has_no_updates_is_not_measured(images, model, said, code):
    asked = "evaluate", trained()[0] / model, "--diagnostics", images
    assert said in refusal(invoke(*asked), code)


@pytest.mark.slow
def test_a_process_prints_json_alone_and_no_messages_of_tensorflow(tmp_path):
    process = start("evaluate", trained()[0], "--json", cwd=tmp_path, fresh=True)
    stdout, stderr = process.communicate()
    assert process.returncode == 0
    assert stderr == ""
    ours, metrics = json.loads(stdout), read_json(trained()[0] / "metrics.json")["test"]
    assert ours.pop("loss") == pytest.approx(metrics.pop("loss"), rel=1e-5)
    assert ours == metrics
    assert not list(tmp_path.iterdir())


def test_a_model_of_another_make_cannot_be_evaluated_without_its_data(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    model.save(tmp_path / "m.keras")
    text = refusal(invoke("evaluate", tmp_path / "m.keras"), 1)
    assert "does not say what data it was trained on" in text


# -- predict ---------------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path):
    """One digit as grey and colour PNG and JPEG of several sizes."""
    small = digits().test.images[7, ..., 0]
    large = np.repeat(np.repeat(small, 6, 0), 6, 1)
    colour = np.repeat(large[..., None], 3, 2)
    return [
        picture(tmp_path / "small.png", small),
        picture(tmp_path / "grey.png", large),
        picture(tmp_path / "colour.png", colour),
        picture(tmp_path / "grey.jpg", large, quality=95),
        picture(tmp_path / "colour.jpeg", colour, quality=95),
        picture(tmp_path / "with [brackets].png", small),
    ]


@pytest.mark.slow
def test_predict_takes_png_and_jpeg_grey_and_colour_of_any_size(pictures):
    answers = json.loads(succeeded(invoke("predict", trained()[0], *pictures, "--json")))
    assert [one["image"] for one in answers] == [str(path) for path in pictures]
    exact = np.asarray(load_model(trained()[0] / "best.keras").model(digits().test.images[7:8]))[0]
    order = np.argsort(-exact)[:3]
    assert answers[0]["classes"] == [str(i) for i in order]
    assert answers[0]["scores"] == pytest.approx(exact[order].tolist(), rel=1e-5)
    for one in answers:
        assert len(one["classes"]) == len(one["scores"]) == 3
        assert one["classes"][0] == answers[0]["classes"][0]
        assert one["scores"][0] == pytest.approx(answers[0]["scores"][0], abs=0.2)


def test_predict_shows_a_person_as_many_classes_as_asked_for(pictures):
    text = succeeded(invoke("predict", trained()[0], pictures[0], pictures[5], "--top", "2"))
    lines = text.splitlines()
    assert lines[0].split() == ["image", "class", "score"]
    assert len(lines) == 5
    assert lines[1].startswith(str(pictures[0]))
    assert str(pictures[5]) in lines[3]
    assert 0 <= float(lines[1].split()[-1]) <= 1


def test_the_classifier_answers_as_the_run_does(pictures):
    ours, theirs = (
        json.loads(succeeded(invoke("predict", trained()[0] / name, *pictures, "--json")))
        for name in ("", "classifier.keras")
    )
    for one, other in zip(ours, theirs, strict=True):
        assert one["classes"] == other["classes"]
        assert one["scores"] == pytest.approx(other["scores"], rel=1e-4)


# -- a folder of images ----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_folder_of_images_trains_from_start_to_prediction(tmp_path):
    """Colour images of two sizes; a class is named as its folder, brackets and all."""
    chance = np.random.default_rng(0)
    for name, channel in (("[red]", 0), ("green", 1)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(30):
            side = 6 + i % 2
            pixels = chance.integers(0, 80, (side, side, 3), "uint8")
            pixels[..., channel] += 150
            picture(tmp_path / "images" / name / f"{i}.png", pixels)
    settings = {
        "image_size": (6, 6), "units": (8, 8), "batch_size": 8, "epochs": 6, "learning_rate": 0.02,
        "learning_rate_schedule": "constant", "preprocessing": "center",
    }  # fmt: skip
    run = tmp_path / "run"
    words = ("--image-folder", tmp_path / "images", "--run-dir", run)
    text = succeeded(
        invoke("train", *words, *flags(settings), "--export-dir", tmp_path / "exported")
    )
    counts = r"6x6x3 images, 2 classes; (\d+) training, (\d+) validation, (\d+) test"
    assert sum(map(int, re.search(counts, text).groups())) == 60
    assert "[red]" in text
    assert read_json(run / "metrics.json")["test"]["per_class"] == {"[red]": 1.0, "green": 1.0}
    content = json.loads(succeeded(invoke("evaluate", run, "--json")))
    assert content["accuracy"] == 1
    path = tmp_path / "images" / "[red]" / "3.png"
    (one,) = json.loads(succeeded(invoke("predict", run, path, "--json")))
    assert one["classes"] == ["[red]", "green"]
