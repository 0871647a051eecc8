"""Image sets by name or folder -> splits in memory."""

import concurrent.futures
import contextlib
import dataclasses
import logging
import shlex
import sys

import numpy as np
import tensorflow as tf

from dtp_tf.data.batches import PARALLEL
from dtp_tf.data.folder_sets import load_folder
from dtp_tf.data.images import check_memory, fit_image
from dtp_tf.data.splits import HELD_OUT_TEST, ImageData, Split, hold_out, untuned
from dtp_tf.errors import SettingError, UserError
from dtp_tf.recipes.settings import did_you_mean


def load_data(recipe, data_dir=None, test=True, download=True):
    """Return the `ImageData` that a recipe names.

    The test split is the set's own and depends on nothing; the validation split is drawn from the
    training split with the recipe's seed. In a folder of images, each draws its own split, by its
    content, unless the folder has splits; see `dtp_tf.data.folder_sets`.

    Args:
        recipe: a `Recipe`: `dataset`, `image_folder`, `image_size`, `validation_fraction`, `seed`.
        data_dir: the folder of TFDS; its own default otherwise.
        test: whether the test split is wanted; what is only to be tuned does without.
        download: whether a set that is not prepared on this disk may be fetched, for which code of
            the set may be run. Not where the recipe comes from a file, see `load_recorded_data`.

    Raises:
        UserError: a set that is unknown, cannot be had, is no image classification, is too small
            or too large.
    """
    if recipe.image_folder is not None:
        data = load_folder(recipe, test)
    else:
        data = _load_named(recipe, data_dir, test, download)
    for split, what in (("train", "training"), ("validation", "validation"), ("test", "test")):
        images = getattr(data, split)
        if images is not None and not len(images):
            raise UserError(f"{data.name} is too small: no image is left for the {what} split.")
    return data if test else dataclasses.replace(data, test_origin="not read")


def _load_named(recipe, data_dir, test, download):
    if recipe.dataset == "digits":
        name = "digits"
        train, tested, class_names = _digits(recipe.image_size)
        origin = "every fifth image"
    else:
        name = recipe.dataset
        builder = (_prepared_builder if download else _builder_on_disk)(name, data_dir)
        train, tested, class_names, origin = _tfds(builder, name, recipe.image_size, test)
    train, validation = hold_out(train, recipe.validation_fraction, recipe.seed)
    return ImageData(name, train, validation, tested if test else None, tuple(class_names), origin)


def load_recorded_data(recipe, data_dir=None, dataset=None):
    """Return the `ImageData` that the recipe of a run or model names, without asking the network.

    Args:
        recipe: the `Recipe` in its files, which may be a stranger's.
        data_dir: the folder of TFDS; its own default otherwise.
        dataset: the recipe's `dataset`, if the user names it too: then it may be downloaded.

    Raises:
        SettingError: `dataset` is another set.
        UserError: the set is not prepared on this disk; or see `load_data`.
    """
    if dataset not in (None, recipe.dataset):
        raise SettingError(
            f"`dataset` is {recipe.dataset} in the model, got {dataset}: give the same, or none."
        )
    return load_data(recipe, data_dir, download=dataset is not None)


def _digits(size):
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    if size is not None:
        check_memory("digits", 4 * len(images), (*size, 1))  # as float32 on the way
        images = np.asarray(fit_image(images, (*size, 1)))
    everything = Split(images, bunch.target.astype(np.int32))
    is_test = np.arange(len(everything)) % 5 == 0
    class_names = [str(name) for name in bunch.target_names]
    return everything.take(~is_test), everything.take(is_test), class_names


def _tfds(builder, name, size, test=True):
    image_key, label_key = _image_and_label(builder)
    splits = builder.info.splits
    train_name = "train" if "train" in splits else next(iter(splits))
    test_name = next((s for s in ("test", "validation") if s in splits and s != train_name), None)
    shape = _image_shape(builder, image_key, size)
    wanted = [train_name] + ([test_name] if test and test_name else [])
    check_memory(name, sum(splits[s].num_examples for s in wanted), shape)
    classes = builder.info.features[label_key].num_classes
    with concurrent.futures.ThreadPoolExecutor() as threads:  # half of a read is one thread's
        read = list(threads.map(
            lambda s: _read(builder, s, image_key, label_key, shape, classes), wanted
        ))
    if test_name:
        train, tested = read if test else (read[0], None)
        origin = f"the set's own {test_name} split"
    else:
        train, tested = hold_out(read[0], HELD_OUT_TEST, seed=0)
        origin = f"20 % of the {train_name} split, the same for every seed"
    return train, tested, builder.info.features[label_key].names, origin


def _builder_on_disk(name, data_dir):
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
        raise UserError(f"data set {name!r} cannot be opened: {_one_line(error)}") from None


def _prepared_builder(name, data_dir):
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
        raise UserError(f"data set {name!r} cannot be opened: {_one_line(error)}") from None
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
            f"({type(error).__name__}: {_one_line(error)}); give the folder of a prepared copy "
            "with --data-dir, or train the bundled `digits` recipe."
        ) from None
    return builder


def _one_line(error):
    text = " ".join(str(error).split())
    return text if len(text) <= 160 else text[:157] + "..."


def _image_and_label(builder):
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


def _image_shape(builder, key, size):
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


def _read(builder, split, image_key, label_key, shape, classes):
    import tensorflow_datasets as tfds

    count = builder.info.splits[split].num_examples
    images, labels = np.empty((count, *shape), np.uint8), np.empty(count, np.int32)
    examples = builder.as_dataset(
        split=split,
        shuffle_files=False,
        read_config=tfds.ReadConfig(
            options=untuned(),
            interleave_cycle_length=1,  # one order on every machine
            skip_prefetch=True,
            try_autocache=False,  # everything is kept already, once
            num_parallel_calls_for_decode=2 * PARALLEL,  # so that some wait where others decode
        ),
    )

    @tf.autograph.experimental.do_not_convert
    def fit(e):
        return fit_image(e[image_key], shape), e[label_key]

    if None in builder.info.features[image_key].shape:
        parts = examples.map(fit, num_parallel_calls=PARALLEL).batch(1000)
    else:
        parts = examples.batch(1000).map(fit)  # all of one size, together
    end = 0
    for part, part_labels in parts.as_numpy_iterator():
        start, end = end, end + len(part)
        images[start:end], labels[start:end] = part, part_labels
    if labels.min() < 0 or labels.max() >= classes:
        raise UserError(f"the {split} split of {builder.name!r} has images without a label.")
    return Split(images, labels)
