"""A split of a TFDS set whose images stay on the disk, in the set's own files."""

import numpy as np
import tensorflow as tf

from dtp_tf.data.images import fit_image
from dtp_tf.data.record_files import RecordFiles
from dtp_tf.data.splits import Split
from dtp_tf.data.streaming import KEPT, StreamedImages
from dtp_tf.errors import UserError

TF_RECORD, ARRAY_RECORD = "tfrecord", "array_record"  # TFDS's names of kinds of files


def streamed_split(builder, split, image_key, label_key, shape, kept=KEPT):
    """Return the streamed `Split` of a TFDS builder's split; its files are read once, for labels.

    Args:
        builder: of a set that is prepared.
        split: the split's name.
        image_key, label_key: the features that count.
        shape: (height, width, channels) that each image is resized to.
        kept: see `StreamedImages`.

    Raises:
        UserError: files of another kind than TFRecord and ArrayRecord, or damaged ones.
    """
    kind = builder.info.file_format.value
    if kind not in (TF_RECORD, ARRAY_RECORD):
        raise UserError(
            f"data set {builder.name!r} is in {kind} files, which cannot be read image by image; "
            "prepare it as array_record, or hold it in memory (--in-memory yes)."
        )
    labels, feature = [], builder.info.features[image_key]
    records = RecordFiles(
        builder.info.splits[split].filepaths,
        lambda path, number, record: labels.append(_values(record, label_key).int64_list.value[0]),
    )

    def read(number):
        encoded = _values(records[number], image_key).bytes_list.value[0]
        try:
            with tf.device("CPU"):  # as the pipeline that reads all
                return np.asarray(fit_image(feature.decode_example(encoded), shape))
        except (tf.errors.OpError, ValueError):
            raise UserError(
                f"the image in {records.place(number)} of {builder.name!r} is damaged; prepare "
                "the set again."
            ) from None

    images = StreamedImages(read, (len(records), *shape), kept)
    return Split(images, np.array(labels, np.int32))


def _values(record, key):
    """Return a feature of a serialized `tf.train.Example`."""
    return tf.train.Example.FromString(record).features.feature[key]
