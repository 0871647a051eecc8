"""Reports by hand, pictures that open, and answers for image files."""

import json
import math

import keras
import numpy as np
import pytest
from helpers import digits, hidden_files, trained
from PIL import Image

from dtp_tf.data.images import fit_image
from dtp_tf.data.sets import Split
from dtp_tf.errors import UserError
from dtp_tf.evaluating.evaluation import (
    answer,
    draw_confusion_matrix,
    draw_curves,
    evaluate,
    predict,
    report,
)
from dtp_tf.runs.models import SavedModel, load_model

NAMES = ["cat", "dog", "[bird]"]
# Four images: a cat seen as cat, a cat seen as dog, a dog seen as dog, a dog seen as bird.
LABELS = np.array([0, 0, 1, 1])
PROBABILITIES = np.array(
    [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.0, 1.0, 0.0], [0.125, 0.125, 0.75]], "float32"
)

LOGS = {
    "loss": 1.5,
    "accuracy": 0.5,
    "local_loss_1": 1e-3,
    "local_loss_2": 1e-4,
    "inverse_loss_2": 0.5,
    "val_loss": 1.6,
    "val_accuracy": 0.4,
    "val_reconstruction_error_2": 0.2,
    "images_per_second": 1000.0,
    "seconds": 1.0,
}


@pytest.fixture(scope="module")
def result():
    return report(PROBABILITIES, LABELS, NAMES)


@pytest.fixture(scope="module")
def saved():
    return load_model(trained()[0] / "best.keras")


def picture_size(path):
    """Return (width, height) of a picture that is no plain surface."""
    with Image.open(path) as picture:
        picture.load()
        assert picture.format == "PNG"
        assert any(low < high for low, high in picture.convert("RGB").getextrema())
        return picture.size


# the report


def test_accuracy_is_the_share_of_right_answers(result):
    assert result["accuracy"] == 0.5


def test_loss_is_the_mean_negative_log_probability_of_the_label(result):
    expected = -(math.log(0.5) + math.log(0.25) + math.log(1) + math.log(0.125)) / 4
    assert result["loss"] == pytest.approx(expected, rel=1e-6)


def test_each_class_has_its_own_accuracy_and_an_empty_class_has_none(result):
    assert result["per_class"] == {"cat": 0.5, "dog": 0.5, "[bird]": None}


def test_rows_of_the_confusion_matrix_are_true_classes_and_columns_answers(result):
    assert result["confusion_matrix"] == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]
    assert result["images"] == 4


def test_a_report_is_of_json_types(result):
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_a_label_of_no_probability_at_all_has_a_finite_loss():
    one = report(np.array([[1.0, 0.0]], "float32"), np.array([1]), ["a", "b"])
    assert one["loss"] == pytest.approx(-math.log(1e-12))
    assert one["accuracy"] == 0


@pytest.mark.slow
def test_a_report_does_not_depend_on_the_batch_size(saved):
    split, names = digits().test, saved.class_names
    whole = evaluate(saved.model, split, names)
    parts = evaluate(saved.model, split, names, batch_size=7)
    assert whole.pop("loss") == pytest.approx(parts.pop("loss"), rel=1e-6)
    assert whole == parts
    assert whole["images"] == len(split)


def test_predictions_are_in_the_order_of_the_images(saved):
    split = digits().test.take(np.arange(30))
    probabilities = predict(saved.model, split, batch_size=7)
    assert probabilities.shape == (30, 10)
    assert probabilities.dtype == np.float32
    one = np.asarray(saved.model(split.images[17:18]))[0]
    np.testing.assert_allclose(probabilities[17], one, rtol=1e-5, atol=1e-7)


def test_evaluation_trains_nothing(saved):
    before = [variable.numpy() for variable in saved.model.variables]
    evaluate(saved.model, digits().validation, saved.class_names)
    for old, variable in zip(before, saved.model.variables, strict=True):
        np.testing.assert_array_equal(old, variable.numpy())


def test_a_classifier_that_knows_every_label_is_right_everywhere():
    model = keras.Sequential([keras.Input((1, 2, 1)), keras.layers.Flatten()])
    images = np.array([[[[1], [0]]], [[[0], [1]]]], "uint8")
    perfect = evaluate(model, Split(images, np.array([0, 1], "int32")), ["left", "right"])
    assert perfect["accuracy"] == 1
    assert perfect["loss"] == 0
    assert perfect["per_class"] == {"left": 1, "right": 1}


# pictures


def test_the_confusion_matrix_becomes_a_picture_even_with_an_empty_class(result, tmp_path):
    draw_confusion_matrix(result, tmp_path / "matrix.png")
    width, height = picture_size(tmp_path / "matrix.png")
    assert width > 300 and height > 300
    assert not hidden_files(tmp_path)


