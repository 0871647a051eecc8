"""Files of records such as people have, made here."""

import io

import tensorflow as tf
from array_record.python.array_record_module import ArrayRecordWriter
from photos_support import photo


def encoded(number, label=0, kind="PNG", size=(6, 5)):
    """Return the bytes of an image."""
    content = io.BytesIO()
    photo(number, label, size).save(content, kind)
    return content.getvalue()


def example(**features):
    """Return a serialized Example; "/" in names is written `__`."""
    kinds = {bytes: "bytes_list", int: "int64_list", float: "float_list"}
    found = {}
    for name, value in features.items():
        values = value if isinstance(value, list) else [value]
        kind = kinds[type(values[0])]
        found[name.replace("__", "/")] = tf.train.Feature(**{kind: {"value": values}})
    return tf.train.Example(features=tf.train.Features(feature=found)).SerializeToString()


def write(path, records):
    """Write records, as TFRecord or, by the name, as ArrayRecord."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if "array" in path.name:
        writer = ArrayRecordWriter(str(path), "group_size:1")
        for record in records:
            writer.write(record)
        writer.close()
        return path
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return path


def photos(start, count, classes=3, kinds=("PNG", "JPEG", "WEBP", "BMP"), **options):
    """Return records of photos of all classes."""
    return [
        example(image=encoded(i, i % classes, kinds[i % len(kinds)], **options), label=i % classes)
        for i in range(start, start + count)
    ]
