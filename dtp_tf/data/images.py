"""Image files and image shapes: decoding, and fitting any picture to a network's input."""

import concurrent.futures
import dataclasses
import math
import pathlib

import numpy as np
import tensorflow as tf

from dtp_tf.data.folders import find_images
from dtp_tf.data.image_files import file_facts, read_image, strips
from dtp_tf.data.memory import check_memory
from dtp_tf.data.streaming import KEPT, PARALLEL, StreamedImages
from dtp_tf.errors import UserError

MAX_UNASKED = 1_000_000  # pixels of images for which `image_size` need not be given


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


@dataclasses.dataclass(frozen=True, slots=True)
class ImageFile:
    """An image in a folder.

    Attributes:
        path: of the file.
        label: the number of its class.
        split: "train", "validation" or "test"; None as long as it is not known.
        bytes, sha256: the size and the hash of its content.
        shape: (height, width, channels), from its header.
    """

    path: pathlib.Path
    label: int
    split: str | None
    bytes: int
    sha256: str
    shape: tuple


def image_files(found):
    """Return the `ImageFile`s of a `FoundFolder`; each is read once, and none is unpacked.

    Raises:
        UserError: see `dtp_tf.data.image_files.file_facts`.
    """
    listed = [
        (path, label, split)
        for split, images in found.images.items()
        for path, label in images
    ]
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as threads:
        facts = threads.map(file_facts, [path for path, _, _ in listed])
        return [ImageFile(*one, *fact) for one, fact in zip(listed, facts, strict=True)]


def input_shape(name, sizes, channels, size=None, unasked=MAX_UNASKED):
    """Return the (height, width, channels) that images are read in.

    Args:
        name: of the folder or the records.
        sizes: the (height, width) of the images, each once.
        channels: the most that an image has.
        size: (height, width) to resize to; by default the size that all images have.
        unasked: the most pixels of images whose `size` is not given.

    Raises:
        UserError: where `size` is not given, images of several sizes, or of more pixels.
    """
    if size is not None:
        return *size, channels
    if len(sizes) > 1:
        (a, b), (c, d) = sorted(sizes)[0], sorted(sizes)[-1]
        raise UserError(
            f"the images in {name} differ in size (from {a}x{b} to {c}x{d}); "
            "give `image_size` (--image-size HEIGHT,WIDTH)."
        )
    [(height, width)] = sizes
    if height * width > unasked:
        raise UserError(
            f"the images in {name} have {height}x{width} pixels, each of which would be an "
            "input; give a smaller `image_size` (--image-size HEIGHT,WIDTH)."
        )
    return height, width, channels


def sizes_of(files):
    """Return the (height, width) of `ImageFile`s, each once, and the most channels of one."""
    return {file.shape[:2] for file in files}, max(file.shape[-1] for file in files)


def folder_images(files, shape, kept=KEPT):
    """Return the `StreamedImages` of `ImageFile`s, each resized to `shape` as it is read.

    What has changed since its `ImageFile` was made is refused.
    """

    def read(number):
        file = files[number]
        with tf.device("CPU"):
            return np.asarray(fit_image(read_image(file.path, file.sha256), shape))

    return StreamedImages(read, (len(files), *shape), kept)


def read_folder(folder, size=None):
    """Read all images of a folder, whatever splits it has.

    Args:
        folder: its path, see `dtp_tf.data.folders.find_images`.
        size: (height, width) to resize to; by default the size that all images have.

    Returns:
        images, uint8 `(n, H, W, C)`; labels, int32 `(n,)`; the class names, sorted.

    Raises:
        UserError: see `find_images` and `input_shape`; a damaged image; or more than fit into
            memory.
    """
    found = find_images(folder)
    files = image_files(found)
    sizes, channels = sizes_of(files)
    shape = input_shape(folder, sizes, channels, size, unasked=math.inf)
    check_memory(f"image folder {folder}", len(files), shape)
    images = folder_images(files, shape, kept=0)[:]
    return images, np.array([file.label for file in files], np.int32), found.class_names
