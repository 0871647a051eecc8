"""What is noted of each record while the files are read for the first time: class, hash, size."""

import hashlib

import tensorflow as tf
from google.protobuf.message import DecodeError

from dtp_tf.data.image_files import shape_of
from dtp_tf.errors import UserError


class RecordNotes:
    """Takes note of records, each a serialized `tf.train.Example` of an image and its class.

    Args:
        image_feature, label_feature: the features that count.

    Attributes:
        labels: of each record, a number from 0 or a class name.
        hashes: of each record, the SHA-256 of its image, as bytes.
        paths: of each record, its file.
        sizes: the (height, width) of the images, each once.
        channels: the most that an image has.
    """

    def __init__(self, image_feature="image", label_feature="label"):
        self._image, self._label = image_feature, label_feature
        self.labels, self.hashes, self.paths, self.sizes = [], [], [], set()
        self.channels = 0

    def add(self, path, number, record):
        """Note a record.

        Raises:
            UserError: it is no Example, lacks a feature, or its image is of no known kind.
        """
        where = f"record {number} of {path}"
        features = _features(record, where)
        content = _one(features, self._image, where, "image_feature", ("bytes_list",))
        label = _one(features, self._label, where, "label_feature", ("int64_list", "bytes_list"))
        if isinstance(label, bytes):
            label = label.decode("utf-8", "surrogateescape")
        elif label < 0:
            raise UserError(
                f"{where} has the label {label}; labels are numbers from 0, or class names."
            )
        height, width, channels = shape_of(content, f"in {where}")
        self.labels.append(label)
        self.hashes.append(hashlib.sha256(content).digest())
        self.paths.append(path)
        self.sizes.add((height, width))
        self.channels = max(self.channels, channels)

    def image(self, record, where):
        """Return the encoded image of a record."""
        return _features(record, where)[self._image].bytes_list.value[0]


def _features(record, where):
    try:
        return tf.train.Example.FromString(record).features.feature
    except DecodeError:
        raise UserError(f"{where} is no tf.train.Example; write the records as such.") from None


def _one(features, name, where, setting, kinds):
    """Return the one value of a feature, of one of some kinds."""
    flag = setting.replace("_", "-")
    if name not in features:
        has = ", ".join(sorted(features)[:10]) or "none"
        raise UserError(
            f"{where} has no feature {name!r}, it has {has}; say with `{setting}` (--{flag}) which "
            "one to take."
        )
    kind = features[name].WhichOneof("kind")
    values = getattr(features[name], kind).value if kind in kinds else ()
    if len(values) != 1:
        wanted = " or ".join(one.removesuffix("_list") for one in kinds)
        raise UserError(
            f"feature {name!r} of {where} is not one value of the kind {wanted}; say with "
            f"`{setting}` (--{flag}) which one to take."
        )
    return values[0]
