"""An export turns photos as they are turned here, whatever is in their EXIF."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dtp_tf.data.image_files import decode_pixels
from dtp_tf.data.images import fit_image
from dtp_tf.export.decoding import decode_images
from dtp_tf.export.orientations import PARTS, SEARCHED, orientations

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
SHAPE = (5, 6, 3)


def exif(order="<", kind=3, count=1, value=6, before=0, tag=0x0112):
    """Return EXIF with an orientation behind so many other entries."""
    pack = struct.Struct(order + "HHIHH").pack
    entries = [pack(0x0100 + i, 3, 1, 7, 0) for i in range(before)]
    wide = struct.Struct(order + "HHII").pack
    entries.append(
        wide(tag, kind, count, value) if kind == 4 else pack(tag, kind, count, value, 0)
    )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    directory = struct.pack(order + "H", len(entries)) + b"".join(entries)
    return head + directory + struct.pack(order + "I", 0)


def photo(kind="JPEG", data=None, pixels=PIXELS):
    content = io.BytesIO()
    options = {} if data is None else {"exif": b"Exif\0\0" + data}
    Image.fromarray(pixels).save(content, kind, **options)
    return content.getvalue()


@pytest.fixture(scope="module")
def served():
    """The graph that decodes image files."""
    return tf.function(
        lambda files: decode_images(files, SHAPE)[0],
        input_signature=[tf.TensorSpec((None,), tf.string)],
    )


def assert_as_here(served, files):
    expected = [np.asarray(fit_image(decode_pixels(one, "x"), SHAPE)) for one in files]
    np.testing.assert_array_equal(served(files), expected)  # together
    for one, pixels in zip(files, expected, strict=True):
        np.testing.assert_array_equal(served([one])[0], pixels)  # and alone


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_turned_photo_is_decoded_as_it_is_here(served, kind):
    files = [photo(kind, exif(value=value)) for value in range(1, 9)]
    assert orientations(files).numpy().tolist() == list(range(1, 9))
    assert_as_here(served, [*files, photo(kind)])


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", [3, 4])
@pytest.mark.parametrize("before", [0, 20])
def test_the_tag_is_found_among_others_in_either_order_of_bytes(order, kind, before):
    data = exif(order, kind, before=before, value=8)
    assert orientations([photo(data=data), photo("PNG", data)]).numpy().tolist() == [8, 8]


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [
        exif(value=0), exif(value=9), exif(kind=2), exif(tag=0x0113),
        b"XX" + exif()[2:], exif()[:8], b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\0", b"",
        exif()[:4] + struct.pack("<I", 10**6) + exif()[8:],
    ],
    ids=range(10),
)  # fmt: skip
def test_exif_that_says_nothing_turns_nothing(served, data):
    files = [photo(data=data), photo("PNG", data), photo()]
    assert orientations(files).numpy().tolist() == [1, 1, 1]
    assert_as_here(served, files)


def test_exif_behind_other_parts_is_found(served):
    plain = photo(data=exif())
    for size in (0, 10, 60_000):
        comment = b"\xff\xfe" + struct.pack(">H", size + 2) + bytes(size)
        assert orientations([plain[:2] + comment + plain[2:]]).numpy().tolist() == [6]
    filled = plain[:2] + b"\xff\xff\xff" + plain[2:]
    assert orientations([filled]).numpy().tolist() == [6]


def test_of_two_values_the_first_counts_here_and_there(served):
    files = [photo("PNG", exif(count=2))]
    assert orientations(files).numpy().tolist() == [6]
    assert_as_here(served, files)


@pytest.mark.slow
def test_the_search_ends_whatever_a_file_says():
    beginnings = [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM"]
    many = b"\xff\xd8" + (b"\xff\xfe\0\2" * (PARTS + 10)) + photo(data=exif())[2:]
    strange = [
        b"", many, *beginnings, *(one + b"Exif\0\0" for one in beginnings),
        *(one + bytes([255]) * 2 * SEARCHED + b"Exif\0\0" + exif() for one in beginnings),
    ]
    draw = np.random.default_rng(0)
    for _ in range(60):
        content = bytearray(photo(draw.choice(["JPEG", "PNG"]), exif()))
        for place in draw.integers(3, 90, 4):
            content[place] = draw.integers(0, 256)
        strange.append(bytes(content[: draw.integers(3, len(content))]))
    found = orientations(strange).numpy()
    assert found.shape == (len(strange),)
    assert set(found[:11]) == {1}
    assert orientations(tf.constant([], tf.string)).shape == (0,)


@pytest.mark.slow
def test_a_large_turned_photo_is_decoded_as_it_is_here(served):
    pixels = np.random.default_rng(1).integers(0, 256, (110, 130, 3), dtype=np.uint8)
    large = pixels.repeat(10, 0).repeat(10, 1)
    assert_as_here(served, [photo(data=exif(value=6), pixels=large), photo(data=exif(value=3))])
