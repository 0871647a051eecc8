"""Other people's image files: limits before anything is unpacked, and known formats alone."""

import os
import struct
import zlib

import numpy as np
import pytest
from data_support import refusal
from helpers import python
from PIL import Image, PngImagePlugin

from dtp_tf.data import image_files
from dtp_tf.data.image_files import (
    FORMATS,
    encode_image,
    image_shape,
    read_image,
    strips,
)
from dtp_tf.data.images import fit_image, read_folder

NOISE = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)


def png(width, height, *chunks):
    """Return a PNG whose header states a size, of rows that are all black; few bytes."""

    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    packer, rows = zlib.compressobj(9), b""
    for _ in range(height):
        rows += packer.compress(bytes(1 + 3 * width))
    body = chunk(b"IDAT", rows + packer.flush())
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + body + chunk(b"IEND", b"")


def header_only(name, width, height):
    """Return the beginning of a file that states a size, in formats of several kinds."""
    return {
        "a.bmp": b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, width, height, 1, 24, 0, 0,
                                     0, 0, 0, 0),
        "a.ppm": b"P6 %d %d 255\n" % (width, height),
        "a.gif": b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0)
        + b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00;",
    }[name]  # fmt: skip


# how large


@pytest.mark.parametrize("name", ["a.bmp", "a.ppm", "a.gif"])
@pytest.mark.parametrize("read", [read_image, encode_image, image_shape])
def test_an_image_that_says_it_is_huge_is_too_large_and_not_damaged(tmp_path, name, read):
    (tmp_path / name).write_bytes(header_only(name, 20_000, 20_000))
    assert refusal(read, tmp_path / name) == (
        f"image {tmp_path / name} is too large: it has 400,000,000 pixels, and the limit is "
        "100,000,000; make it smaller."
    )


@pytest.mark.slow
def test_a_valid_image_of_400_megapixels_is_too_large(tmp_path):
    (tmp_path / "a.png").write_bytes(png(20_000, 20_000))
    text = refusal(read_image, tmp_path / "a.png")
    assert "400,000,000 pixels" in text and "damaged" not in text


