"""What is no photo is left out of a folder, counted and told by reason."""

import os

import numpy as np
import pytest
from data_support import refusal
from helpers import invoke
from helpers import refusal as command_refusal
from photos_support import photo, photo_folder, save
from PIL import Image

from dtp_tf.console.console import folder_lines
from dtp_tf.data.folders import find_images
from dtp_tf.data.images import read_folder
from dtp_tf.data.sets import load_data
from dtp_tf.recipes.recipe import recipe

OF_SYSTEMS = (
    "@eaDir/000.bmp/SYNOPHOTO_THUMB_M.jpg", ".thumbnails/000.bmp", "Thumbs.db", "thumbs.db",
    ".DS_Store", "__MACOSX/cat/._000.bmp", "desktop.ini", "._000.bmp", ".@__thumb/s800000.bmp",
)  # fmt: skip


@pytest.mark.parametrize("name", OF_SYSTEMS)
def test_what_systems_leave_behind_is_no_image_and_is_counted(tmp_path, name):
    photo_folder(tmp_path, 3)
    for place in (tmp_path, tmp_path / "cat"):
        save(place / "x.bmp", photo(7)).rename(
            (place / name).parent.mkdir(parents=True, exist_ok=True) or place / name
        )
    found = find_images(tmp_path)
    assert found.class_names == ["cat", "dog"]
    assert len(found.images[None]) == 6
    assert set(found.left_out) == {"thumbnails or other files of a system"}
    assert len(found.left_out["thumbnails or other files of a system"]) == 2


def test_files_are_left_out_by_reason_and_never_in_silence(tmp_path):
    photo_folder(tmp_path)
    (tmp_path / "readme.txt").write_text("where the photos are from")
    (tmp_path / "cat" / "notes.txt").write_text("a list")
    (tmp_path / "cat" / "movie.mp4").write_bytes(b"a movie")
    save(tmp_path / "dog" / ".hidden" / "a.bmp", photo(1))
    (tmp_path / "dog" / "again").symlink_to(tmp_path / "dog")
    data = load_data(recipe("digits", image_folder=tmp_path))
    assert folder_lines(data.folder) == [
        "left out   1 hidden: dog/.hidden/a.bmp",
        "left out   1 in folders that links lead to: dog/again",
        "left out   2 no images by their names: cat/movie.mp4, cat/notes.txt",
        "left out   1 outside of the class folders: readme.txt",
    ]


def test_of_many_files_the_first_are_named(tmp_path):
    photo_folder(tmp_path)
    for i in range(5):
        (tmp_path / "cat" / f"{i}.txt").write_text("text")
    data = load_data(recipe("digits", image_folder=tmp_path))
    assert folder_lines(data.folder) == [
        "left out   5 no images by their names: cat/0.txt, cat/1.txt, cat/2.txt, ..."
    ]


def test_a_class_folder_whose_name_is_no_utf8_is_refused_before_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo_folder(tmp_path / "photos", 2)
    (tmp_path / "photos" / "cat").rename(tmp_path / "photos" / os.fsdecode(b"gar\xe7on"))
    text = command_refusal(invoke("train", "--image-folder", "photos", "--no-export"), 1)
    assert "which has bytes that are no UTF-8; rename it." in text
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_every_kind_of_image_in_one_folder_is_read(tmp_path):
    names = "a.bmp a.gif a.jpg a.jpeg a.png a.ppm a.tif a.tiff a.webp A.JPG a.pgm".split()
    for name in names:
        image = photo(1).convert("L") if name.endswith("pgm") else photo(1)
        save(tmp_path / "cat" / name, image)
    save(tmp_path / "dog" / "a.png", photo(1))
    images, labels, _ = read_folder(tmp_path)
    assert images.shape == (len(names) + 1, 6, 5, 3)
    assert labels.sum() == 1
    assert (np.abs(images[:-1].astype(int).mean((1, 2, 3)) - images[-1].mean()) < 12).all()


@pytest.mark.skipif(".avif" not in Image.registered_extensions(), reason="this Pillow has no AVIF")
def test_an_avif_is_read_where_pillow_has_a_decoder(tmp_path):
    Image.fromarray(np.full((8, 8, 3), 200, np.uint8)).save(tmp_path / "x.avif")
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.avif").write_bytes((tmp_path / "x.avif").read_bytes())
    images, _, _ = read_folder(tmp_path)
    np.testing.assert_allclose(images, 200, atol=3)


@pytest.mark.parametrize("name", ["IMG_1.HEIC", "IMG_1.heif", "IMG_1.jpg"])
def test_a_heic_without_a_decoder_names_the_package_that_reads_it(tmp_path, monkeypatch, name):
    monkeypatch.setattr("dtp_tf.data.image_files.known_formats", lambda: ("BMP",))
    photo_folder(tmp_path, 2)
    # The beginning of any HEIC.
    content = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(100)
    (tmp_path / "dog" / name).write_bytes(content)
    text = refusal(read_folder, tmp_path)
    assert text.startswith(f"image {tmp_path / 'dog' / name} is HEIC or AVIF")
    assert "pip install pillow-heif" in text
