"""What strangers send is looked at before it is unpacked, and a bad image spoils no other."""

import struct
import sys
import zlib

import numpy as np
import pytest
import tensorflow as tf
from helpers import python
from PIL import Image
from test_decoding import ALPHA, COLOUR, GREY, PALETTE, damaged, decoded, file, image, read

from dtp_tf.data.image_files import MAX_PIXELS
from dtp_tf.data.images import fit_image
from dtp_tf.export.decoding import BLANK, DAMAGED, decoder
from dtp_tf.export.file_headers import BITMAP, FRAME, KINDS, SIZE

SHAPE = (8, 8, 3)
GOOD = file(image(COLOUR), "PNG")


@pytest.fixture(name="marking", scope="module")
def fixture_marking():
    """Decode in a graph: files -> (pixels, errors as text)."""

    def decode(*files):
        pixels, errors = decoder(SHAPE)(tf.constant(files, tf.string))
        return pixels.numpy(), [error.decode() for error in errors.numpy()]

    return decode


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(
        ">I", zlib.crc32(kind + content)
    )  # fmt: skip


def png(width, height, content=b""):
    """A PNG that says it is so large, with a content that may be less."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = (b"IHDR", head), (b"IDAT", zlib.compress(content)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def changed(content, at, layout, *values):
    whole = bytearray(content)
    struct.pack_into(layout, whole, at, *values)
    return bytes(whole)


def jpeg(width, height):
    """A JPEG that says it is so large."""
    content = file(image(GREY), "JPEG")
    return changed(content, content.index(b"\xff\xc0") + 5, ">HH", height, width)


SMALL_GIF, SMALL_BMP = file(PALETTE, "GIF"), file(image(COLOUR), "BMP")
TOO_LARGE = {
    "png": png(20_000, 20_000),
    "png wide": png(2**31 - 1, 1),
    "png beyond": png(2**31 - 1, 2**31 - 1),
    "jpeg": jpeg(60_000, 60_000),
    "gif": changed(SMALL_GIF, 6, "<HH", 65_535, 65_535),
    "bmp": changed(SMALL_BMP, 18, "<ii", 20_000, 20_000),
    "bmp from the top": changed(SMALL_BMP, 18, "<ii", 20_000, -20_000),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TOO_LARGE)
def test_an_image_of_too_many_pixels_is_refused_by_its_header(marking, name):
    with pytest.raises(tf.errors.InvalidArgumentError, match="it has more than 100,000,000 pixels"):
        marking(TOO_LARGE[name])
    pixels, errors = marking(GOOD, TOO_LARGE[name], GOOD)
    assert errors == ["", DAMAGED if name == "jpeg" else SIZE, ""]
    np.testing.assert_array_equal(pixels[0], pixels[2])
    assert pixels[0].any()


def test_the_limit_is_that_of_the_commands():
    assert MAX_PIXELS == 100_000_000
    for text in (SIZE, DAMAGED):
        assert "100,000,000 pixels" in text


@pytest.mark.parametrize("name", damaged())
def test_a_damaged_file_is_an_error_alone_and_a_mark_among_others(marking, name):
    bad = damaged()[name]
    with pytest.raises(tf.errors.InvalidArgumentError):
        marking(bad)
    (expected,), _ = marking(GOOD)
    pixels, errors = marking(GOOD, bad, GOOD, bad)
    assert errors[0] == errors[2] == ""
    assert errors[1] == errors[3] != ""
    for i in (0, 2):
        np.testing.assert_array_equal(pixels[i], expected)


def test_what_is_wrong_is_said(marking):
    webp = file(image(COLOUR), "WEBP", lossless=True)
    packed = changed(file(PALETTE, "BMP"), 30, "<i", 1)
    _, errors = marking(b"", b"Dear reader", webp, packed, GOOD[:-20], SMALL_GIF[:-1])
    assert errors == [KINDS, KINDS, KINDS, BITMAP, DAMAGED, ""]


def test_bad_images_alone_are_all_marked(marking):
    pixels, errors = marking(b"", GOOD[:100])
    assert errors == [KINDS, DAMAGED]
    assert not pixels.any()


def test_good_images_have_no_marks_and_none_is_none(marking):
    assert marking(GOOD)[1] == [""]
    assert marking(GOOD, GOOD, SMALL_GIF, SMALL_BMP)[1] == [""] * 4
    pixels, errors = marking()
    assert (pixels.shape, errors) == ((0, *SHAPE), [])
    assert len(BLANK) < 100


# -- GIFs ------------------------------------------------------------------------------------------


def gif(**options):
    return file(PALETTE, "GIF", **options)


OTHER = image(COLOUR[::-1], mode="P")
GIFS = {
    "transparent": gif(transparency=int(np.bincount(np.asarray(PALETTE).ravel()).argmax())),
    "transparent, animated": gif(transparency=3, save_all=True, append_images=[OTHER, PALETTE]),
    "animated": gif(save_all=True, append_images=[OTHER] * 5, loop=0, duration=50),
    "interlaced": gif(interlace=True),
    "not interlaced": gif(interlace=False),
    "with a comment": gif(comment=b"x" * 5000),
    "of 1987": gif().replace(b"GIF89a", b"GIF87a"),
    "of two colours": file(image(GREY, mode="1"), "GIF"),
    "grey": file(image(GREY), "GIF"),
    "transparent grey": file(image(GREY), "GIF", transparency=int(GREY[0, 0, 0])),
    "colour with alpha": file(image(COLOUR, (ALPHA > 99).astype(np.uint8) * 255), "GIF"),
}


@pytest.mark.parametrize("name", GIFS)
def test_of_a_gif_the_graph_shows_the_frame_that_the_commands_show(tmp_path, marking, name):
    expected = read(GIFS[name], tmp_path)
    for shape in ((*expected.shape[:2], 3), (8, 8, 1)):
        (pixels,) = decoded([GIFS[name]], shape)
        np.testing.assert_array_equal(pixels, fit_image(expected, shape))
    together, errors = marking(GIFS[name], GOOD)
    assert errors == ["", ""]
    np.testing.assert_array_equal(together[0], fit_image(expected, SHAPE))


def test_the_transparent_pixels_are_many(tmp_path):
    with Image.open(tmp_path / read_path(tmp_path, GIFS["transparent"])) as opened:
        assert (np.asarray(opened) == opened.info["transparency"]).mean() > 0.01


def read_path(folder, content):
    (folder / "a.gif").write_bytes(content)
    return "a.gif"


PART = {
    "a frame that is smaller": changed(gif(), 6, "<HH", 100, 100),
    "a frame that is cut off": gif()[:-40],
    "no frame": gif()[:13] + b";",
    "extensions without an end": gif()[:781] + b"!\xfe" + b"\x01x" * 9000,
}


@pytest.mark.parametrize("name", PART)
def test_a_gif_whose_first_frame_is_not_whole_is_refused(marking, name):
    with pytest.raises(tf.errors.InvalidArgumentError):
        marking(PART[name])
    assert marking(GOOD, PART[name])[1] == ["", FRAME]


# -- other kinds that Pillow and TensorFlow could read differently ---------------------------------


def turned():
    """A JPEG and a PNG that say in their EXIF data that they are to be turned."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return {kind: file(image(COLOUR), kind, exif=exif) for kind in ("JPEG", "PNG")}


