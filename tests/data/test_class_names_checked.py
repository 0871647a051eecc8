"""Class names that a report, a picture or an export cannot hold are refused before training."""

import os

import numpy as np
import pytest
from data_support import numbered, refusal
from helpers import invoke
from helpers import refusal as command_refusal
from PIL import Image

from dtp_tf.data.class_names import MAX_CLASSES, check_class_names
from dtp_tf.data.images import read_folder
from dtp_tf.data.sets import ImageData

GOOD = [r"$\foo$", "[/x]", ":cat:", "日本語", "שלום", "a b", "\U0001f600", "x" * 255, "-rf", "None"]


def folder_of(path, *names):
    """Make a folder of classes, the names as bytes, with a grey image each."""
    for name in names:
        os.makedirs(os.path.join(os.fsencode(path), name))
        image = Image.fromarray(np.full((4, 4), 9, np.uint8))
        image.save(os.path.join(os.fsdecode(os.path.join(os.fsencode(path), name)), "a.png"))
    return path


def test_names_of_all_kinds_are_taken():
    check_class_names(GOOD, "the set")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "is empty"),
        (" \t", "is empty"),
        ("a\0b", "has a control character"),
        ("a\nb", "or the end of a line in it"),
        ("\x1b[31m", "has a control character"),
        ("a\u2028b", "or the end of a line in it"),
        ("\udcff", "has bytes that are no UTF-8"),
        ("x" * 256, "has 256 characters, above the limit of 255"),
        (3, "is no text"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(name, said):
    text = refusal(check_class_names, ["cat", name], "the set")
    assert text.startswith("the set has the class name ")
    assert said in text and text.isascii() and text.isprintable()


def test_doubled_names_and_too_many_are_refused():
    assert refusal(check_class_names, ["a", "b", "a"], "the set") == (
        "the set has 2 classes with the name 'a'; rename all but one."
    )
    many = list(map(str, range(MAX_CLASSES + 1)))
    assert "2,001 classes, which is above the limit of 2,000" in refusal(
        check_class_names, many, "the set"
    )


def test_a_set_made_in_python_is_checked_when_it_is_made():
    split = numbered(4)
    assert "data set mine has 2 classes" in refusal(
        ImageData, "mine", split, split, split, ("a", "a"), "nowhere"
    )


@pytest.mark.parametrize("name", [b"\xff", b"a\nb", b"\x1b]0;x\x07"])
def test_a_folder_is_checked_before_an_image_is_read(tmp_path, monkeypatch, name):
    folder_of(tmp_path, b"cat", name)
    monkeypatch.setattr("dtp_tf.data.images.file_facts", None)
    assert f"image folder {tmp_path} has the class name " in refusal(read_folder, tmp_path)


def test_training_on_such_a_folder_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path / "images", b"cat", b"\xff")
    text = command_refusal(invoke("train", "--image-folder", "images", "--epochs", 1), 1)
    assert r"has the class name '\udcff', which has bytes that are no UTF-8; rename it." in text
    assert os.listdir(tmp_path) == ["images"]