@pytest.mark.slow
def test_many_classes_get_a_larger_picture(result, tmp_path):
    draw_confusion_matrix(result, tmp_path / "few.png")
    many = report(np.eye(60), np.arange(60), [f"class {i}" for i in range(60)])
    draw_confusion_matrix(many, tmp_path / "many.png")
    assert picture_size(tmp_path / "many.png") > picture_size(tmp_path / "few.png")


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [1, 3])
def test_the_curves_become_a_picture(tmp_path, epochs):
    history = [{name: value / (i + 1) for name, value in LOGS.items()} for i in range(epochs)]
    draw_curves(history, tmp_path / "curves.png")
    width, height = picture_size(tmp_path / "curves.png")
    assert width > 800 and height > 500


@pytest.mark.slow
@pytest.mark.parametrize("values", [(-0.04, -0.09), (0.2, -0.09)])
def test_inverse_losses_below_0_have_curves_too(tmp_path, values):
    draw_curves([{**LOGS, "inverse_loss_2": value} for value in values], tmp_path / "curves.png")
    assert picture_size(tmp_path / "curves.png")


@pytest.mark.slow
def test_a_network_that_learns_by_no_local_losses_has_curves_too(tmp_path):
    logs = {name: value for name, value in LOGS.items() if name[-1] not in "12"}
    draw_curves([logs, logs], tmp_path / "curves.png")
    assert picture_size(tmp_path / "curves.png")


@pytest.mark.slow
def test_a_network_without_inverses_has_curves_too(tmp_path):
    logs = {name: value for name, value in LOGS.items() if not name.endswith("_2")}
    draw_curves([logs, logs], tmp_path / "curves.png")
    assert picture_size(tmp_path / "curves.png")


def test_a_picture_in_a_missing_folder_is_said_in_one_sentence(result, tmp_path):
    with pytest.raises(UserError, match="cannot write"):
        draw_confusion_matrix(result, tmp_path / "missing" / "matrix.png")


# answers


def write_image(path, pixels):
    Image.fromarray(pixels).save(path)
    return path


def test_answers_are_best_first_with_scores_of_the_network(saved, tmp_path):
    pixels = digits().test.images[3]
    path = write_image(tmp_path / "digit.png", pixels[..., 0])
    (one,) = answer(saved, [path], top=4)
    scores = np.asarray(saved.model(pixels[None]))[0]
    order = np.argsort(-scores)[:4]
    assert one["image"] == str(path)
    assert one["classes"] == [saved.class_names[i] for i in order]
    assert one["scores"] == pytest.approx(scores[order].tolist(), rel=1e-6)
    json.dumps(one)


def test_answers_come_in_the_order_of_the_images(saved, tmp_path):
    images = digits().test.images[:5, ..., 0]
    paths = [write_image(tmp_path / f"{9 - i}.png", image) for i, image in enumerate(images)]
    answers = answer(saved, paths, top=1)
    assert [one["image"] for one in answers] == [str(path) for path in paths]
    expected = np.asarray(saved.model(images[..., None])).argmax(axis=-1)
    assert [one["classes"] for one in answers] == [[str(label)] for label in expected]


def test_more_classes_than_there_are_gives_all_of_them(saved, tmp_path):
    path = write_image(tmp_path / "digit.png", digits().test.images[0, ..., 0])
    (one,) = answer(saved, [path], top=99)
    assert sorted(one["classes"]) == [str(i) for i in range(10)]
    assert sum(one["scores"]) == pytest.approx(1, abs=1e-5)


def test_a_colour_picture_of_another_size_is_fitted_to_the_network(saved, tmp_path):
    small = digits().test.images[7]
    large = np.repeat(np.repeat(np.repeat(small, 5, 0), 5, 1), 3, 2)
    colour = write_image(tmp_path / "colour.png", large)
    (given,) = answer(saved, [colour], top=10)
    fitted = np.asarray(fit_image(large, saved.image_shape()))
    expected = np.asarray(saved.model(fitted[None], training=False))[0]
    scores = dict(zip(given["classes"], given["scores"], strict=True))
    np.testing.assert_allclose([scores[name] for name in saved.class_names], expected, atol=1e-6)


def test_a_damaged_image_is_named_before_any_is_classified(saved, tmp_path):
    good = write_image(tmp_path / "good.png", digits().test.images[0, ..., 0])
    (tmp_path / "bad.png").write_bytes(good.read_bytes()[:40])

    def classify(*args, **kwargs):
        raise AssertionError("classified")

    classify.input_shape, classify.output_shape = (None, 8, 8, 1), (None, 10)
    with pytest.raises(UserError, match="image .*bad.png cannot be read"):
        answer(SavedModel(classify, {}), [good, tmp_path / "bad.png"], top=1)


def test_a_model_that_takes_no_images_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((7,)), keras.layers.Dense(3)])
    with pytest.raises(UserError, match="which are no images"):
        answer(SavedModel(model, {}), [tmp_path / "any.png"], top=1)
