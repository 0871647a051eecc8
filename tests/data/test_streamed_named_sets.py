"""Sets of TensorFlow Datasets stream from their own files, with the pixels of those in memory."""

import io

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from data_support import refusal
from photos_support import photo

from dtp_tf.data.sets import load_data
from dtp_tf.data.streaming import StreamedImages, faults_told
from dtp_tf.data.tfds_records import streamed_split
from dtp_tf.recipes.recipe import recipe


class TinyPhotos(tfds.core.GeneratorBasedBuilder):
    """Photos of several sizes."""

    VERSION = tfds.core.Version("1.0.0")
    shape, kind = (None, None, 3), "JPEG"

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=self.shape, encoding_format=self.kind.lower()),
            "label": tfds.features.ClassLabel(names=["cat", "dog", "fox"]),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, manager):
        return {"train": self._generate_examples(0, 25), "test": self._generate_examples(50, 9)}

    def _generate_examples(self, start, count):
        for i in range(start, start + count):
            size = (9 + i % 3, 8) if self.shape[0] is None else self.shape[:2]
            content = io.BytesIO()
            photo(i, i % 3, size).save(content, self.kind)
            yield i, {"image": io.BytesIO(content.getvalue()), "label": i % 3}


class TinyPngs(TinyPhotos):
    """Photos of one size."""

    shape, kind = (7, 6, 3), "PNG"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("tfds")


def prepared(name, data_dir, file_format="tfrecord"):
    """Return the folder of a set that is prepared in a kind of files."""
    folder = data_dir / file_format
    if not (folder / name).exists():
        builder = tfds.builder(name, data_dir=str(folder), file_format=file_format)
        builder.download_and_prepare()
    return folder


def load(name, folder, in_memory, **settings):
    asked = recipe("digits", dataset=name, **settings)
    return load_data(asked, folder, in_memory=in_memory)


def assert_same(here, there):
    assert here.class_names == there.class_names and here.test_origin == there.test_origin
    for split in ("train", "validation", "test"):
        one, other = getattr(here, split), getattr(there, split)
        assert isinstance(other.images, StreamedImages)
        np.testing.assert_array_equal(one.images, other.images[:])
        np.testing.assert_array_equal(one.labels, other.labels)


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("tiny_photos", {"image_size": (5, 4)}),
        ("tiny_pngs", {}),
        ("tiny_pngs", {"image_size": (9, 9)}),
    ],
    ids=["jpeg", "png", "enlarged"],
)
@pytest.mark.slow
def test_streamed_pixels_are_those_in_memory(data_dir, name, settings, file_format):
    here = load(name, prepared(name, data_dir), "yes", **settings)
    folder = prepared(name, data_dir, file_format)
    assert_same(here, load(name, folder, "no", **settings))
    if file_format == "array_record":
        assert isinstance(load(name, folder, "yes", **settings).train.images, np.ndarray)


@pytest.mark.slow
def test_a_set_in_several_files_is_read_in_their_order(tmp_path):
    builder = tfds.builder("tiny_pngs", data_dir=str(tmp_path))
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(num_shards=3)
    )
    assert len(builder.info.splits["train"].filepaths) == 3
    assert_same(load("tiny_pngs", tmp_path, "yes"), load("tiny_pngs", tmp_path, "no"))


def test_a_damaged_image_is_named_by_its_record(tmp_path, monkeypatch):
    builder = tfds.builder("tiny_pngs", data_dir=str(prepared("tiny_pngs", tmp_path)))
    path = str(builder.info.splits["train"].filepaths[0])
    records = [one.numpy() for one in tf.data.TFRecordDataset(path)]
    example = tf.train.Example.FromString(records[7])
    example.features.feature["image"].bytes_list.value[0] = b"\x89PNG no image"
    records[7] = example.SerializeToString()
    with tf.io.TFRecordWriter(path) as writer:
        for record in records:
            writer.write(record)
    split = streamed_split(builder, "train", "image", "label", (7, 6, 3))

    def read():
        with faults_told():
            list(split.batches(5))

    assert f"the image in record 7 of {path} of 'tiny_pngs' is damaged" in refusal(read)


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_files_that_are_damaged_change_or_vanish_are_named(tmp_path, file_format):
    folder = prepared("tiny_pngs", tmp_path, file_format)
    data = load("tiny_pngs", folder, "no")
    [path] = folder.glob("*/*/*train*")
    content = path.read_bytes()
    path.write_bytes(content + b" ")
    assert f"record file {path} has changed" in refusal(lambda: data.train.images[0])
    path.write_bytes(content[:100] + b"x" * 100 + content[200:])
    assert f"record file {path} is damaged" in refusal(load, "tiny_pngs", folder, "no")
    assert "damaged" in refusal(load, "tiny_pngs", folder, "yes")
    path.unlink()
    assert f"record file {path} cannot be read" in refusal(lambda: data.train.images[0])
