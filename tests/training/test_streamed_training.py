"""A training on images that are read from the disk as they are needed ends as one in memory."""

import json
import pathlib
import types

import numpy as np
import psutil
import pytest
from helpers import (
    At,
    arrays,
    assert_same_arrays,
    flags,
    invoke,
    quickly,
    refusal,
    succeeded,
    tiny,
)
from photos_support import photo, photo_folder, save

import dtp_tf
from dtp_tf.console.tables import make_console
from dtp_tf.data.sets import load_data
from dtp_tf.data.streaming import StreamedImages
from dtp_tf.errors import UserError
from dtp_tf.recipes.recipe import recipe

SUFFIXES = ("bmp", "png", "jpg", "webp", "tif", "gif", "ppm")
SETTINGS = {
    **tiny("dtp"), "units": (8,), "batch_size": 8, "image_size": (6, 5), "flip": True, "crop": 1,
    "class_weights": "balanced", "preprocessing": "standardize", "seed": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """60 photos of all formats and of several sizes, some of them turned."""
    path = tmp_path_factory.mktemp("data") / "photos"
    for label, name in enumerate(("cat", "dog")):
        for i in range(30):
            image = photo(i, label, (5 + i % 4, 4 + i % 3))
            exif = image.getexif()
            exif[0x0112] = 1 + i % 8
            suffix = SUFFIXES[i % len(SUFFIXES)]
            turned = {"exif": exif} if suffix in ("jpg", "png", "webp") else {}
            save(path / name / f"{i:03}.{suffix}", image, **turned)
    return path


def train(folder, run, in_memory, **settings):
    return invoke(
        "train", "digits", "--image-folder", folder, *flags({**SETTINGS, **settings}),
        "--in-memory", in_memory, "--no-export", "--run-dir", run,
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs(folder, tmp_path_factory):
    """Two deterministic runs on the folder, {"yes" or "no": (run, what was printed)}."""
    home, found = tmp_path_factory.mktemp("runs"), {}
    for in_memory in ("yes", "no"):
        run = home / in_memory
        found[in_memory] = run, succeeded(train(folder, run, in_memory, deterministic=True))
    return found


@pytest.mark.slow
def test_both_end_with_the_same_bits_and_report(runs):
    (here, _), (there, _) = runs.values()
    for name in ("last.keras", "best.keras", "classifier.keras"):
        assert_same_arrays(arrays(here / name), arrays(there / name))
    reports = [json.loads((run / "metrics.json").read_text()) for run in (here, there)]
    assert reports[0]["test"] == reports[1]["test"]


@pytest.mark.slow
def test_one_line_says_which_way_is_taken_and_why(runs):
    said = {
        way: [line for line in text.splitlines() if line.startswith("images ")]
        for way, (_, text) in runs.items()
    }
    assert len(said["yes"]) == len(said["no"]) == 1
    assert "in memory, as asked (0.0 GB with their copy, " in said["yes"][0]
    assert "streamed from the disk, as asked" in said["no"][0]


@pytest.mark.slow
def test_a_streamed_run_that_was_killed_within_an_epoch_ends_in_memory_with_the_same_bits(
    runs, folder, tmp_path
):
    class Killed(Exception):
        pass

    def kill(network):
        raise Killed

    quiet = dict(export_dir=None, console=make_console(quiet=True))
    with pytest.raises(Killed):
        dtp_tf.train(
            "digits", image_folder=str(folder), **{**SETTINGS, "deterministic": True},
            in_memory="no", checkpoint_every=2, callbacks=[At(1, 3, kill)],
            run_dir=tmp_path / "run", **quiet,
        )  # fmt: skip
    assert (tmp_path / "run" / "unfinished.keras").exists()
    with quickly():
        dtp_tf.train(resume=tmp_path / "run", in_memory="yes", **quiet)
    resumed, whole = tmp_path / "run" / "last.keras", runs["no"][0] / "last.keras"
    assert_same_arrays(arrays(resumed), arrays(whole))


@pytest.mark.slow
def test_a_run_is_evaluated_alike_either_way(runs):
    run = runs["no"][0]
    reports = [
        succeeded(invoke("evaluate", run, "--in-memory", way, "--json")) for way in ("yes", "no")
    ]
    assert reports[0] == reports[1]


def load(folder, in_memory="auto", **settings):
    asked = recipe("digits", image_folder=str(folder), **settings)
    return load_data(asked, in_memory=in_memory)


def test_images_stream_where_they_do_not_fit_into_memory(folder, monkeypatch):
    needed = 2 * 60 * 6 * 5 * 3
    for free, streamed in ((1.3 * needed, False), (1.2 * needed, True)):
        memory = types.SimpleNamespace(available=free)
        monkeypatch.setattr(psutil, "virtual_memory", lambda memory=memory: memory)
        data = load(folder, image_size="6,5")
        assert isinstance(data.train.images, StreamedImages) is streamed
        assert ("too many" in data.reading) is streamed


@pytest.mark.slow
def test_streamed_pixels_are_those_in_memory(folder):
    here, there = (load(folder, way, image_size="6,5") for way in ("yes", "no"))
    for split in ("train", "validation", "test"):
        one, other = getattr(here, split), getattr(there, split)
        np.testing.assert_array_equal(one.images, other.images[:])
        np.testing.assert_array_equal(one.labels, other.labels)


def test_other_images_that_do_not_fit_are_evaluated_without_being_loaded(folder, monkeypatch):
    from dtp_tf.data.other_sets import load_other

    memory = types.SimpleNamespace(available=1000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    split, _ = load_other(("dog", "cat"), (4, 4, 3), image_folder=folder)
    assert isinstance(split.images, StreamedImages)
    assert split.labels.tolist() == [1] * 30 + [0] * 30


def test_digits_have_no_files_to_stream():
    assert "come in memory with scikit-learn" in refusal(
        invoke("train", "digits", "--in-memory", "no"), 2
    )


# Files that are not as they should be.


def damage(path):
    path.write_bytes(path.read_bytes()[:60])


def overwrite(path):
    save(path, photo(99))


@pytest.mark.parametrize(
    ("do", "said"),
    [(damage, "has changed"), (overwrite, "has changed"), (pathlib.Path.unlink, "does not exist")],
    ids=["damaged", "replaced", "vanished"],
)
@pytest.mark.slow
def test_a_file_that_changes_or_vanishes_is_named_at_once(tmp_path, do, said):
    folder = photo_folder(tmp_path / "photos")
    data = load(folder, "no", validation_fraction=0.3)
    path = data.folder.files[-1].path
    do(path)
    run = tmp_path / "run"
    with pytest.raises(UserError, match=str(path)) as caught:
        dtp_tf.train(
            recipe("digits", image_folder=str(folder), **tiny("dtp")), data=data, run_dir=run,
            export_dir=None, console=make_console(quiet=True),
        )  # fmt: skip
    assert said in str(caught.value)


@pytest.mark.parametrize("in_memory", ["yes", "no"])
def test_a_photo_that_is_damaged_below_its_header_is_named(tmp_path, in_memory):
    folder = photo_folder(tmp_path / "photos", suffix="png", size=(40, 40))
    for path in folder.glob("*/*.png"):
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
    text = refusal(
        invoke(
            "train", "digits", "--image-folder", folder, *flags(tiny("dtp")), "--no-export",
            "--in-memory", in_memory, "--run-dir", tmp_path / "run",
        ), 1,
    )  # fmt: skip
    assert "it is damaged" in text and ".png" in text
