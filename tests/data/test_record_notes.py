"""What is noted of records while their files are read for the first time."""

import hashlib

import pytest
import tensorflow as tf

from dtp_tf.data.record_notes import RecordNotes
from dtp_tf.errors import UserError


def picture(height, width, channels=3):
    return tf.io.encode_png(tf.zeros((height, width, channels), tf.uint8)).numpy()


def record(**features):
    """Return a serialized Example; bytes and numbers become features of that kind."""
    kinds = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        if isinstance(value, bytes)
        else tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        for name, value in features.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=kinds)).SerializeToString()


def test_label_hash_file_and_size_of_each_record_are_noted():
    notes, grey = RecordNotes(), picture(4, 6, 1)
    notes.add("a", 0, record(image=grey, label=3))
    notes.add("b", 0, record(image=picture(5, 6), label=1))
    assert (notes.labels, notes.paths) == ([3, 1], ["a", "b"])
    assert notes.hashes[0] == hashlib.sha256(grey).digest() != notes.hashes[1]
    assert (notes.sizes, notes.channels) == ({(4, 6), (5, 6)}, 3)
    assert notes.image(record(image=grey, label=3), "record 0 of a") == grey


def test_names_and_features_of_other_names_are_taken():
    notes = RecordNotes("x", "y")
    notes.add("a", 0, record(x=picture(4, 4), y="cat é".encode()))
    assert notes.labels == ["cat é"]


@pytest.mark.parametrize(
    "content, said",
    [
        (b"\xff\xff", "record 7 of a is no tf.train.Example"),
        (record(label=1), "has no feature 'image', it has label"),
        (record(image=1, label=1), "feature 'image' of record 7 of a is not one value"),
        (record(image=picture(4, 4), label=-1), "has the label -1"),
        (record(image=b"no picture", label=1), "record 7 of a"),
    ],
    ids=["no example", "no image", "another kind", "below 0", "no picture"],
)
def test_what_is_no_labelled_image_is_refused_by_its_place(content, said):
    notes = RecordNotes()
    with pytest.raises(UserError, match=said):
        notes.add("a", 7, content)
    assert notes.labels == notes.hashes == notes.paths == []
