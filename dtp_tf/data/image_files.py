"""Reading image files, without TensorFlow."""

import io
import pathlib

import numpy as np
from PIL import Image

from dtp_tf.errors import UserError

#: The largest image, in pixels.
MAX_PIXELS = 100_000_000


def read_image(path):
    """Return an image file as uint8 `(height, width, channels)`, channels 1 (grey) or 3 (colour).

    Raises:
        UserError: a file that is missing or is no image that Pillow can read.
    """
    try:
        with Image.open(path) as image:
            deep = image.mode.startswith(("I", "F"))  # more than 8 bits: keep the range
            grey = deep or image.mode in ("1", "L", "LA")
            if deep:
                pixels = np.asarray(image, dtype=np.float64)
                top = 65535 if image.mode != "F" else max(pixels.max(), 1e-12)
                pixels = np.clip(pixels / top * 255, 0, 255).round().astype(np.uint8)
            else:
                pixels = np.asarray(image.convert("L" if grey else "RGB"))
    except FileNotFoundError:
        raise UserError(f"image {path} does not exist.") from None
    except (OSError, SyntaxError, ValueError, RuntimeError, Image.DecompressionBombError):
        raise UserError(
            f"image {path} cannot be read: it is damaged or no image; remove or replace it."
        ) from None
    return pixels[..., None] if grey else pixels


def encode_image(path):
    """Return an image file as bytes that TensorFlow decodes to the pixels of `read_image`.

    A PNG or JPEG of plain grey or colour comes back as it is; anything else (other formats,
    palettes, transparency, more than 8 bits) becomes a PNG of those pixels.

    Raises:
        UserError: a file that is missing or is no image that Pillow can read.
    """
    pixels = read_image(path)
    with Image.open(path) as image:
        plain = image.mode in ("L", "RGB") and "transparency" not in image.info
        as_it_is = plain and image.format in ("PNG", "JPEG")
    return pathlib.Path(path).read_bytes() if as_it_is else encode_pixels(pixels)


def encode_pixels(pixels):
    """Return uint8 pixels `(height, width, 1 or 3)` as the bytes of a PNG."""
    content = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(content, "PNG")
    return content.getvalue()
