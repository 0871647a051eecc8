"""The images that a model is evaluated on: those of its training, or others of its classes."""

import os
import pathlib

from dtp_tf.data.other_sets import ALL, load_other
from dtp_tf.data.sets import load_recorded_data
from dtp_tf.errors import SettingError, UserError
from dtp_tf.presets.folder import file_hash
from dtp_tf.runs.folder import Run
from dtp_tf.runs.image_list import read_images_list
from dtp_tf.runs.provenance import changes


def model_split(
    saved, path, split=None, *, image_folder=None, dataset=None, data_dir=None, anyway=False,
    in_memory="auto",
):  # fmt: skip
    """Return a `Split` with labels as the model's, what it is called, and a warning or "".

    Args:
        saved: the `SavedModel`.
        path: where it was opened.
        split: see `dtp_tf.data.other_sets.load_other`; the test split of the model's own data.
        image_folder, dataset: other data; the model's own otherwise.
        data_dir: the folder of TFDS.
        anyway: whether to go on where the model's data have changed, which is then the warning.
        in_memory: see `dtp_tf.data.load_data`.

    Raises:
        UserError: the images cannot be had, have changed, or are of other classes.
    """
    if image_folder is not None or not _is_own(saved, dataset):
        found, name = load_other(
            saved.class_names, saved.image_shape(), image_folder=image_folder, dataset=dataset,
            split=split, data_dir=data_dir, in_memory=in_memory,
        )  # fmt: skip
        return found, name, ""
    if split == ALL:
        raise SettingError("`split` all is for another folder: add --image-folder.")
    split = split or "test"
    data, warning = own_data(saved, path, dataset, data_dir, in_memory)
    if warning and not anyway:
        raise UserError(
            f"{warning}; give the same data, other ones with --image-folder, or --anyway."
        )
    return getattr(data, split), f"{data.name} {split}", warning


def own_data(saved, path, dataset=None, data_dir=None, in_memory="auto"):
    """Return the `ImageData` that a model was trained on, and in what they have changed or "".

    Args:
        saved, path, dataset, data_dir, in_memory: see `model_split`.

    Raises:
        UserError: the images cannot be had, or are of other classes.
    """
    data = load_recorded_data(saved.recipe(), data_dir, dataset, in_memory)
    saved.check_fits(data)
    images = pathlib.Path(path) / Run(path).images.name
    before = saved.about.get("data")
    said = "" if before is None else changes(before, data, images if images.is_file() else None)
    return data, f"the data differ from those that the model was trained on: {said}" if said else ""


def trained_on(saved, path, images):
    """Return what a run knows of image files, and a sentence on them or "".

    Args:
        saved: the `SavedModel`.
        path: where it was opened; only a run on a folder of images has a list of them.
        images: paths of image files.

    Returns:
        For each image the split that a file of the same content is in, or None; an empty list
        where there is no list.
    """
    known = pathlib.Path(path) / Run(path).images.name
    if not known.is_file():
        return [], ""
    rows = read_images_list(known)
    by_hash = {row["sha256"]: row["split"] for row in rows}
    by_path = {
        os.path.abspath(os.path.join(saved.recipe().image_folder or "", row["path"])): row
        for row in rows
    }
    splits = [by_hash.get(file_hash(image)) for image in images]
    learned = [one for one, split in zip(images, splits, strict=True) if split == "train"]
    changed = [
        one
        for one, split in zip(images, splits, strict=True)
        if split is None and os.path.abspath(one) in by_path
    ]
    parts = [
        f"{len(some)} of {len(images)} image(s) {what} ({some[0]}{', ...' if some[1:] else ''})"
        for some, what in (
            (learned, "are those that the model learned from"),
            (changed, "have changed since the training"),
        )
        if some
    ]
    return splits, "; ".join(parts)


def _is_own(saved, dataset):
    """Whether a data set, or none, is that of the model's training."""
    if dataset is None:
        return True
    recipe = saved.about.get("recipe", {})
    others = recipe.get("image_folder"), recipe.get("records")
    return others == (None, None) and recipe.get("dataset") == dataset
