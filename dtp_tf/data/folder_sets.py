"""A folder of images -> `ImageData`. Which split an image is in, its content alone decides.

Each image draws its split by the hash of its bytes: neither its name nor what else is in the
folder can move it to another one, and copies of it are in the same.
"""

import collections
import dataclasses
import hashlib

import numpy as np

from dtp_tf.data.folders import LEAK, SPLITS, find_images
from dtp_tf.data.images import folder_images, image_files, input_shape, sizes_of
from dtp_tf.data.memory import choose_reading
from dtp_tf.data.splits import HELD_OUT_TEST, FolderFacts, ImageData, Split
from dtp_tf.data.streaming import KEPT
from dtp_tf.errors import UserError


def load_folder(recipe, test=True, in_memory="auto"):
    """Return the `ImageData` of the folder that a recipe names; see `dtp_tf.data.load_data`."""
    name = str(recipe.image_folder)
    found = find_images(recipe.image_folder)
    files = image_files(found)
    shape = input_shape(name, *sizes_of(files), recipe.image_size)
    drawn = draw_splits(files, recipe.validation_fraction, recipe.seed)
    files, leaks = without_leaks(drawn)
    _check_training(found, files)
    if leaks:
        found.left_out[LEAK] = [file.path for file in leaks]
    wanted = [split for split in SPLITS if test or split != "test"]
    count = sum(file.split in wanted for file in files)
    reading = choose_reading(f"image folder {name}", count, shape, in_memory)
    splits = dict.fromkeys(SPLITS) | _splits(files, wanted, shape, reading.streamed)
    if "test" in found.images:
        origin = "the folder's own"
    else:
        origin = "20 % of the folder, the same for every seed"
    facts = FolderFacts(found.path, tuple(files), found.left_out)
    return ImageData(
        name, **splits, class_names=tuple(found.class_names), test_origin=origin, folder=facts,
        reading=reading.said,
    )  # fmt: skip


def draw_splits(files, validation_fraction, seed):
    """Return `ImageFile`s with their splits: those of the folder, and drawn for all others.

    What a folder has not set apart is drawn from its training images: the test split is the same
    for every seed.
    """
    given = {file.split for file in files}
    return [
        dataclasses.replace(
            file, split=drawn_split(file.split, file.sha256, given, validation_fraction, seed)
        )
        for file in files
    ]


def drawn_split(split, sha256, given, validation_fraction, seed):
    """Return the split of an image.

    Args:
        split: the one that it is given, or None.
        sha256: the hash of its content.
        given: all that are given.
        validation_fraction, seed: of what has no split yet, or is to train.
    """
    if split in ("validation", "test"):
        return split
    if "test" not in given and share(sha256, "test") < HELD_OUT_TEST:
        return "test"
    drawn = share(sha256, f"validation {seed}") < validation_fraction
    return "validation" if drawn and "validation" not in given else "train"


def share(sha256, purpose):
    """Return a number in [0, 1) that depends on an image's hash and the purpose alone."""
    digest = hashlib.sha256(f"{purpose} {sha256}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def without_leaks(files):
    """Return (`ImageFile`s, those left out: in a split that the folder gives, they are identical to
    images that test, or validate, what is trained)."""
    splits = collections.defaultdict(set)
    for file in files:
        splits[file.sha256].add(file.split)

    def keeps(file):
        own = splits[file.sha256]
        return file.split == next(one for one in ("test", "validation", "train") if one in own)

    return [one for one in files if keeps(one)], [one for one in files if not keeps(one)]


def _check_training(found, files):
    """Raise `UserError` for a class of which there is nothing to learn from."""
    trained = collections.Counter(file.label for file in files if file.split == "train")
    if not trained:
        return  # the split is too small, whatever the class
    for label, name in enumerate(found.class_names):
        if not trained[label]:
            count = sum(file.label == label for file in files)
            raise UserError(
                f"class {name!r} of {found.path} has {count} image(s), none of them in the "
                "training split; add more."
            )


def _splits(files, wanted, shape, streamed):
    """Return {split: `Split`}; streamed ones share what they keep in memory."""
    of_splits = {split: [file for file in files if file.split == split] for split in wanted}
    everything, splits, end = folder_split(sum(of_splits.values(), []), shape, streamed), {}, 0
    for split, chosen in of_splits.items():
        start, end = end, end + len(chosen)
        splits[split] = everything.part(slice(start, end))
    return splits


def folder_split(files, shape, streamed, numbers=None):
    """Return the `Split` of `ImageFile`s; `numbers`, if given, are those of their classes."""
    images = folder_images(files, shape, KEPT if streamed else 0)
    labels = np.array([file.label for file in files], np.int32)
    return Split(images if streamed else images[:], labels if numbers is None else numbers[labels])