SAME = {f"{kind} with EXIF": content for kind, content in turned().items()} | {
    "grey PNG with a transparent value": file(image(GREY), "PNG", transparency=9),
    "palette with alpha": file(PALETTE, "PNG", transparency=bytes(range(256))),
    "CMYK JPEG": file(image(COLOUR, mode="CMYK"), "JPEG"),
    "PNG of two bits": file(image(GREY // 64, mode="L"), "PNG", bits=2),
}


@pytest.mark.parametrize("name", SAME)
@pytest.mark.slow
def test_further_files_become_what_the_commands_read(tmp_path, name):
    expected = read(SAME[name], tmp_path)
    shape = (*expected.shape[:2], 3)
    np.testing.assert_array_equal(decoded([SAME[name]], shape)[0], fit_image(expected, shape))


# -- memory ----------------------------------------------------------------------------------------

MEASURE = """
import resource, sys
sys.path[:0] = {path!r}
import tensorflow as tf
from test_decoding_strangers import png
from dtp_tf.export.decoding import decoder

graph = decoder((8, 8, 1))
graph(tf.constant([png(8, 8, bytes(9 * 8))] * 2))
file = tf.constant([{file}] * {count})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    print(graph(file)[1].numpy()[0].decode())
except tf.errors.InvalidArgumentError as error:
    print(error.message.splitlines()[0])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file_", "count", "error", "megabytes"),
    [
        ("png(20_000, 20_000, bytes(20_001 * 20_000))", 4, SIZE, 100),
        ("png(10_000, 10_000, bytes(10_001 * 10_000))", 2, "", 400),
    ],
)
def test_small_files_of_large_images_take_little_memory(tmp_path, file_, count, error, megabytes):
    program = MEASURE.format(path=sys.path, file=file_, count=count)
    said, extra = python("-c", program, cwd=tmp_path).splitlines()
    assert error in said
    assert int(extra) < megabytes
