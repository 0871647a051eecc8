"""In a folder without splits, an image's content alone decides which split it is in."""

import os
import shutil

from data_support import refusal
from photos_support import photo, photo_folder, save

from dtp_tf.console.console import folder_lines
from dtp_tf.data.folder_sets import share
from dtp_tf.data.sets import load_data
from dtp_tf.recipes.recipe import recipe


def splits(folder, **settings):
    """Return the split of each file by its name within the folder."""
    data = load_data(recipe("digits", image_folder=folder, **settings))
    return {str(file.path.relative_to(folder)): file.split for file in data.folder.files}


def by_content(folder, **settings):
    data = load_data(recipe("digits", image_folder=folder, **settings))
    return {file.sha256: file.split for file in data.folder.files}


def test_one_more_file_moves_no_other_to_another_split(tmp_path):
    before = splits(photo_folder(tmp_path))
    for name in ("000a", "zzz"):  # at the beginning and at the end
        save(tmp_path / "cat" / f"{name}.bmp", photo(ord(name[-1])))
    after = splits(tmp_path)
    assert len(after) == len(before) + 2
    assert {name: after[name] for name in before} == before


def test_one_file_less_moves_no_other_to_another_split(tmp_path):
    before = splits(photo_folder(tmp_path))
    os.remove(tmp_path / "cat" / "000.bmp")
    after = splits(tmp_path)
    assert after == {name: split for name, split in before.items() if name != "cat/000.bmp"}


def test_neither_names_nor_classes_decide(tmp_path):
    before = by_content(photo_folder(tmp_path))
    for path in sorted((tmp_path / "cat").iterdir()):
        path.rename(path.with_name(f"other-{9999 - int(path.stem)}.bmp"))
    (tmp_path / "cat").rename(tmp_path / "zebra")
    assert by_content(tmp_path) == before


def test_the_test_split_is_the_same_for_every_seed_and_the_validation_split_is_not(tmp_path):
    first, other = splits(photo_folder(tmp_path)), splits(tmp_path, seed=1)

    def of(found, split):
        return {name for name, one in found.items() if one == split}

    assert of(first, "test") == of(other, "test")
    assert of(first, "validation") != of(other, "validation")


def test_the_shares_are_about_what_was_asked_for():
    drawn = [share(str(number), "test") for number in range(4000)]
    assert 0 <= min(drawn) and max(drawn) < 1
    for asked in (0.1, 0.2, 0.5):
        assert abs(sum(one < asked for one in drawn) / 4000 - asked) < 0.03


def test_identical_files_are_in_one_split_and_are_told(tmp_path):
    photo_folder(tmp_path)
    for i in range(6):
        source = tmp_path / "cat" / f"{i:03}.bmp"
        shutil.copy(source, tmp_path / "cat" / f"copy-{i}.bmp")
    shutil.copy(source, tmp_path / "dog" / "a cat.bmp")
    data = load_data(recipe("digits", image_folder=tmp_path))
    found = splits(tmp_path)
    for i in range(6):
        assert found[f"cat/{i:03}.bmp"] == found[f"cat/copy-{i}.bmp"]
    assert found["dog/a cat.bmp"] == found["cat/005.bmp"]
    (line,) = folder_lines(data.folder)
    assert line == (
        "identical  13 files are 6 images; each is in one split; 1 of them are in several "
        "classes: cat/005.bmp, cat/copy-5.bmp, dog/a cat.bmp"
    )


def test_a_class_of_which_nothing_is_left_to_train_on_is_named(tmp_path):
    photo_folder(tmp_path)
    shutil.rmtree(tmp_path / "dog")
    number = next(n for n in range(99) if alone_in_test(tmp_path, n))
    text = refusal(splits, tmp_path)
    assert text == (
        f"class 'dog' of {tmp_path} has 1 image(s), none of them in the training split; add more."
    )
    assert number < 99


def alone_in_test(folder, number):
    """Save a photo as the only one of its class; return whether it is a test image."""
    import hashlib

    path = save(folder / "dog" / "0.bmp", photo(number, 1))
    return share(hashlib.sha256(path.read_bytes()).hexdigest(), "test") < 0.2


def test_large_photos_need_an_image_size(tmp_path):
    for name in ("cat", "dog"):
        save(tmp_path / name / "0.bmp", photo(1, size=(1001, 1000)))
    text = refusal(splits, tmp_path)
    assert "have 1001x1000 pixels" in text
    assert "give a smaller `image_size` (--image-size HEIGHT,WIDTH)." in text
