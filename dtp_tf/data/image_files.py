"""Reading image files, without TensorFlow.

They are of other people: nothing is unpacked before the header has said how large it is, and no
format is tried but those of `FORMATS`, for Pillow has some that start other programs.
"""

import contextlib
import functools
import hashlib
import io
import re
import threading
import warnings

import numpy as np
from PIL import Image

from dtp_tf.data.orientation import EXCHANGED, orientation, upright
from dtp_tf.errors import UserError
from dtp_tf.files import read_bytes

#: What is read everywhere, by Pillow's names; its PPM has PBM, PGM and PNM with it. See also
#: `known_formats`.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
#: The largest image, in pixels, and the largest file, in bytes.
MAX_PIXELS, MAX_BYTES = 100_000_000, 500_000_000
_STRIP = 4_000_000  # pixels that are converted at a time
_TILE_SIDES = 322, 323  # the tags of a TIFF for the width and height of its tiles
# Of what warns about metadata, which nobody reads here.
_WARN = r"(PIL|pillow_heif|dtp_tf\.data\.image_files)\b"


class _Guard:
    """Our limit on pixels, which is global in Pillow, while any thread reads an image.

    Threads read at the same time: the first one sets it, the last one gives it back.
    """

    def __init__(self):
        self._lock, self._inside, self._outside = threading.Lock(), 0, contextlib.ExitStack()

    def __enter__(self):
        with self._lock:
            if self._inside == 0:
                self._outside.enter_context(warnings.catch_warnings())
                warnings.filterwarnings("ignore", module=_WARN)
                self._outside.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
                # Pillow raises above twice its limit, and warns between.
                Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2
            self._inside += 1

    def __exit__(self, *error):
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._outside.close()


_guard = _Guard()


@functools.cache
def known_formats():
    """Return `FORMATS`, and those of HEIF and AVIF for which a decoder is installed.

    Pillow has that of AVIF from 11.3 on, the package `pillow-heif` that of HEIC and other HEIF.
    """
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    Image.init()
    return (*FORMATS, *(kind for kind in ("AVIF", "HEIF") if kind in Image.OPEN))


def read_image(path, sha256=None):
    """Return an image file as uint8 `(height, width, channels)`, channels 1 (grey) or 3 (colour).

    It is turned as its EXIF says.

    Args:
        path: of the file, or an open binary file.
        sha256: the hash that its content must have; any by default.

    Raises:
        UserError: a file that cannot be read, is no image of a format in `FORMATS`, is damaged, has
            more than `MAX_PIXELS` pixels or `MAX_BYTES` bytes, or another content.
    """
    content = _content(path)
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise UserError(
            f"image {path} has changed since the images were listed; start again, and leave them "
            "alone until the end."
        )
    return decode_pixels(content, path)


def image_shape(path):
    """Return the shape of what `read_image` returns, from the file's header.

    Raises:
        UserError: see `read_image`; damage below the header is not seen.
    """
    return shape_of(_content(path), path)


def file_facts(path):
    """Return a file's size in bytes, the SHA-256 of its content, and its `image_shape`.

    Raises:
        UserError: see `image_shape`.
    """
    content = _content(path)
    return len(content), hashlib.sha256(content).hexdigest(), shape_of(content, path)


def shape_of(content, path):
    """Return the `image_shape` of a file's bytes; `path` is its name in errors."""
    with _opened(content, path) as image:
        exchanged = orientation(image) in EXCHANGED
        sides = (image.width, image.height) if exchanged else (image.height, image.width)
        return *sides, 1 if _is_grey(image) else 3


def encode_image(path):
    """Return an image file as bytes that TensorFlow decodes to the pixels of `read_image`.

    A PNG or JPEG of plain grey or colour comes back as it is, for an export turns it as its EXIF
    says; anything else (other formats, palettes, transparency, more than 8 bits) becomes a PNG of
    those pixels.

    Raises:
        UserError: see `read_image`.
    """
    content = _content(path)
    pixels = decode_pixels(content, path)
    with _opened(content, path) as image:
        plain = image.mode in ("L", "RGB") and "transparency" not in image.info
        as_it_is = plain and image.format in ("PNG", "JPEG")
    return content if as_it_is else encode_pixels(pixels)


