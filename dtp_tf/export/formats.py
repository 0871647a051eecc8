"""The forward network alone in formats for other runtimes, written by Keras and checked by running.

Both take uint8 images `(n, H, W, C)` and give class probabilities, or other numbers: float32
`(n, units)`.
"""

import contextlib
import importlib.util
import logging
import warnings

import keras
import numpy as np
import tensorflow as tf

from dtp_tf.errors import UserError

INPUT = "images"
FILES = {"onnx": "model.onnx", "litert": "model.tflite"}  # by the name that Keras gives the format
PACKAGES = {"onnx": ("tf2onnx", "onnx", "onnxruntime"), "litert": ()}  # beside TensorFlow


def require_packages(kind):
    """Raise `UserError` if a format needs packages that are not installed."""
    missing = [name for name in PACKAGES[kind] if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"format {kind} needs {', '.join(missing)}; install what is missing with "
            f"pip install 'dtp-tf[{kind}]'."
        )


def write_format(classifier, kind, path):
    """Write a classifier in another format.

    Args:
        classifier: a Keras model of stock layers, uint8 images -> numbers.
        kind: "onnx" or "litert".
        path: of the file, with the suffix of the format.

    Raises:
        UserError: the network cannot be converted.
    """
    spec = tf.TensorSpec(classifier.input_shape, tf.uint8, name=INPUT)
    with _refusing(f"the network cannot be written as {kind}"):
        with _quiet(), _constant_statistics(classifier):
            classifier.export(str(path), format=kind, verbose=False, input_signature=[spec])


def run_format(kind, path, images):
    """Return the numbers that a written file gives for uint8 images.

    Raises:
        UserError: it cannot be run; a converter may write operations that no runtime knows.
    """
    with _refusing(f"the network cannot be run as {kind}"):
        return {"onnx": _run_onnx, "litert": _run_litert}[kind](str(path), images)


@contextlib.contextmanager
def _refusing(what):
    try:
        yield
    except OSError:  # full disk
        raise
    except Exception as error:  # converters and runtimes raise whatever they like
        reason = " ".join(str(error).split())[-160:]  # they say first where, then what
        raise UserError(f"{what} ({reason}).") from error


def _run_onnx(path, images):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(None, {INPUT: images})
    return probabilities


def _run_litert(path, images):
    with _quiet():  # this interpreter, which TensorFlow brings along, announces a successor
        interpreter = tf.lite.Interpreter(path)
    (probabilities,) = interpreter.get_signature_runner()(**{INPUT: images}).values()
    return probabilities


@contextlib.contextmanager
def _quiet():
    """Keep what the converters tell from the user: whatever matters is seen when the file runs."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def _constant_statistics(classifier):
    """Let `Normalization` layers hold arrays in the block, which become constants of a graph.

    They hold tensors, which the ONNX converter takes for inputs that the caller has to feed.
    """
    layers = [one for one in classifier.layers if isinstance(one, keras.layers.Normalization)]
    before = [(layer.mean, layer.variance) for layer in layers]
    try:
        for layer in layers:
            layer.mean, layer.variance = np.asarray(layer.mean), np.asarray(layer.variance)
        yield
    finally:
        for layer, (mean, variance) in zip(layers, before, strict=True):
            layer.mean, layer.variance = mean, variance
