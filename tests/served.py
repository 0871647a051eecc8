"""A small classifier, and the SavedModel of it that a server gets."""

import keras
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from dtp_tf.runs.models import save_model

NAMES = ["zero", "eins", "dos", "trois", "[4]", "fünf", "六", "seven 7", "acht", "nine"]
SHOWN = 5


def small_classifier(seed=0):
    """Return a Keras model, uint8 `(n, 8, 8, 1)` -> 10 probabilities, without training."""
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1), dtype="uint8"),
            keras.layers.Rescaling(1 / 32),
            keras.layers.Flatten(),
            keras.layers.Dense(10, "softmax", kernel_initializer="glorot_normal"),
        ]
    )


def save_classifier(classifier, path):
    """Write a `.keras` file that the commands take as a model."""
    save_model(classifier, path, {"class_names": NAMES})


class _Served(tf.Module):
    def __init__(self, classifier):
        super().__init__()
        weights = classifier.layers[-1].get_weights()
        self.kernel, self.bias = (tf.Variable(value) for value in weights)

    @tf.function(input_signature=[tf.TensorSpec((None, 8, 8, 1), tf.uint8, "images")])
    def pixels(self, images):
        flat = tf.reshape(tf.cast(images, tf.float32) / 32, (-1, 64))
        probabilities = tf.nn.softmax(flat @ self.kernel + self.bias)
        scores, indices = tf.math.top_k(probabilities, SHOWN)
        classes = tf.gather(tf.constant(NAMES), indices)
        return {"classes": classes, "scores": scores, "probabilities": probabilities}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, "image_bytes")])
    def encoded(self, image_bytes):
        def decode(content):
            image = tf.io.decode_image(content, expand_animations=False)
            if_colour = tf.shape(image)[-1] == 3
            grey = tf.cond(if_colour, lambda: tf.image.rgb_to_grayscale(image), lambda: image)
            resized = tf.image.resize(grey, (8, 8), antialias=True)
            return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)

        spec = tf.TensorSpec((8, 8, 1), tf.uint8)
        return self.pixels(tf.map_fn(decode, image_bytes, fn_output_signature=spec))

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, "inputs")])
    def examples(self, inputs):
        features = {"image/encoded": tf.io.FixedLenFeature((), tf.string)}
        outputs = self.encoded(tf.io.parse_example(inputs, features)["image/encoded"])
        return {"classes": outputs["classes"], "scores": outputs["scores"]}


def write_version(classifier, path, signatures=("serving_default", "image_bytes", "classify")):
    """Write the SavedModel of a classifier with some of its signatures."""
    served = _Served(classifier)
    functions = {
        "serving_default": served.pixels,
        "image_bytes": served.encoded,
        "classify": served.examples,
    }
    tf.saved_model.save(served, str(path), {name: functions[name] for name in signatures})
    if "classify" in signatures:
        _name_the_method(path / "saved_model.pb")


def _name_the_method(path):
    # TensorFlow writes every signature as one for `:predict`.
    content = saved_model_pb2.SavedModel()
    content.ParseFromString(path.read_bytes())
    (graph,) = content.meta_graphs
    graph.signature_def["classify"].method_name = "tensorflow/serving/classify"
    path.write_bytes(content.SerializeToString())
