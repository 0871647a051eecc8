"""A folder of train/, val/ and test/ is taken as it is, or refused with what was seen."""

import shutil

import pytest
from data_support import refusal
from photos_support import photo, photo_folder, save, split_folder

from dtp_tf.data.sets import load_data
from dtp_tf.recipes.recipe import recipe


def loaded(folder, **settings):
    return load_data(recipe("digits", image_folder=folder, **settings))


def sizes(data):
    return len(data.train), len(data.validation), len(data.test)


@pytest.mark.parametrize(
    "names",
    [
        ("train", "val", "test"),
        ("Train", "VAL", "Test"),
        ("training", "valid", "testing"),
        ("TRAIN", "Validation", "TEST"),
        ("train", "dev", "test"),
    ],
)
def test_folders_of_splits_are_the_splits(tmp_path, names):
    split_folder(tmp_path, dict(zip(names, (20, 8, 6), strict=True)))
    data = loaded(tmp_path)
    assert sizes(data) == (40, 16, 12)
    assert data.class_names == ("cat", "dog")
    assert data.train.labels.tolist() == [0] * 20 + [1] * 20
    assert data.test_origin == "the folder's own"
    given = {file.path.parts[-3] for file in data.folder.files if file.split == "validation"}
    assert given == {names[1]}


def test_given_splits_do_not_depend_on_seed_or_fraction(tmp_path):
    split_folder(tmp_path)
    assert sizes(loaded(tmp_path, seed=4, validation_fraction=0.7)) == (40, 16, 12)


@pytest.mark.parametrize(
    ("counts", "drawn"),
    [
        ({"train": 60, "test": 6}, {"validation"}),
        ({"train": 60, "val": 6}, {"test"}),
        ({"train": 60}, {"validation", "test"}),
    ],
)
def test_a_split_that_is_not_there_is_drawn_from_the_training_images(tmp_path, counts, drawn):
    data = loaded(split_folder(tmp_path, counts))
    for file in data.folder.files:
        if file.path.parts[-3] != "train":
            assert file.split not in drawn
        assert file.split in {"train", *drawn} or file.path.parts[-3] != "train"
    assert all(sizes(data))
    assert sum(sizes(data)) == sum(2 * n for n in counts.values())
    assert (data.test_origin == "the folder's own") == ("test" in counts)


def test_classes_beside_the_splits_are_refused_with_what_was_seen(tmp_path):
    split_folder(tmp_path, {"train": 2, "test": 2})
    save(tmp_path / "cat" / "0.bmp", photo(0))
    text = refusal(loaded, tmp_path)
    assert text == (
        f"image folder {tmp_path} has cat/, test/, train/, of which cat/ is no split; give a "
        "folder of train/, val/ and test/ alone, or one of classes alone."
    )


def test_splits_without_a_training_split_are_refused(tmp_path):
    split_folder(tmp_path, {"val": 2, "test": 2})
    assert "has test/, val/ and no train/" in refusal(loaded, tmp_path)


def test_one_split_under_two_names_is_refused(tmp_path):
    split_folder(tmp_path, {"train": 2, "val": 2, "Validation": 2})
    assert "val/ are the same split; keep one of them." in refusal(loaded, tmp_path)


def test_splits_of_images_without_classes_are_refused(tmp_path):
    for name in ("train", "test"):
        save(tmp_path / name / "0.bmp", photo(0))
    text = refusal(loaded, tmp_path)
    assert f"{tmp_path / 'train'} has no class folders" in text


@pytest.mark.parametrize(
    ("split", "said"), [("test", "train has bird"), ("train", "test has bird")]
)
def test_classes_of_the_splits_must_agree(tmp_path, split, said):
    split_folder(tmp_path, {"train": 2, "test": 2}, ("bird", "cat", "dog"))
    shutil.rmtree(tmp_path / split / "bird")
    text = refusal(loaded, tmp_path)
    assert text.startswith("the classes of the splits differ: ")
    assert f"{said}, " in text


def test_a_class_may_be_called_train(tmp_path):
    photo_folder(tmp_path, 40, ("bus", "train"))
    data = loaded(tmp_path)
    assert data.class_names == ("bus", "train")
    assert sum(sizes(data)) == 80


def test_a_training_image_that_a_given_test_split_has_too_is_left_out_and_told(tmp_path):
    split_folder(tmp_path)
    shutil.copy(tmp_path / "test" / "cat" / "2000.bmp", tmp_path / "train" / "cat" / "x.bmp")
    shutil.copy(tmp_path / "val" / "dog" / "1000.bmp", tmp_path / "train" / "dog" / "y.bmp")
    data = loaded(tmp_path)
    assert sizes(data) == (40, 16, 12)
    paths = data.folder.left_out["identical to images of another split"]
    assert [path.name for path in paths] == ["x.bmp", "y.bmp"]
