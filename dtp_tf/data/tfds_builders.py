"""Sets of TensorFlow Datasets by name: whether they can be had, and whether they are of images."""

import contextlib
import hashlib
import logging
import shlex
import sys

import numpy as np

from dtp_tf.errors import SettingError, UserError
from dtp_tf.recipes.settings import did_you_mean


def builder_on_disk(name, data_dir):
    """Return the TFDS builder of a set from its prepared files alone: no network, no code of it."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.read_only_builder import builder_from_files

    logging.getLogger("absl").setLevel(logging.ERROR)
    try:
        return builder_from_files(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError:
        raise UserError(
            f"data set {name!r}, which the model or run names, is not prepared on this disk, and "
            "only a set that the call itself names is downloaded: add --dataset "
            f"{shlex.quote(name)}, or give the folder of a prepared copy with --data-dir."
        ) from None
    except (ValueError, OSError, RuntimeError, AssertionError, ImportError) as error:
        raise UserError(f"data set {name!r} cannot be opened: {one_line(error)}") from None


def prepared_builder(name, data_dir):
    """Return the TFDS builder of a set that lies on disk, downloading it where that is possible."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import downloader

    logging.getLogger("absl").setLevel(logging.ERROR)
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError:
        known = ["digits", *tfds.list_builders(with_community_datasets=False)]
        raise UserError(
            f"there is no data set {name!r} in TensorFlow Datasets.{did_you_mean(name, known)}"
        ) from None
    except (ValueError, OSError, RuntimeError, AssertionError, ImportError) as error:
        raise UserError(f"data set {name!r} cannot be opened: {one_line(error)}") from None
    if builder.is_prepared():
        return builder
    # Nine retries with growing pauses would take minutes to say that there is no network.
    downloader.MAX_RETRIES = 2
    try:
        with contextlib.redirect_stdout(sys.stderr):  # standard output is for results
            builder.download_and_prepare()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a download script may raise, SystemExit included
        # The set lies in FOLDER/NAME/VERSION, or FOLDER/NAME/CONFIG/VERSION.
        folder = builder.data_path.parents[2 if builder.builder_config else 1]
        raise UserError(
            f"data set {name!r} is not prepared in {folder} and cannot be downloaded "
            f"({type(error).__name__}: {one_line(error)}); give the folder of a prepared copy "
            "with --data-dir, or train the bundled `digits` recipe."
        ) from None
    return builder


def one_line(error):
    """Return the beginning of an error's text in one line."""
    text = " ".join(str(error).split())
    return text if len(text) <= 160 else text[:157] + "..."


def image_and_label(builder):
    """Return the names of the features of a set that are its image and its label."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    kinds = (tfds.features.Image, tfds.features.ClassLabel)
    found = [[key for key, f in features.items() if isinstance(f, kind)] for kind in kinds]
    keys = builder.info.supervised_keys or ()
    if len(keys) == 2 and keys[0] in found[0] and keys[1] in found[1]:
        return keys
    if not all(found):
        raise UserError(
            f"data set {builder.name!r} is no image classification: its features are "
            f"{', '.join(features)}; choose one with an image and a class label."
        )
    return found[0][0], found[1][0]


def image_shape(builder, key, size):
    """Return the (height, width, channels) that a set's images are read in."""
    feature = builder.info.features[key]
    height, width, channels = feature.shape
    if np.dtype(feature.np_dtype) != np.uint8:
        raise UserError(
            f"the images of {builder.name!r} are {np.dtype(feature.np_dtype)}; only uint8 images "
            "are supported."
        )
    if channels not in (1, 3):
        raise UserError(
            f"the images of {builder.name!r} have {channels or 'no fixed number of'} channels; "
            "1 or 3 are supported."
        )
    if size is not None:
        height, width = size
    if height is None or width is None:
        raise SettingError(
            f"the images of {builder.name!r} differ in size; give `image_size` "
            "(--image-size HEIGHT,WIDTH)."
        )
    return height, width, channels


def set_facts(builder, splits):
    """Return what tells one content of a set from another, by its own description of its files.

    It is read already, whatever the size of the set; no file is.

    Args:
        builder: of the set.
        splits: names of the splits that count.

    Returns:
        A dict: "version", and "splits", by name "examples", "shards", "bytes" and "sha256", which
        is the hash of how the examples are divided into shards.
    """

    def facts(split):
        lengths = [int(length) for length in split.shard_lengths]
        return {
            "examples": sum(lengths),
            "shards": len(lengths),
            "bytes": int(split.num_bytes),
            "sha256": hashlib.sha256(repr(lengths).encode()).hexdigest(),
        }

    found = {name: facts(builder.info.splits[name]) for name in splits}
    return {"version": str(builder.info.version), "splits": found}
