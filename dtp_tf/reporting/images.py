"""Arrays as images in a page."""

import base64
import io

import numpy as np
from PIL import Image

LARGEST = 160  # pixels on a side of an image; larger ones are made smaller
_LOSSLESS = 64 * 64  # pixels of an image that is not worth compressing


def photo(image):
    """Return a uint8 image `(height, width, channels)` as a data URI."""
    image = image[..., 0] if image.shape[-1] == 1 else image
    return _uri(Image.fromarray(np.ascontiguousarray(image)))


def gray(values, low, high):
    """Return numbers `(height, width)` as an image from black, at `low`, to white, at `high`."""
    share = (np.asarray(values, "float64") - low) / (high - low if high > low else 1.0)
    return photo(np.uint8(np.round(255 * np.clip(share, 0, 1)))[..., None])


def signed(values):
    """Return numbers `(height, width)` or `(height, width, 3)` as an image in which 0 is in the
    middle: blue below and red above, or grey; its largest number is as strong as can be."""
    values = np.asarray(values, "float64")
    share = values / max(np.abs(values).max(initial=0.0), 1e-12)
    if values.ndim == 3:
        return photo(np.uint8(np.round(127.5 * (share + 1))))
    strength = np.abs(share)[..., None]
    ends = np.where(share[..., None] < 0, (33, 102, 172), (178, 24, 43))
    return photo(np.uint8(np.round(247 * (1 - strength) + ends * strength)))


def heat(share):
    """Return shares `(rows, columns)` from 0 to 1 as an image from see-through to blue."""
    pixels = np.zeros((*share.shape, 4), np.uint8)
    pixels[..., :3] = (37, 99, 235)
    # Few answers among many classes are to be seen, too.
    pixels[..., 3] = np.round(255 * np.sqrt(np.clip(share, 0, 1)))
    return _png(Image.fromarray(pixels))


def as_images(h, shape):
    """Return activations `(batch, ...)` as images of a shape (height, width, channels), or None
    if they are none."""
    h = np.asarray(h, "float64")
    if len(shape) != 3 or shape[-1] not in (1, 3) or h[0].size != np.prod(shape):
        return None
    return h.reshape(len(h), *shape)


def drawn_together(images):
    """Return images of any numbers as uint8 ones: the range of the first is that of all."""
    low, high = images[0].min(), images[0].max()
    share = (np.stack(images) - low) / (high - low if high > low else 1.0)
    return np.uint8(np.round(255 * np.clip(share, 0, 1)))


def _uri(image):
    if max(image.size) > LARGEST:
        image.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    if image.width * image.height <= _LOSSLESS:
        return _png(image)
    return _encoded(image, "JPEG", quality=85)


def _png(image):
    return _encoded(image, "PNG", optimize=image.width * image.height > 1000)


def _encoded(image, form, **options):
    file = io.BytesIO()
    image.save(file, format=form, **options)
    text = base64.b64encode(file.getvalue()).decode()
    return f"data:image/{form.lower()};base64,{text}"
