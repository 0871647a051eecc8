"""A folder of images is loaded in place of a set, or refused in one sentence."""

import numpy as np
from data_support import refusal, values

from dtp_tf.data.sets import load_data
from dtp_tf.recipes.recipe import recipe


def image_folder(path, count):
    """Save `count` images of each of two classes; the value of the pixels is their number."""
    for label, name in enumerate(["cat", "dog"]):
        (path / name).mkdir()
        for i in range(count):
            # Written without Pillow, for splits are drawn by the bytes of the files.
            pixels = bytes([2 * i + label] * 12)
            (path / name / f"{i}.pgm").write_bytes(b"P5 3 4 255\n" + pixels)
    return path


def test_an_image_folder_is_loaded_instead_of_the_set(tmp_path):
    folder = image_folder(tmp_path, 50)
    data = load_data(recipe("cifar10", image_folder=folder))
    assert data.name == str(folder)
    assert data.class_names == ("cat", "dog")
    assert data.image_shape == (4, 3, 1)
    assert (len(data.train), len(data.validation), len(data.test)) == (65, 18, 17)
    everything = values(data.train) + values(data.validation) + values(data.test)
    assert sorted(everything) == list(range(100))
    for split in (data.train, data.validation, data.test):
        np.testing.assert_array_equal(split.labels, np.array(values(split)) % 2)
    assert data.test_origin == "20 % of the folder, the same for every seed"


def test_the_test_split_of_a_folder_does_not_depend_on_the_seed(tmp_path):
    folder = image_folder(tmp_path, 50)
    first = load_data(recipe("digits", image_folder=folder))
    other = load_data(recipe("digits", image_folder=folder, seed=1))
    assert values(first.test) == values(other.test)
    assert values(first.validation) != values(other.validation)
    without = load_data(recipe("digits", image_folder=folder), test=False)
    assert without.test is None
    assert values(without.train) == values(first.train)


def test_an_image_folder_may_be_resized(tmp_path):
    folder = image_folder(tmp_path, 50)
    data = load_data(recipe("digits", image_folder=folder, image_size=(8, 2)))
    assert data.image_shape == (8, 2, 1)


def test_an_image_folder_that_does_not_exist_is_named(tmp_path):
    folder = tmp_path / "none"
    text = refusal(load_data, recipe("digits", image_folder=folder))
    assert f"image folder {folder} is not a folder" in text


def test_an_image_folder_that_is_too_small_is_refused(tmp_path):
    folder = image_folder(tmp_path, 1)
    text = refusal(load_data, recipe("digits", image_folder=folder, validation_fraction=0.999))
    assert text == f"{folder} is too small: no image is left for the training split."
