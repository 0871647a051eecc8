"""Image files and image shapes: decoding, and fitting any picture to a network's input."""

import math
import os
import pathlib

import numpy as np
import psutil
import tensorflow as tf
from PIL import Image

from dtp_tf.data.class_names import check_class_names
from dtp_tf.data.image_files import FORMATS, image_shape, read_image, strips
from dtp_tf.errors import UserError

_KINDS = (*FORMATS, "MPO")  # by Pillow's name for the JPEG of some cameras


def fit_image(image, shape):
    """Resize a uint8 image (or a batch of one size) to `shape` (height, width, channels).

    Colour becomes luminance where one channel is wanted; grey is repeated where three are.
    Resizing is bilinear with antialiasing; an image of the right shape comes back as it is.
    """
    height, width, channels = shape
    if image.shape[-1] != channels:
        image = _to_grey(image) if channels == 1 else _to_colour(image)
    if image.shape[-3:-1] == (height, width):
        return image
    resized = tf.image.resize(image, (height, width), antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)


def _to_colour(image):
    return tf.image.grayscale_to_rgb(tf.convert_to_tensor(image))


def _to_grey(image):
    if not isinstance(image, np.ndarray) or image.ndim != 3:
        return tf.image.rgb_to_grayscale(tf.convert_to_tensor(image))
    grey = np.empty((*image.shape[:2], 1), np.uint8)
    for rows in strips(*image.shape[:2]):  # as floats, a large image takes many times its memory
        grey[rows] = tf.image.rgb_to_grayscale(image[rows])
    return grey


def read_folder(folder, size=None):
    """Read a folder with one subfolder of images per class.

    Args:
        folder: its path. Hidden files and files that are no images by their names are left out.
        size: (height, width) to resize to; by default the size that all images have.

    Returns:
        images, uint8 `(n, H, W, C)`; labels, int32 `(n,)`; the class names, sorted.

    Raises:
        UserError: no such folder, one that cannot be read, fewer than two classes, a class without
            images or with a name that cannot be used, a damaged image, images of several sizes
            where `size` is not given, or more of them than fit into memory.
    """
    folder = pathlib.Path(folder)
    try:
        classes = {path: _images(path) for path in _entries(folder) if path.is_dir()}
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"image folder {folder} is not a folder; give one with a subfolder for each class."
        ) from None
    except OSError as error:
        raise UserError(f"folder {error.filename} cannot be read: {error.strerror}.") from None
    if len(classes) < 2:
        raise UserError(
            f"image folder {folder} has {len(classes)} subfolder(s); it needs one for each of at "
            "least two classes."
        )
    names = [path.name for path in classes]
    check_class_names(names, f"image folder {folder}")
    files, labels = [], []
    for label, (path, found) in enumerate(classes.items()):
        if not found:
            raise UserError(f"class folder {path} has no images; add some or remove it.")
        files += found
        labels += [label] * len(found)
    # From the headers: nothing is unpacked before all is known to fit.
    shapes = [image_shape(path) for path in files]
    if size is None:
        sizes = {shape[:2] for shape in shapes}
        if len(sizes) > 1:
            (a, b), (c, d) = sorted(sizes)[0], sorted(sizes)[-1]
            raise UserError(
                f"the images in {folder} differ in size (from {a}x{b} to {c}x{d}); "
                "give `image_size` (--image-size HEIGHT,WIDTH)."
            )
        size = sizes.pop()
    shape = (*size, max(one[-1] for one in shapes))
    check_memory(f"image folder {folder}", len(files), shape)
    images = np.empty((len(files), *shape), np.uint8)
    for image, path in zip(images, files, strict=True):
        image[...] = fit_image(read_image(path), shape)
    return images, np.array(labels, np.int32), names


def check_memory(name, count, shape):
    """Raise `UserError` if so many images of a shape do not fit into memory, twice."""
    needed, free = 2 * count * math.prod(map(int, shape)), psutil.virtual_memory().available
    if needed > 0.8 * free:
        raise UserError(
            f"{name} needs {needed / 1e9:.1f} GB of memory at {shape[0]}x{shape[1]}, and "
            f"{free / 1e9:.1f} GB are free; choose a smaller `image_size` "
            "(--image-size HEIGHT,WIDTH)."
        )


def _entries(folder):
    """Return the paths in a folder that are not hidden, sorted."""
    return sorted(folder / name for name in os.listdir(folder) if not name.startswith("."))


def _images(folder):
    """Return the paths below a folder that are images by their names, sorted."""
    kinds = {end: kind for end, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    found = []
    for path in _entries(folder):
        kind = kinds.get(path.suffix.lower())
        if path.is_dir():
            found += [] if path.is_symlink() else _images(path)  # a link may lead in circles
        elif kind in _KINDS:
            found.append(path)
        elif kind is not None:
            raise UserError(
                f"image {path} is of a kind that is not read, {kind}; make it one of "
                f"{', '.join(FORMATS)}, or remove it."
            )
    return sorted(found)
