"""Image files and image shapes: decoding, and fitting any picture to a network's input."""

import pathlib

import numpy as np
import tensorflow as tf
from PIL import Image

from dtp_tf.data.image_files import read_image
from dtp_tf.errors import UserError


def fit_image(image, shape):
    """Resize a uint8 image (or a batch of one size) to `shape` (height, width, channels).

    Colour becomes luminance where one channel is wanted; grey is repeated where three are.
    Resizing is bilinear with antialiasing; an image of the right shape comes back as it is.
    """
    height, width, channels = shape
    if image.shape[-1] != channels:
        convert = tf.image.rgb_to_grayscale if channels == 1 else tf.image.grayscale_to_rgb
        image = convert(tf.convert_to_tensor(image))
    if image.shape[-3:-1] == (height, width):
        return image
    resized = tf.image.resize(image, (height, width), antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)


def read_folder(folder, size=None):
    """Read a folder with one subfolder of images per class.

    Args:
        folder: its path. Hidden files and files that are no images by their names are left out.
        size: (height, width) to resize to; by default the size that all images have.

    Returns:
        images, uint8 `(n, H, W, C)`; labels, int32 `(n,)`; the class names, sorted.

    Raises:
        UserError: no such folder, fewer than two classes, a class without images, a damaged
            image, or images of several sizes where `size` is not given.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise UserError(
            f"image folder {folder} is not a folder; give one with a subfolder for each class."
        )
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(classes) < 2:
        raise UserError(
            f"image folder {folder} has {len(classes)} subfolder(s); it needs one for each of at "
            "least two classes."
        )
    known = {end for end, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    files, labels = [], []
    for label, path in enumerate(classes):
        found = sorted(
            p for p in path.rglob("*")
            if p.is_file() and p.suffix.lower() in known and not _hidden(p.relative_to(path))
        )
        if not found:
            raise UserError(f"class folder {path} has no images; add some or remove it.")
        files += found
        labels += [label] * len(found)
    raw = [read_image(path) for path in files]
    if size is None:
        sizes = {image.shape[:2] for image in raw}
        if len(sizes) > 1:
            (a, b), (c, d) = sorted(sizes)[0], sorted(sizes)[-1]
            raise UserError(
                f"the images in {folder} differ in size (from {a}x{b} to {c}x{d}); "
                "give `image_size` (--image-size HEIGHT,WIDTH)."
            )
        size = sizes.pop()
    channels = max(image.shape[-1] for image in raw)
    images = np.stack([np.asarray(fit_image(image, (*size, channels))) for image in raw])
    return images, np.array(labels, np.int32), [path.name for path in classes]


def _hidden(path):
    return any(part.startswith(".") for part in path.parts)
