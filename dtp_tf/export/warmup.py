"""Warm-up requests: what a server asks a new version before it gives it any client's request."""

import pathlib

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import ClassifyLog, PredictionLog, PredictLog

from dtp_tf.data.image_files import encode_pixels
from dtp_tf.export.signatures import ENCODED

SIZES = (1, 8)  # images per request
FILE = "tf_serving_warmup_requests"  # in `assets.extra`; the name that servers look for


def write_warmup(path, name, images, classify=True):
    """Write requests to every signature of an export.

    Args:
        path: of the SavedModel.
        name: of the model, as clients call it.
        images: uint8 `(n, H, W, C)`; the requests show the first of them.
        classify: whether there is a signature for the `:classify` API.
    """
    folder = pathlib.Path(path) / "assets.extra"
    folder.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / FILE)) as writer:
        for request in warmup_requests(name, images, classify):
            writer.write(request.SerializeToString(deterministic=True))


def warmup_requests(name, images, classify=True):
    """Return a `PredictionLog` for each signature with one image and with a small batch."""
    logs = []
    for batch in [images[:size] for size in SIZES]:
        files = [encode_pixels(image) for image in batch]
        logs.append(_predict(name, "serving_default", "images", batch))
        logs.append(_predict(name, "image_bytes", "image_bytes", np.array(files, object)))
        if classify:
            logs.append(_classify(name, [example(file) for file in files]))
    return logs


def example(file):
    """Return a `tf.train.Example` with an image file, bytes."""
    value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[file]))
    return tf.train.Example(features=tf.train.Features(feature={ENCODED: value}))


def _predict(name, signature, key, value):
    request = PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = name, signature
    request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return PredictionLog(predict_log=PredictLog(request=request))


def _classify(name, examples):
    request = ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = name, "classify"
    request.input.example_list.examples.extend(examples)
    return PredictionLog(classify_log=ClassifyLog(request=request))
