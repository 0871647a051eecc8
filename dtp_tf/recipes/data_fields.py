"""The settings of images and labels. This module does not import TensorFlow."""

import dataclasses

from dtp_tf.errors import SettingError
from dtp_tf.recipes.settings import setting
from dtp_tf.schema import brief

PREPROCESSINGS = ("unit", "symmetric", "center", "standardize", "channels", "imagenet", "raw")
"""The names that `preprocessing` takes."""


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
    records: str | None = setting(
        None, str, "TFRecord or ArrayRecord files of tf.train.Example, instead of `dataset`: a "
        "path, or a pattern in quotes, 'shards/*'. Files called train-..., validation-... and "
        "test-... are given splits.", optional=True,
    )
    image_feature: str | None = setting(
        None, str, "Of records: the feature with the bytes of an image file; none = image.",
        optional=True,
    )
    label_feature: str | None = setting(
        None, str, "Of records: the feature with the number or name of the class; none = label.",
        optional=True,
    )
    classes: tuple | None = setting(
        None, str, "Of records: how many classes there are, or their names in the order of the "
        "labels, or FILE.txt with a name a line; none = as many as the labels say.",
        many=True, optional=True, numbers=True,
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
        "training mean; standardize = also divided by its standard deviation (+ 0.01); channels = "
        "[0, 1] less each colour channel's training mean, divided by its standard deviation; "
        "imagenet = ImageNet's mean and deviation per colour channel; raw = [0, 255], for a "
        "`model` that scales pixels itself.",
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
        "share of their range, which they do not leave: black ones become brighter; fresh in every "
        "epoch.", low=0, high=1,
    )
    input_noise: float = setting(
        0.0, float, "Standard deviation of normal noise on the preprocessed inputs of training "
        "steps, which may leave the range of the pixels and so keeps their mean.", low=0,
    )

    @property
    def source(self):
        """What the recipe calls its images: its `records`, `image_folder` or `dataset`."""
        return self.records or self.image_folder or self.dataset

    def _check_source(self):
        """Refuse two sources of images, and settings of another one."""
        if self.records is not None and self.image_folder is not None:
            raise SettingError(
                f"`records` and `image_folder` both say where images come from; got "
                f"{brief(self.records)} and {brief(self.image_folder)}: give one of them."
            )
        for name in ("image_feature", "label_feature", "classes"):
            if self.records is None and getattr(self, name) is not None:
                raise SettingError(
                    f"`{name}` is of records, got none: give `records`, or leave it out."
                )
