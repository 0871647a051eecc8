"""Image files are decoded in a graph to the pixels that the commands see, or refused."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dtp_tf.data.image_files import read_image
from dtp_tf.data.images import fit_image
from dtp_tf.export.decoding import decoder

RANDOM = np.random.default_rng(0)
HEIGHT, WIDTH = 37, 53


def texture(channels):
    """Waves with noise: a picture that both resizing and JPEG have to work at."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = [60 * (np.sin(x / 7 + i) + np.cos(y / 9 * (i + 1))) + 128 for i in range(channels)]
    noisy = np.stack(waves, axis=-1) + RANDOM.normal(0, 8, (HEIGHT, WIDTH, channels))
    return np.clip(noisy, 0, 255).astype(np.uint8)


COLOUR, GREY, ALPHA = texture(3), texture(1), texture(1)


def image(*parts, mode=None):
    pixels = np.concatenate(parts, axis=-1)
    made = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    return made.convert(mode) if mode else made


def file(picture, kind, **options):
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def deep(channels):
    """A PNG of 16 bits per value, whose lower 8 matter when it is rounded."""
    return tf.io.encode_png(RANDOM.integers(0, 65536, (9, 7, channels)).astype(np.uint16)).numpy()


PALETTE = image(COLOUR, mode="P")
FILES = {
    "png colour": file(image(COLOUR), "PNG"),
    "png grey": file(image(GREY), "PNG"),
    "png colour alpha": file(image(COLOUR, ALPHA), "PNG"),
    "png grey alpha": file(image(GREY, ALPHA), "PNG"),
    "png palette": file(PALETTE, "PNG"),
    "png palette transparent": file(PALETTE, "PNG", transparency=3),
    "png colour key": file(image(COLOUR), "PNG", transparency=(1, 2, 3)),
    "png one bit": file(image(GREY, mode="1"), "PNG"),
    "png 16 bit grey": deep(1),
    "png 16 bit grey alpha": deep(2),
    "png 16 bit colour": deep(3),
    "png 16 bit colour alpha": deep(4),
    "bmp colour": file(image(COLOUR), "BMP"),
    "bmp grey": file(image(GREY), "BMP"),
    "bmp alpha": file(image(COLOUR, ALPHA), "BMP"),
    "bmp palette": file(PALETTE, "BMP"),
    "gif": file(PALETTE, "GIF"),
    "gif grey": file(image(GREY), "GIF"),
    "gif animated": file(
        PALETTE, "GIF", save_all=True, append_images=[image(COLOUR[::-1], mode="P")]
    ),
    "jpeg grey": file(image(GREY), "JPEG"),
    "jpeg progressive": file(image(COLOUR), "JPEG", progressive=True),
    "jpeg cmyk": file(image(COLOUR, mode="CMYK"), "JPEG"),
} | {
    f"jpeg quality {quality} subsampling {sub}": file(
        image(COLOUR), "JPEG", quality=quality, subsampling=sub
    )
    for quality in (50, 100)
    for sub in (0, 1, 2)
}
SHAPES = [(8, 8, 1), (32, 32, 3), (HEIGHT, WIDTH, 1), (HEIGHT, WIDTH, 3), (60, 40, 3)]


def decoded(files, shape):
    """Decode in a graph, as a server does."""
    return decoder(shape)(tf.constant(files, tf.string))[0].numpy()


def read(content, folder):
    (folder / "image").write_bytes(content)
    return read_image(folder / "image")


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_file_becomes_what_the_commands_read(tmp_path, name):
    expected = read(FILES[name], tmp_path)
    for shape in SHAPES:
        (pixels,) = decoded([FILES[name]], shape)
        np.testing.assert_array_equal(pixels, fit_image(expected, shape), err_msg=str(shape))


def test_the_files_differ_where_a_decoder_could_go_wrong(tmp_path):
    read_back = {name: read(content, tmp_path) for name, content in FILES.items()}
    assert (read_back["bmp palette"] == read_back["png palette"]).all()
    assert len(np.unique(read_back["bmp palette"].reshape(-1, 3), axis=0)) > 20
    assert (read_back["jpeg quality 50 subsampling 2"] != COLOUR).any()
    assert {pixels.shape[-1] for pixels in read_back.values()} == {1, 3}


@pytest.mark.slow
def test_files_of_all_kinds_and_sizes_may_come_together(tmp_path):
    shape = (32, 32, 3)
    together = decoded(list(FILES.values()), shape)
    assert together.dtype == np.uint8
    expected = [fit_image(read(content, tmp_path), shape) for content in FILES.values()]
    np.testing.assert_array_equal(together, expected)


@pytest.mark.slow
def test_an_empty_batch_gives_no_images():
    assert decoded([], (8, 8, 1)).shape == (0, 8, 8, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a palette of few colours", "rows from the top down"])
def test_rarer_bitmaps_are_read_too(tmp_path, name):
    if name == "a palette of few colours":
        picture = Image.new("P", (5, 3))
        picture.putpalette([250, 0, 0, 0, 240, 10, 9, 9, 200])
        picture.putdata([i % 3 for i in range(15)])
        content = file(picture, "BMP")
    else:
        whole = bytearray(file(image(COLOUR), "BMP"))
        whole[22:26] = struct.pack("<i", -HEIGHT)
        content = bytes(whole)
    expected = read(content, tmp_path)
    (pixels,) = decoded([content], (*expected.shape[:2], 3))
    np.testing.assert_array_equal(pixels, expected)


# what is refused


NOISE = image(RANDOM.integers(0, 256, (20, 20, 3), dtype=np.uint8))  # cannot be compressed
GOOD = file(NOISE, "PNG")


def damaged():
    files = {"nothing": b"", "text": b"Dear reader", "an unknown format": file(NOISE, "TIFF")}
    for kind in ("PNG", "JPEG", "BMP", "GIF"):
        whole = file(NOISE, kind)
        for share in (0.01, 0.1, 0.5, 0.9):
            files[f"{share:.0%} of a {kind}"] = whole[: int(len(whole) * share)]
    for depth in (1, 16):
        whole = deep(1) if depth == 16 else file(image(GREY, mode="1"), "PNG")
        files[f"half a PNG of {depth} bits"] = whole[: len(whole) // 2]
    flipped = bytearray(GOOD)
    flipped[len(GOOD) // 2] ^= 1
    files["a wrong checksum"] = bytes(flipped)
    for what, (at, layout, value) in {
        "packed": (30, "<i", 1), "of 4 bits": (28, "<h", 4), "of 16 bits": (28, "<h", 16),
        "of OS/2": (14, "<i", 12), "with masks of its own": (30, "<i", 3),
    }.items():  # fmt: skip
        whole = bytearray(file(PALETTE, "BMP"))
        struct.pack_into(layout, whole, at, value)
        files[f"a bitmap {what}"] = bytes(whole)
    return files


@pytest.mark.slow
@pytest.mark.parametrize("name", damaged())
def test_a_damaged_file_is_an_error(name):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decoded([damaged()[name]], (8, 8, 3))


@pytest.mark.slow
def test_the_graph_works_after_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError):
        decoded([b"Dear reader"], (20, 20, 3))
    np.testing.assert_array_equal(decoded([GOOD], (20, 20, 3))[0], np.asarray(NOISE))