def encode_pixels(pixels):
    """Return uint8 pixels `(height, width, 1 or 3)` as the bytes of a PNG."""
    content = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(content, "PNG")
    return content.getvalue()


def strips(height, width):
    """Yield slices of rows, from top to bottom, so that each has about `_STRIP` pixels."""
    rows = max(1, _STRIP // max(1, width))
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def _content(path):
    if hasattr(path, "read"):
        return path.read()
    try:
        return read_bytes(path, MAX_BYTES)
    except FileNotFoundError:
        raise UserError(f"image {path} does not exist.") from None
    except OSError as error:
        raise UserError(f"image {path} cannot be read: {error.strerror}.") from None


@contextlib.contextmanager
def _opened(content, path):
    """Yield the Pillow image of a file's content, of which only the header was read."""
    try:
        with _guard, Image.open(io.BytesIO(content), formats=known_formats()) as image:
            _check_tiles(image)
            yield image
    except Image.DecompressionBombError as error:
        count = int(re.search(r"\d+", str(error))[0])
        raise UserError(
            f"image {path} is too large: it has {count:,} pixels, and the limit is "
            f"{MAX_PIXELS:,}; make it smaller."
        ) from None
    except Image.UnidentifiedImageError:
        if _is_heif(content):
            raise UserError(
                f"image {path} is HEIC or AVIF, for which a decoder is missing: install it with "
                "pip install pillow-heif (AVIF: pillow>=11.3), or replace the image by a JPEG."
            ) from None
        raise UserError(
            f"image {path} cannot be read: it is damaged or no image of a known kind "
            f"({', '.join(FORMATS)}); remove or replace it."
        ) from None
    except (UserError, MemoryError):
        raise
    except Exception as error:  # each of Pillow's formats has errors of its own
        reason = " ".join(str(error).split())[:120]
        raise UserError(
            f"image {path} cannot be read: it is damaged ({reason}); remove or replace it."
        ) from None


def _is_heif(content):
    """Whether a file says that it is HEIC or AVIF, and no decoder for that kind is here."""
    kind = {b"avi": "AVIF", b"hei": "HEIF", b"hev": "HEIF", b"mif": "HEIF"}.get(content[8:11])
    return content[4:8] == b"ftyp" and kind is not None and kind not in known_formats()


def _check_tiles(image):
    """Refuse a small TIFF of huge tiles: a whole one is unpacked, whatever part of it is wanted."""
    width, height = (getattr(image, "tag_v2", {}).get(tag, 1) for tag in _TILE_SIDES)
    if width * height > MAX_PIXELS:
        raise Image.DecompressionBombError(f"{width * height} pixels in a tile")


def _is_deep(image):
    return image.mode.startswith(("I", "F"))  # more than 8 bits: keep the range


def _is_grey(image):
    return _is_deep(image) or image.mode in ("1", "L", "LA")


def decode_pixels(content, path):
    """Return what `read_image` returns of a file's bytes; `path` is its name in errors."""
    with _opened(content, path) as image:
        turned = orientation(image)
        mode = "L" if _is_grey(image) else "RGB"
        pixels = np.empty((image.height, image.width, len(mode)), np.uint8)
        top = _top(image) if _is_deep(image) else None
        # In strips, for a copy of all in another type takes many times the memory.
        for rows in strips(image.height, image.width):
            strip = image.crop((0, rows.start, image.width, rows.stop))
            if top is None:
                part = np.asarray(strip.convert(mode))
            else:
                part = np.asarray(strip, dtype=np.float64) / top * 255
                part = np.clip(part, 0, 255).round()
            pixels[rows] = part.reshape(pixels[rows].shape)
        return np.ascontiguousarray(upright(pixels, turned))


def _top(image):
    """Return the value of white in an image of more than 8 bits."""
    if image.mode != "F":
        return 65535
    values = np.asarray(image)
    if not np.isfinite(values).all():
        raise ValueError("some of its pixels are not finite")
    return max(float(values.max()), 1e-12)
