"""The settings of images and labels. This module does not import TensorFlow."""

import dataclasses

from dtp_tf.recipes.settings import setting

PREPROCESSINGS = ("unit", "symmetric", "center", "standardize", "imagenet")


@dataclasses.dataclass(frozen=True)
class DataFields:
    """Where images come from, how they are split and what becomes of their pixels."""

    dataset: str = setting(
        "digits", str, "`digits` (bundled) or the name of a TFDS image-classification set."
    )
    image_folder: str | None = setting(
        None, str, "A folder with one subfolder of images per class, instead of `dataset`.",
        optional=True,
    )
    image_size: tuple | None = setting(
        None, int, "Height,width in pixels to resize to; needed where the images differ in size.",
        low=1, limit=4096, many=True, optional=True,
    )
    validation_fraction: float = setting(
        0.2, float, "Share of the training split that is held out for validation.",
        low=0, high=1, open_low=True, open_high=True,
    )
    preprocessing: str = setting(
        "unit", str,
        "Pixels to inputs: unit = [0, 1]; symmetric = [-1, 1]; center = [0, 1] less each input's "
        "training mean; standardize = also divided by its standard deviation (+ 0.01); imagenet = "
        "ImageNet's mean and deviation per colour channel.",
        choices=PREPROCESSINGS,
    )
    flip: bool = setting(False, bool, "Mirror half of the training images left to right.")
    crop: int = setting(
        0, int,
        "Shift training images at random by up to this many pixels; their edges are mirrored.",
        low=0,
    )

    pixel_noise: float = setting(
        0.0, float, "Standard deviation of normal noise on the pixels of training images, as a "
        "share of their range; fresh in every epoch.", low=0, high=1,
    )
