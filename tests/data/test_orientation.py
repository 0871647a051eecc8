"""A photo is read as its EXIF says that it is to be seen, in every format that can say so."""

import io
import struct

import numpy as np
import pytest
from photos_support import save
from PIL import Image, ImageOps

from dtp_tf.data.image_files import decode_pixels, encode_image, image_shape, read_image
from dtp_tf.data.images import read_folder

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
AVIF = ["AVIF"] if ".avif" in Image.registered_extensions() else []
KINDS = ["PNG", "JPEG", "WEBP", "TIFF", *AVIF]


def turned(kind, orientation, pixels=PIXELS):
    """Return an image file with an EXIF orientation, among other entries of EXIF."""
    exif, content = Image.Exif(), io.BytesIO()
    exif[0x010F], exif[0x0112], exif[0x0131] = "a maker of cameras", orientation, "software"
    options = {"lossless": True} if kind == "WEBP" else {}
    Image.fromarray(pixels).save(content, kind, exif=exif, **options)
    return content.getvalue()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_as_pillow_turns_it(kind, orientation):
    content = turned(kind, orientation)
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    pixels = decode_pixels(content, "x")
    np.testing.assert_array_equal(pixels, expected)
    assert pixels.flags.c_contiguous
    assert image_shape(io.BytesIO(content)) == pixels.shape
    assert pixels.shape == ((7, 9, 3) if orientation > 4 else (9, 7, 3))


def test_the_eight_orientations_are_what_the_standard_says():
    # Where the row and column that the file has first are seen: EXIF 2.32, table 6.
    corner = np.zeros((2, 3, 3), np.uint8)
    corner[0, 0], corner[0, 1] = 255, 128
    places = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (0, -1), 7: (-1, -1),
              8: (-1, 0)}  # fmt: skip
    for orientation, place in places.items():
        pixels = decode_pixels(turned("PNG", orientation, corner), "x")
        assert pixels[place][0] == 255, orientation


@pytest.mark.parametrize("value", [0, 9, 255])
def test_an_orientation_that_means_nothing_changes_nothing(value):
    np.testing.assert_array_equal(decode_pixels(turned("PNG", value), "x"), PIXELS)


def test_exif_that_is_damaged_changes_nothing(tmp_path):
    content = turned("JPEG", 6)
    place = content.index(b"Exif\0\0") + 6
    plain = decode_pixels(turned("JPEG", 1), "x")
    for damage in (b"XX\0*", b"MM\0*\xff\xff\xff\xff", b"II*\0\0\0\0\0"):
        broken = content[:place] + damage + content[place + len(damage) :]
        np.testing.assert_array_equal(decode_pixels(broken, "x"), plain)


def test_a_folder_of_turned_photos_is_upright(tmp_path):
    for name, orientation in (("cat", 6), ("dog", 1)):
        pixels = PIXELS if orientation == 1 else np.rot90(PIXELS)  # the camera lay on its side
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(tmp_path / name / "a.png", Image.fromarray(pixels), exif=exif)
    images, _, _ = read_folder(tmp_path)
    np.testing.assert_array_equal(images[0], images[1])


def test_what_is_sent_to_a_server_is_turned_once(tmp_path):
    for kind in ("PNG", "JPEG"):  # which an export turns itself
        (tmp_path / "a").write_bytes(turned(kind, 6))
        assert encode_image(tmp_path / "a") == turned(kind, 6)
    (tmp_path / "a").write_bytes(turned("WEBP", 6))
    sent = encode_image(tmp_path / "a")
    with Image.open(io.BytesIO(sent)) as image:
        assert "exif" not in image.info
        np.testing.assert_array_equal(np.asarray(image), read_image(tmp_path / "a"))


def test_orientation_is_read_in_either_order_of_bytes():
    for order, sign in (("<", b"II*\0"), (">", b"MM\0*")):
        exif = sign + struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
        content = io.BytesIO()
        Image.fromarray(PIXELS).save(content, "PNG", exif=exif)
        assert decode_pixels(content.getvalue(), "x").shape == (7, 9, 3)
