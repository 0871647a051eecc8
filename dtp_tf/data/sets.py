"""Image sets by name or folder -> splits."""

import concurrent.futures
import dataclasses

import numpy as np

from dtp_tf.data.folder_sets import load_folder
from dtp_tf.data.images import fit_image
from dtp_tf.data.memory import check_memory, choose_reading
from dtp_tf.data.record_sets import load_records
from dtp_tf.data.splits import HELD_OUT_TEST, ImageData, Split, hold_out
from dtp_tf.data.tfds_builders import (
    builder_on_disk,
    image_and_label,
    image_shape,
    prepared_builder,
    set_facts,
)
from dtp_tf.data.tfds_in_memory import read_split
from dtp_tf.data.tfds_records import streamed_split
from dtp_tf.errors import SettingError, UserError


def load_data(recipe, data_dir=None, test=True, download=True, in_memory="auto"):
    """Return the `ImageData` that a recipe names.

    The test split is the set's own and depends on nothing; the validation split is drawn from the
    training split with the recipe's seed. In a folder of images, and in records, each draws its own
    split, by its content, unless splits are given; see `dtp_tf.data.folder_sets`.

    Args:
        recipe: a `Recipe`: `dataset`, `image_folder` or `records` with their settings,
            `image_size`, `validation_fraction`, `seed`.
        data_dir: the folder of TFDS; its own default otherwise.
        test: whether the test split is wanted; what is only to be tuned does without.
        download: whether a set that is not prepared on this disk may be fetched, for which code of
            the set may be run. Not where the recipe comes from a file, see `load_recorded_data`.
        in_memory: whether the images are held in memory, "yes", or read from the disk as they are
            needed, "no", which changes no result; "auto" = held if they fit.

    Raises:
        SettingError: `in_memory` is "no", and the set is no files.
        UserError: a set that is unknown, cannot be had, is no image classification, is too small
            or too large.
    """
    if recipe.records is not None:
        data = load_records(recipe, test, in_memory)
    elif recipe.image_folder is not None:
        data = load_folder(recipe, test, in_memory)
    else:
        data = _load_named(recipe, data_dir, test, download, in_memory)
    for split, what in (("train", "training"), ("validation", "validation"), ("test", "test")):
        images = getattr(data, split)
        if images is not None and not len(images):
            raise UserError(f"{data.name} is too small: no image is left for the {what} split.")
    return data if test else dataclasses.replace(data, test_origin="not read")


def _load_named(recipe, data_dir, test, download, in_memory):
    if recipe.dataset != "digits":
        builder = (prepared_builder if download else builder_on_disk)(recipe.dataset, data_dir)
        return _tfds(builder, recipe, test, in_memory)
    if in_memory == "no":
        raise SettingError(
            "`in_memory` no is for sets on the disk, and the digits come in memory with "
            "scikit-learn: use auto, or another `dataset` or `image_folder`."
        )
    train, tested, names = _digits(recipe.image_size)
    train, validation = hold_out(train, recipe.validation_fraction, recipe.seed)
    return ImageData(
        "digits", train, validation, tested if test else None, names, "every fifth image"
    )


def load_recorded_data(recipe, data_dir=None, dataset=None, in_memory="auto"):
    """Return the `ImageData` that the recipe of a run or model names, without asking the network.

    Args:
        recipe: the `Recipe` in its files, which may be a stranger's.
        data_dir: the folder of TFDS; its own default otherwise.
        dataset: the recipe's `dataset`, if the user names it too: then it may be downloaded.
        in_memory: see `load_data`.

    Raises:
        SettingError: `dataset` is another set.
        UserError: the set is not prepared on this disk; or see `load_data`.
    """
    if dataset not in (None, recipe.dataset):
        raise SettingError(
            f"`dataset` is {recipe.dataset} in the model, got {dataset}: give the same, or none."
        )
    return load_data(recipe, data_dir, download=dataset is not None, in_memory=in_memory)


def _digits(size):
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    if size is not None:
        check_memory("digits", 4 * len(images), (*size, 1))  # as float32 on the way
        images = np.asarray(fit_image(images, (*size, 1)))
    everything = Split(images, bunch.target.astype(np.int32))
    is_test = np.arange(len(everything)) % 5 == 0
    class_names = tuple(str(name) for name in bunch.target_names)
    return everything.take(~is_test), everything.take(is_test), class_names


def _tfds(builder, recipe, test, in_memory):
    name, keys, splits = recipe.dataset, image_and_label(builder), builder.info.splits
    train_name = "train" if "train" in splits else next(iter(splits))
    test_name = next((s for s in ("test", "validation") if s in splits and s != train_name), None)
    shape = image_shape(builder, keys[0], recipe.image_size)
    wanted = [train_name] + ([test_name] if test and test_name else [])
    count = sum(splits[s].num_examples for s in wanted)
    reading = choose_reading(name, count, shape, in_memory)
    read = streamed_split if reading.streamed else read_split
    with concurrent.futures.ThreadPoolExecutor() as threads:  # half of a read is one thread's
        found = list(threads.map(lambda s: read(builder, s, *keys, shape), wanted))
    for split, one in zip(wanted, found, strict=True):
        if one.labels.min() < 0 or one.labels.max() >= builder.info.features[keys[1]].num_classes:
            raise UserError(f"the {split} split of {builder.name!r} has images without a label.")
    if test_name:
        train, tested = found if test else (found[0], None)
        origin = f"the set's own {test_name} split"
    else:
        train, tested = hold_out(found[0], HELD_OUT_TEST, seed=0)
        origin = f"20 % of the {train_name} split, the same for every seed"
    train, validation = hold_out(train, recipe.validation_fraction, recipe.seed)
    return ImageData(
        name, train, validation, tested if test else None,
        tuple(builder.info.features[keys[1]].names), origin, reading=reading.said,
        named=set_facts(builder, filter(None, (train_name, test_name))),
    )  # fmt: skip
