"""A run keeps which images it was trained on, and says what changed before it goes on."""

import shutil

import pytest
from helpers import StopAfter, invoke, refusal, succeeded
from photos_support import photo, photo_folder, save

import dtp_tf
from dtp_tf.console.tables import make_console
from dtp_tf.errors import UserError
from dtp_tf.runs.folder import Run
from dtp_tf.runs.image_list import differences, read_images_list
from dtp_tf.runs.models import load_model, save_model


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder `photos` and a run on it that was stopped after its first epoch."""
    home = tmp_path_factory.mktemp("photos")
    photo_folder(home / "photos")
    dtp_tf.train(
        "digits", image_folder=home / "photos", units=(8,), epochs=2, run_dir=home / "run",
        export_dir=None, console=make_console(quiet=True), callbacks=[StopAfter(1)],
    )  # fmt: skip
    return home


@pytest.fixture
def copy(home, tmp_path, monkeypatch):
    """A copy of the run; what is done to the photos is undone."""
    shutil.copytree(home / "run", tmp_path / "run")
    shutil.copytree(home / "photos", tmp_path / "kept")
    yield tmp_path / "run"
    shutil.rmtree(home / "photos")
    shutil.move(tmp_path / "kept", home / "photos")


def resumed(run, *words):
    return invoke("train", "--resume", run, "--no-export", *words)


def change(photos, how):
    if how == "added":
        save(photos / "cat" / "zz.bmp", photo(777))
    elif how == "removed":
        (photos / "dog" / "003.bmp").unlink()
    elif how == "changed":
        save(photos / "dog" / "003.bmp", photo(778, 1))
    elif how == "renamed":
        (photos / "dog" / "003.bmp").rename(photos / "dog" / "new.bmp")


SAID = {
    "added": "1 added (cat/zz.bmp)",
    "removed": "1 removed (dog/003.bmp)",
    "changed": "1 changed (dog/003.bmp)",
    "renamed": "1 renamed (dog/003.bmp to dog/new.bmp)",
}


@pytest.mark.slow
def test_a_run_lists_its_images_with_split_class_size_and_hash(home):
    rows = read_images_list(Run(home / "run").images)
    assert len(rows) == 60
    assert {row["split"] for row in rows} == {"train", "validation", "test"}
    for row in rows:
        path = home / "photos" / row["path"]
        assert path.parent.name == row["class"]
        assert path.stat().st_size == int(row["bytes"])
    data = load_model(home / "run" / "last.keras").about["data"]
    assert len(data["content_sha256"]) == len(data["names_sha256"]) == 64


@pytest.mark.slow
@pytest.mark.parametrize("how", SAID)
def test_resuming_with_other_images_says_in_one_sentence_what_changed(home, copy, how):
    change(home / "photos", how)
    text = refusal(resumed(copy), 1)
    assert text == (
        f"Error: the data differ from the run's: {SAID[how]}; resume with the same data, or add "
        "--anyway where that does not matter."
    )


@pytest.mark.slow
def test_anyway_goes_on_and_says_what_changed(home, copy):
    change(home / "photos", "added")
    text = succeeded(resumed(copy, "--anyway"))
    assert "warning: the data differ from the run's: 1 added (cat/zz.bmp)" in text
    assert "resumed after epoch 1 of 2" in text


@pytest.mark.slow
def test_without_its_list_a_run_still_tells_that_images_changed(home, copy):
    Run(copy).images.unlink()
    change(home / "photos", "changed")
    assert "some of its images, their classes or their splits are others" in (
        refusal(resumed(copy), 1)
    )


@pytest.mark.slow
def test_a_run_whose_splits_were_drawn_by_order_is_told_so(home, copy):
    saved = load_model(copy / "last.keras")
    old = {k: v for k, v in saved.about["data"].items() if "sha256" not in k and k != "left_out"}
    save_model(saved.model, copy / "last.keras", {**saved.about, "data": old})
    assert "its splits were drawn by an older version, by the order of the files" in refusal(
        resumed(copy), 1
    )


def test_anyway_belongs_to_a_run():
    assert "--anyway needs --resume" in refusal(invoke("train", "digits", "--anyway"), 2)


def test_a_damaged_list_is_refused(tmp_path):
    for text in ("", "a,b\n1,2\n", "split,class,bytes,sha256,path\n1,2\n", '"'):
        (tmp_path / "images.csv").write_text(text)
        with pytest.raises(UserError, match="images.csv is damaged"):
            read_images_list(tmp_path / "images.csv")


def test_a_difference_counts_and_names_a_few():
    def row(path, sha256):
        return {"path": path, "sha256": sha256}

    before = [row("a", "1"), row("b", "2"), row("c", "3"), row("d", "4")]
    now = [row("a", "0"), row("c", "3"), row("e", "4"), row("f", "6"), row("g", "7"), row("h", "8")]
    assert differences(before, now) == (
        "3 added (f, g, ...), 1 removed (b), 1 changed (a), 1 renamed (d to e)"
    )
    assert differences(before, before) == ""
