"""Images and labels that a network was not trained on, for an evaluation: another set or folder."""

import numpy as np

from dtp_tf.data.folder_sets import draw_splits, folder_split
from dtp_tf.data.folders import find_images
from dtp_tf.data.images import fit_image, image_files
from dtp_tf.data.memory import choose_reading
from dtp_tf.data.sets import load_data
from dtp_tf.data.splits import Split
from dtp_tf.data.streaming import StreamedImages
from dtp_tf.errors import UserError
from dtp_tf.recipes.recipe import recipe

ALL = "all"


def load_other(
    class_names, shape, *, image_folder=None, dataset=None, split=None, data_dir=None,
    in_memory="auto",
):  # fmt: skip
    """Return a `Split` of other images, with labels by a network's class names, and its name.

    Args:
        class_names: the network's. The set must have the same, in any order.
        shape: (height, width, channels) that it takes.
        image_folder: the folder of images; or
        dataset: `digits`, or the name of a TFDS set.
        split: "train", "validation" or "test"; or "all", for folders. By default the test split,
            or all images of a folder that has none.
        data_dir: the folder of TFDS; its own default otherwise.
        in_memory: see `dtp_tf.data.load_data`.

    Raises:
        UserError: the images cannot be had, or their classes are others.
    """
    if image_folder is not None:
        return _of_folder(class_names, shape, image_folder, split, in_memory)
    asked = recipe("digits", dataset=dataset, image_size=shape[:2])
    data = load_data(asked, data_dir, in_memory=in_memory)
    split = split or "test"
    if split == ALL:
        raise UserError(f"`split` all is for image folders; {dataset} has train, validation, test.")
    numbers = class_numbers(data.class_names, class_names, f"data set {dataset}")
    found = getattr(data, split)
    return Split(_fitted(found.images, shape), numbers[found.labels]), f"{dataset} {split}"


def _of_folder(class_names, shape, folder, split, in_memory):
    found = find_images(folder)
    numbers = class_numbers(found.class_names, class_names, f"image folder {folder}")
    files = image_files(found)
    if split is None:
        split = "test" if "test" in found.images else ALL
    if split != ALL:
        chosen = recipe("digits")
        drawn = draw_splits(files, chosen.validation_fraction, chosen.seed)
        files = [file for file in drawn if file.split == split]
    if not files:
        raise UserError(f"image folder {folder} has no images in the {split} split.")
    reading = choose_reading(f"image folder {folder}", len(files), shape, in_memory)
    return folder_split(files, shape, reading.streamed, numbers), f"{folder} {split}"


def class_numbers(names, wanted, where):
    """Return the number among the `wanted` names of each of `names`, int32.

    Raises:
        UserError: the names are not the same, in any order; `where` begins the sentence.
    """
    names, wanted = list(names), list(wanted)
    faults = [
        f"{verb} {', '.join(sorted(some)[:3])}{' and others' if len(some) > 3 else ''}"
        for verb, some in (("lacks", set(wanted) - set(names)), ("has", set(names) - set(wanted)))
        if some
    ]
    if faults:
        raise UserError(
            f"the classes of {where} are not the model's: it {' and '.join(faults)}; give images "
            "of the same classes, by name."
        )
    return np.array([wanted.index(name) for name in names], np.int32)


def _fitted(images, shape):
    if isinstance(images, StreamedImages):
        return images.changed(lambda image: np.asarray(fit_image(image, shape)), shape)
    parts = [fit_image(images[i : i + 1000], shape) for i in range(0, len(images), 1000)]
    return np.concatenate([np.asarray(part) for part in parts])