MEASURE = """
import resource, sys
from dtp_tf.data.image_files import read_image
from dtp_tf.errors import UserError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    print(read_image(sys.argv[1]).shape)
except UserError as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
def test_a_small_png_of_many_pixels_takes_no_memory(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(13_300, 13_300))
    assert path.stat().st_size < 600_000
    *said, kilobytes = python("-c", MEASURE, path, cwd=tmp_path).splitlines()
    assert "has 176,890,000 pixels" in said[0]
    assert int(kilobytes) < 20_000


@pytest.mark.slow
def test_the_largest_image_takes_what_the_docs_say(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(10_000, 10_000))
    shape, kilobytes = python("-c", MEASURE, path, cwd=tmp_path).splitlines()
    assert shape == "(10000, 10000, 3)"
    assert int(kilobytes) < 900_000


def test_the_limit_is_the_same_for_every_number_of_pixels_above_it(tmp_path):
    # Pillow has two limits of its own, and warns between them.
    for height in (10_001, 18_000, 40_000):
        path = tmp_path / "a.ppm"
        path.write_bytes(header_only("a.ppm", 10_000, height))
        assert f"it has {height * 10_000:,} pixels" in refusal(read_image, path)


def test_pillows_own_limit_is_left_as_it_was(tmp_path):
    before = Image.MAX_IMAGE_PIXELS
    Image.fromarray(NOISE).save(tmp_path / "a.png")
    read_image(tmp_path / "a.png")
    (tmp_path / "b.ppm").write_bytes(header_only("a.ppm", 20_000, 20_000))
    refusal(read_image, tmp_path / "b.ppm")
    assert Image.MAX_IMAGE_PIXELS == before


def test_a_small_tiff_of_huge_tiles_is_too_large(tmp_path):
    data = zlib.compress(bytes(10_000))
    tags = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 322: 50_000, 323: 50_000, 324: 8,
            325: len(data)}  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    table = struct.pack("<H", len(tags)) + entries + bytes(4)
    head = b"II*\0" + struct.pack("<I", 8 + len(data))
    (tmp_path / "a.tiff").write_bytes(head + data + table)
    assert "has 2,500,000,000 pixels" in refusal(read_image, tmp_path / "a.tiff")


def test_a_file_of_too_many_bytes_is_not_read(tmp_path):
    path = tmp_path / "a.png"
    with open(path, "wb") as file:
        file.truncate(10**12)  # takes no place on the disk
    assert refusal(read_image, path) == (
        f"image {path} cannot be read: it has 1,000,000,000,000 bytes, which is above the limit "
        "of 500,000,000."
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["zTXt", "iCCP"])
def test_a_png_with_a_huge_packed_text_is_refused(tmp_path, kind):
    data = b"x\0\0" + zlib.compress(bytes(200_000_000), 9)
    head = struct.pack(">I", len(data)) + kind.encode() + data
    chunk = head + struct.pack(">I", zlib.crc32(head[4:]))
    (tmp_path / "a.png").write_bytes(png(2, 2, chunk))
    assert PngImagePlugin.MAX_TEXT_CHUNK < 10_000_000
    text = refusal(read_image, tmp_path / "a.png")
    assert "is damaged" in text and "too large" in text


def test_a_folder_of_huge_images_is_refused_before_any_is_unpacked(tmp_path, monkeypatch):
    for name in ("cat/a.ppm", "dog/a.ppm"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(header_only("a.ppm", 9_000, 9_000))
    monkeypatch.setattr("dtp_tf.data.images.read_image", None)
    free = type("Memory", (), {"available": 10**8})
    monkeypatch.setattr("psutil.virtual_memory", lambda: free)
    assert "needs 1.0 GB of memory at 9000x9000, and 0.1 GB are free" in refusal(
        read_folder, tmp_path
    )


def test_in_strips_come_the_same_pixels_as_at_once(tmp_path, monkeypatch):
    colours = np.random.default_rng(1).integers(0, 256, (70, 31, 3), dtype=np.uint8)
    deep = (colours[..., 0].astype("<u2") << 8) + colours[..., 1]
    images = {
        "a.png": Image.fromarray(colours),
        "b.png": Image.fromarray(colours).quantize(9),
        "c.png": Image.fromarray(deep),
        "d.tiff": Image.fromarray(colours[..., 0].astype(np.float32)),
        "e.gif": Image.fromarray(colours[..., 0]),
        "f.png": Image.fromarray(colours[..., 0]).convert("1"),
    }
    for name, image in images.items():
        image.save(tmp_path / name)
    read = [read_image(tmp_path / name) for name in images]
    fitted = [np.asarray(fit_image(one, (8, 8, 1))) for one in read]
    monkeypatch.setattr(image_files, "_STRIP", 100)
    assert len(list(strips(70, 31))) == 24
    for name, one, small in zip(images, read, fitted, strict=True):
        np.testing.assert_array_equal(read_image(tmp_path / name), one)
        np.testing.assert_array_equal(np.asarray(fit_image(one, (8, 8, 1))), small)


# of what kind

STARTS_GHOSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
OTHERS = {
    "postscript": STARTS_GHOSTSCRIPT,
    "fits": b"SIMPLE  =                    T".ljust(2880),
    "wmf": b"\xd7\xcd\xc6\x9a\x00\x00" + bytes(60),
    "icon": b"\x00\x00\x01\x00\x01\x00" + bytes(60),
    "sgi": b"\x01\xda\x00\x01\x00\x02" + bytes(600),
    "photoshop": b"8BPS\x00\x01" + bytes(60),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_another_kind_under_the_name_of_a_png_is_no_image_of_a_known_kind(
    tmp_path, monkeypatch, kind
):
    monkeypatch.setattr("subprocess.check_call", None)  # Ghostscript is started by these
    monkeypatch.setattr("subprocess.Popen", None)
    (tmp_path / "a.png").write_bytes(OTHERS[kind])
    text = refusal(read_image, tmp_path / "a.png")
    assert f"no image of a known kind ({', '.join(FORMATS)})" in text


def test_all_formats_of_the_list_are_read(tmp_path):
    for kind in FORMATS:
        options = {"lossless": True} if kind == "WEBP" else {}
        Image.fromarray(NOISE).save(tmp_path / "a", kind, **options)
        assert read_image(tmp_path / "a").shape == image_shape(tmp_path / "a") == NOISE.shape


def test_the_jpeg_of_a_camera_with_two_lenses_is_read(tmp_path):
    left, right = Image.fromarray(NOISE), Image.fromarray(255 - NOISE)
    left.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[right])
    left.save(tmp_path / "b.jpg")
    assert read_image(tmp_path / "a.jpg").shape == NOISE.shape
    assert abs(read_image(tmp_path / "a.jpg").astype(int).mean() - NOISE.mean()) < 9


@pytest.mark.parametrize("name", ["a.gif", "a.tiff", "a.webp", "a.png"])
def test_of_several_frames_the_first_is_read(tmp_path, name):
    frames = [Image.new("RGB", (5, 4), color) for color in ("black", "white", "red")]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    assert not read_image(tmp_path / name).any()


def test_an_image_of_another_kind_in_a_folder_is_named_and_not_left_out(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.fromarray(NOISE).save(tmp_path / name / "a.png")
    Image.fromarray(NOISE).save(tmp_path / "dog" / "b.tga")
    text = refusal(read_folder, tmp_path)
    assert f"image {tmp_path / 'dog' / 'b.tga'} is of a kind that is not read, TGA" in text


def test_pixels_that_are_no_numbers_are_refused(tmp_path):
    Image.fromarray(np.array([[0, np.nan]], np.float32)).save(tmp_path / "a.tiff")
    assert "some of its pixels are not finite" in refusal(read_image, tmp_path / "a.tiff")


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_in_a_file_there_is_one_sentence(tmp_path, seed):
    draw = np.random.default_rng(seed)
    kind = FORMATS[seed % len(FORMATS)]
    Image.fromarray(NOISE).save(tmp_path / "a", kind)
    content = bytearray((tmp_path / "a").read_bytes())
    for _ in range(25):
        changed = bytearray(content)
        for place in draw.integers(0, min(len(content), 120), draw.integers(1, 6)):
            changed[place] = draw.integers(0, 256)
        (tmp_path / "a").write_bytes(changed)
        try:
            read_image(tmp_path / "a")
        except image_files.UserError as error:
            assert "\n" not in str(error)


# what cannot be read at all


def loop(path):
    path.symlink_to(path)


def pipe(path):
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkdir, "Is a directory"),
        (loop, "Too many levels of symbolic links"),
        (pipe, "it is a pipe, a socket or a device, and no file"),
    ],
)
def test_a_path_that_is_no_file_is_not_called_damaged(tmp_path, make, said):
    path = tmp_path / "a.png"
    make(path)
    for read in (read_image, encode_image, image_shape):
        assert refusal(read, path) == f"image {path} cannot be read: {said}."


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "a\0b.png", "x" * 300 + ".png"])
def test_a_path_that_cannot_be_a_file_is_not_called_damaged(path):
    text = refusal(read_image, path)
    assert "cannot be read: " in text and "damaged" not in text


def test_a_file_without_permission_is_not_called_damaged(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    Image.fromarray(NOISE).save(path)

    def forbidden(file, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr("builtins.open", forbidden)
    assert refusal(read_image, path) == f"image {path} cannot be read: Permission denied."


def test_an_unreadable_folder_has_not_no_images(tmp_path, monkeypatch):
    for name in ("cat", "dog/deep"):
        (tmp_path / name).mkdir(parents=True)
        Image.fromarray(NOISE).save(tmp_path / name / "a.png")
    listed = os.listdir

    def forbidden(path):
        if os.fspath(path).endswith(closed):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return listed(path)

    monkeypatch.setattr("os.listdir", forbidden)
    for closed in ("cat", "deep", tmp_path.name):
        text = refusal(read_folder, tmp_path)
        assert text.endswith(f"{closed} cannot be read: Permission denied.")


def test_a_broken_link_among_the_images_is_named(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.fromarray(NOISE).save(tmp_path / name / "a.png")
    (tmp_path / "dog" / "b.png").symlink_to(tmp_path / "gone.png")
    assert f"image {tmp_path / 'dog' / 'b.png'} does not exist" in refusal(read_folder, tmp_path)


def test_an_open_file_is_read_as_well(tmp_path):
    Image.fromarray(NOISE).save(tmp_path / "a.png")
    with open(tmp_path / "a.png", "rb") as file:
        np.testing.assert_array_equal(read_image(file), NOISE)
