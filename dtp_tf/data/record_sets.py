"""Record files of images and labels -> `ImageData`. Splits are drawn as those of a folder are."""

import collections
import glob
import hashlib
import os
import re

import numpy as np
import tensorflow as tf

from dtp_tf.data.folder_sets import drawn_split
from dtp_tf.data.folders import SPLIT_OF, SPLITS
from dtp_tf.data.image_files import decode_pixels
from dtp_tf.data.images import fit_image, input_shape
from dtp_tf.data.memory import choose_reading
from dtp_tf.data.record_files import RecordFiles
from dtp_tf.data.record_labels import class_numbers_of
from dtp_tf.data.record_notes import RecordNotes
from dtp_tf.data.splits import ImageData, RecordFacts, Split
from dtp_tf.data.streaming import KEPT, StreamedImages
from dtp_tf.errors import UserError


def load_records(recipe, test=True, in_memory="auto"):
    """Return the `ImageData` of the records that a recipe names; see `dtp_tf.data.load_data`."""
    name, paths = recipe.records, record_paths(recipe.records)
    notes = RecordNotes(recipe.image_feature or "image", recipe.label_feature or "label")
    records = RecordFiles(paths, notes.add)
    if not len(records):
        raise UserError(f"the files of `records` {name} have no records; give others.")
    names, labels = class_numbers_of(notes.labels, recipe.classes, records.place)
    shape = input_shape(name, notes.sizes, notes.channels, recipe.image_size)
    given = given_splits(paths)
    drawn = np.array([
        drawn_split(
            given.get(path), sha256.hex(), set(given.values()), recipe.validation_fraction,
            recipe.seed,
        )
        for path, sha256 in zip(notes.paths, notes.hashes, strict=True)
    ])  # fmt: skip
    leaks = _leaks(drawn, notes.hashes) if given else np.zeros(len(drawn), bool)
    wanted = [split for split in SPLITS if test or split != "test"]
    count = int(np.isin(drawn[~leaks], wanted).sum())
    reading = choose_reading(f"records {name}", count, shape, in_memory)

    def read(number):
        where = records.place(number)
        content = notes.image(records[number], where)
        with tf.device("CPU"):
            return np.asarray(fit_image(decode_pixels(content, f"in {where}"), shape))

    kept = KEPT if reading.streamed else 0
    everything = Split(StreamedImages(read, (len(records), *shape), kept), labels)
    take = everything.part if reading.streamed else everything.take
    splits = {split: take(np.flatnonzero((drawn == split) & ~leaks)) for split in wanted}
    origin = "the records' own" if "test" in given.values() else (
        "20 % of the records, the same for every seed"
    )
    return ImageData(
        name, **dict.fromkeys(SPLITS) | splits, class_names=names, test_origin=origin,
        records=_facts(paths, notes.hashes, drawn, labels, leaks), reading=reading.said,
    )  # fmt: skip


def record_paths(pattern):
    """Return the files that a pattern names, sorted.

    Raises:
        UserError: there are none.
    """
    found = sorted(glob.glob(os.path.expanduser(pattern), recursive=True))
    files = [path for path in found if not os.path.isdir(path)]
    if not files:
        what = "is a folder" if found else "matches no file"
        raise UserError(
            f"`records` {pattern} {what}; give a file of records, or a pattern in quotes, such as "
            "'FOLDER/*.tfrecord'."
        )
    return files


def given_splits(paths):
    """Return the split of each file, by its path, where names say so; empty where they do not.

    Names have words such as `train` in them, `train-00000-of-00010`, and those of all files do.

    Raises:
        UserError: some files are of splits, others are not.
    """
    words = {path: re.split(r"[^a-z]+", os.path.basename(path).lower()) for path in paths}
    found = {
        path: next((SPLIT_OF[word] for word in some if word in SPLIT_OF), None)
        for path, some in words.items()
    }
    splits = set(found.values()) - {None}
    if "train" not in splits or len(splits) == 1:
        return {}
    other = next((path for path, split in found.items() if split is None), None)
    if other is not None:
        raise UserError(
            f"the names of the record files say {' and '.join(sorted(splits))}, and {other} says "
            "nothing; give files of splits alone, or none."
        )
    return found


def _leaks(drawn, hashes):
    """Return which records are left out: an image that tests, or validates, is the same."""
    order = {"test": 0, "validation": 1, "train": 2}
    first = {}
    for split, sha256 in zip(drawn, hashes, strict=True):
        first[sha256] = min(first.get(sha256, 2), order[split])
    return np.array(
        [order[split] > first[sha256] for split, sha256 in zip(drawn, hashes, strict=True)]
    )


def _facts(paths, hashes, drawn, labels, leaks):
    counts = collections.Counter(hashes)
    copies = [count for count in counts.values() if count > 1]
    digest = hashlib.sha256()
    for line in sorted(
        f"{sha256.hex()} {split} {label}"
        for sha256, split, label, leak in zip(hashes, drawn, labels, leaks, strict=True)
        if not leak
    ):
        digest.update(line.encode() + b"\n")
    return RecordFacts(
        tuple(paths), digest.hexdigest(), int(leaks.sum()), (sum(copies), len(copies))
    )
