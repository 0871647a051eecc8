"""Sets of TensorFlow Datasets that are read into memory are what TFDS reads, image by image."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from data_support import refusal

from dtp_tf.data import tfds_in_memory
from dtp_tf.data.tfds_in_memory import read_split


class TinyNoise(tfds.core.GeneratorBasedBuilder):
    """Images of one size; with 120 of them, which are no whole number of fifties."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(4, 3, 1)),
            "name": tfds.features.Text(),
            "label": tfds.features.ClassLabel(num_classes=7),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, manager):
        return {"train": self._generate_examples(120), "test": self._generate_examples(50)}

    def _generate_examples(self, count):
        images = np.random.default_rng(count).integers(256, size=(count, 4, 3, 1), dtype=np.uint8)
        for i, image in enumerate(images):
            yield i, {"image": image, "name": f"image {i}", "label": i % 7}


@pytest.fixture
def builder(tmp_path):
    builder = tfds.builder("tiny_noise", data_dir=str(tmp_path))
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(num_shards=3))
    return builder


def read(builder, split="train", shape=(4, 3, 1)):
    return read_split(builder, split, "image", "label", shape)


def rewrite(path, change):
    """Write a file of records anew, with a change of the list of them."""
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in change(records):
            writer.write(record)


@pytest.mark.parametrize("small", [20_000, 0], ids=["together", "one by one"])
@pytest.mark.parametrize(("split", "count"), [("train", 120), ("test", 50)])
def test_images_and_labels_come_in_the_order_of_the_files(
    builder, monkeypatch, split, count, small
):
    monkeypatch.setattr(tfds_in_memory, "_SMALL", small)
    config = tfds.ReadConfig(interleave_cycle_length=1)
    examples = list(tfds.as_numpy(builder.as_dataset(split=split, read_config=config)))
    found = read(builder, split)
    assert len(found) == len(examples) == count
    np.testing.assert_array_equal(found.images, [example["image"] for example in examples])
    np.testing.assert_array_equal(found.labels, [example["label"] for example in examples])
    assert (found.images.dtype, found.labels.dtype) == (np.uint8, np.int32)


@pytest.mark.parametrize(
    "change",
    [
        lambda records: records[:-1],
        lambda records: records[:-20],
        lambda records: [*records, *records[:10]],
        lambda records: [*records[:-1], b"no example"],
        lambda records: [*records[:-1], tf.train.Example().SerializeToString()],
        lambda records: [*records[:-1], records[-1].replace(b"IHDR", b"IHDX")],
    ],
    ids=["one missing", "many missing", "too many", "no example", "empty", "no image"],
)
def test_files_that_are_not_what_the_set_says_are_damaged(builder, change):
    rewrite(builder.info.splits["train"].filepaths[1], change)
    text = refusal(read, builder)
    assert "the files of data set 'tiny_noise' are damaged" in text and "prepare it again" in text


def test_a_file_that_is_cut_off_or_gone_is_damaged(builder):
    path = builder.info.splits["train"].filepaths[2]
    path.write_bytes(path.read_bytes()[:-5])
    assert "damaged" in refusal(read, builder)
    path.unlink()
    assert "damaged" in refusal(read, builder)
