"""A split of a TFDS set, read into memory."""

import math

import numpy as np
import tensorflow as tf

from dtp_tf.data.aligned import empty_images
from dtp_tf.data.images import fit_image
from dtp_tf.data.splits import Split, untuned
from dtp_tf.data.streaming import PARALLEL
from dtp_tf.data.tfds_builders import one_line
from dtp_tf.data.tfds_records import ARRAY_RECORD, TF_RECORD, streamed_split
from dtp_tf.errors import UserError

_SMALL = 20_000  # bytes of an image that takes no longer to decode than what is done around it
_TOGETHER = 50  # small images that one call decodes


def read_split(builder, split, image_key, label_key, shape):
    """Return a split of a TFDS builder, in the order of its files.

    Args:
        builder: of a set that is prepared.
        split: the split's name.
        image_key, label_key: the features that count.
        shape: (height, width, channels) that each image is resized to.

    Raises:
        UserError: damaged files.
    """
    kind, size = builder.info.file_format.value, builder.info.features[image_key].shape
    if kind == ARRAY_RECORD:  # which TFDS has no pipeline for
        return streamed_split(builder, split, image_key, label_key, shape, kept=0).take(slice(None))
    count = builder.info.splits[split].num_examples
    images, labels = empty_images((count, *shape)), np.empty(count, np.int32)
    small = None not in size and math.prod(size) <= _SMALL
    batches = _several if small and kind == TF_RECORD else _one_by_one
    start = 0
    try:
        for part in batches(builder, split, image_key, label_key, shape).as_numpy_iterator():
            end = min(start + len(part[0]), count)
            images[start:end], labels[start:end] = (values[: end - start] for values in part)
            start = end
    except tf.errors.OpError as error:
        raise UserError(
            f"the files of data set {builder.name!r} are damaged ({one_line(error.message)}); "
            "prepare it again."
        ) from None
    return Split(images, labels)


def _one_by_one(builder, split, image_key, label_key, shape):
    """Return batches that TFDS decodes."""
    import tensorflow_datasets as tfds

    @tf.autograph.experimental.do_not_convert
    def fit(e):
        return fit_image(e[image_key], shape), e[label_key]

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
    return examples.map(fit, num_parallel_calls=PARALLEL).batch(100)


def _several(builder, split, image_key, label_key, shape):
    """Return batches of small images of one size, the last one filled up with the first image."""
    files, feature = builder.info.splits[split].filepaths, builder.info.features[image_key]
    count = builder.info.splits[split].num_examples
    features = {
        image_key: tf.io.FixedLenFeature((), tf.string),
        label_key: tf.io.FixedLenFeature((), tf.int64),
    }

    @tf.autograph.experimental.do_not_convert
    def decode(records):
        found = tf.io.parse_example(records, features)
        images = map(feature.decode_example, tf.unstack(found[image_key], _TOGETHER))
        return fit_image(tf.stack(list(images)), shape), found[label_key]

    records = tf.data.TFRecordDataset([str(file) for file in files])
    more = records.take(1).repeat(-count % _TOGETHER)
    records = records.apply(tf.data.experimental.assert_cardinality(count)).concatenate(more)
    batches = records.batch(_TOGETHER, drop_remainder=True)
    return batches.map(decode, num_parallel_calls=2 * PARALLEL).with_options(untuned())
