"""A model is evaluated on other images of its classes, and told when its own have changed."""

import json
import shutil

import numpy as np
import pytest
from helpers import flags, invoke, refusal, succeeded
from photos_support import photo, photo_folder, save, split_folder

from dtp_tf.data.other_sets import class_numbers, load_other
from dtp_tf.errors import UserError

CLASSES = ("ant", "bee", "cow")
SMALL = {"units": (8,), "epochs": 2, "batch_size": 16, "learning_rate": 0.01, "image_size": (6, 5)}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Photos of three classes, a run on them and its export."""
    home = tmp_path_factory.mktemp("home")
    photo_folder(home / "My Photos", 40, CLASSES)
    succeeded(
        invoke(
            "train", "digits", "--image-folder", home / "My Photos", *flags(SMALL),
            "--class-weights", "balanced", "--run-dir", home / "run", "--export-dir", home / "out",
        )
    )  # fmt: skip
    return home


def evaluated(home, *words):
    return json.loads(succeeded(invoke("evaluate", home / "run", *words, "--json")))


@pytest.mark.slow
def test_another_folder_is_evaluated_by_the_names_of_its_classes(home, tmp_path):
    photo_folder(tmp_path / "same", 40, CLASSES)
    whole = evaluated(home, "--image-folder", tmp_path / "same")
    assert whole["images"] == 120
    # Other names before theirs in the alphabet would give other numbers to the classes.
    for split, reported in (("test", evaluated(home)), ("validation", None), ("train", None)):
        own = reported or evaluated(home, "--split", split)
        other = evaluated(home, "--image-folder", tmp_path / "same", "--split", split)
        assert other == own
    assert list(whole["per_class"]) == list(CLASSES)


@pytest.mark.slow
def test_of_a_folder_of_splits_the_test_split_is_evaluated(home, tmp_path):
    split_folder(tmp_path / "more", {"train": 3, "test": 2}, CLASSES)
    assert evaluated(home, "--image-folder", tmp_path / "more")["images"] == 6
    words = ("--image-folder", tmp_path / "more", "--split", "all")
    assert evaluated(home, *words)["images"] == 15
    shown = succeeded(invoke("evaluate", home / "run", *words))
    assert f"{tmp_path / 'more'} all: accuracy " in shown


def test_other_classes_are_refused_by_name(home, tmp_path):
    photo_folder(tmp_path / "more", 1, ("ant", "bee", "dog"))
    text = refusal(invoke("evaluate", home / "run", "--image-folder", tmp_path / "more"), 1)
    assert text == (
        f"Error: the classes of image folder {tmp_path / 'more'} are not the model's: it lacks cow "
        "and has dog; give images of the same classes, by name."
    )
    text = refusal(invoke("evaluate", home / "run", "--dataset", "digits"), 1)
    assert "the classes of data set digits are not the model's: it lacks ant, bee, cow" in text


def test_names_give_the_numbers_in_any_order():
    assert class_numbers(["b", "c", "a"], ["a", "b", "c"], "x").tolist() == [1, 2, 0]


def test_another_set_is_fitted_and_relabelled():
    names = [str(9 - i) for i in range(10)]
    split, name = load_other(names, (6, 5, 3), dataset="digits")
    plain, _ = load_other(names[::-1], (8, 8, 1), dataset="digits")
    assert name == "digits test"
    assert split.images.shape == (360, 6, 5, 3)
    np.testing.assert_array_equal(9 - split.labels, plain.labels)
    with pytest.raises(UserError, match="`split` all is for image folders"):
        load_other(names, (8, 8, 1), dataset="digits", split="all")


def test_a_folder_and_a_set_exclude_each_other(home):
    words = ("--image-folder", home, "--dataset", "digits")
    assert "exclude each other" in refusal(invoke("evaluate", home / "run", *words), 2)


@pytest.mark.slow
def test_a_changed_folder_is_told_before_its_own_model_is_evaluated_on_it(home):
    added = save(home / "My Photos" / "bee" / "new.bmp", photo(999, 1))
    try:
        text = refusal(invoke("evaluate", home / "run"), 1)
        assert text == (
            "Error: the data differ from those that the model was trained on: 1 added "
            "(bee/new.bmp); give the same data, other ones with --image-folder, or --anyway."
        )
        result = invoke("evaluate", home / "run", "--anyway", "--json")
        assert json.loads(succeeded(result))["images"] > 0
        assert "warning: the data differ" in result.stderr
    finally:
        added.unlink()


def test_the_report_has_balanced_and_top_5_accuracy(home):
    metrics = json.loads((home / "run" / "metrics.json").read_text())
    for report in (metrics["test"], metrics["validation"]):
        shares = [share for share in report["per_class"].values() if share is not None]
        assert report["balanced_accuracy"] == pytest.approx(np.mean(shares))
        assert report["top_5_accuracy"] == 1
    assert json.loads((home / "run" / "config.json").read_text())["class_weights"] == "balanced"
    assert metrics["conditions"]["data"]["left_out"] == {}


def test_an_export_is_named_after_the_folder(home):
    assert [path.name for path in (home / "out").iterdir()] == ["My-Photos"]


@pytest.mark.slow
def test_a_run_is_exported_without_the_data_that_it_was_trained_on(home, tmp_path):
    shutil.move(home / "My Photos", tmp_path / "away")
    try:
        words = ("export", home / "run", "--export-dir", tmp_path / "out", "--json")
        path = json.loads(succeeded(invoke(*words)))["export"]
    finally:
        shutil.move(tmp_path / "away", home / "My Photos")
    assert path == str(tmp_path / "out" / "My-Photos" / "1")
    first = (home / "out" / "My-Photos" / "1" / "assets" / "model_card.md").read_text()
    assert (tmp_path / "out" / "My-Photos" / "1" / "assets" / "model_card.md").read_text() == first


@pytest.mark.slow
def test_predict_says_which_images_the_model_learned_from_and_which_have_changed(home, tmp_path):
    rows = (home / "run" / "images.csv").read_text().splitlines()[1:]
    learned = home / "My Photos" / next(r for r in rows if r.startswith("train")).split(",")[-1]
    tested = home / "My Photos" / next(r for r in rows if r.startswith("test")).split(",")[-1]
    shutil.copy(learned, tmp_path / "copy.bmp")
    fresh = save(tmp_path / "new.bmp", photo(4321))
    kept = tested.read_bytes()
    result = invoke("predict", home / "run", tmp_path / "copy.bmp", tested, fresh, "--json")
    assert [one["split"] for one in json.loads(succeeded(result))] == ["train", "test", None]
    assert "note: 1 of 3 image(s) are those that the model learned from" in result.stderr
    tested.write_bytes(fresh.read_bytes())
    try:
        result = invoke("predict", home / "run", tested, "--json")
        assert "note: 1 of 1 image(s) have changed since the training" in result.stderr
    finally:
        tested.write_bytes(kept)
