"""What a served model can be asked: functions of a SavedModel, with names, shapes and types."""

import keras
import tensorflow as tf

from dtp_tf.export.decoding import decoder
from dtp_tf.export.healthy import healthy

SHOWN = 5  # classes per answer, best first
ENCODED = "image/encoded"  # the feature of a tf.Example that holds an image file
CLASSIFY = "tensorflow/serving/classify"  # the method of the `:classify` API


def write_saved_model(classifier, class_names, path, probabilities=True):
    """Write a SavedModel that answers by three signatures, or without classes by the first two.

    `serving_default`: `images`, uint8 `(n, H, W, C)` -> `classes`, string `(n, k)`, and `scores`,
    float32 `(n, k)`, best first (k = 5 at most), and `probabilities`, float32 `(n, classes)`, in
    the order of the labels; `outputs` in their place where they are none. Without classes,
    `outputs` alone.

    `image_bytes`: `image_bytes`, string `(n,)` of image files -> the same, and `errors`, string
    `(n,)`, empty where all is well.

    `classify`: `inputs`, string `(n,)` of serialized tf.Examples with an image file in the feature
    `image/encoded` -> `classes` and `scores` alone, as the `:classify` API wants it.

    Inputs of another shape are an error. So is a file that cannot be read if it comes alone; among
    others its row is marked, see `mark`.

    Args:
        classifier: a Keras model, uint8 images -> class probabilities, or other numbers.
        class_names: one name per class; None where there are no classes.
        path: a folder that does not exist.
        probabilities: whether the numbers are probabilities.
    """
    pixels = tf.TensorSpec(classifier.input_shape, tf.uint8, name="images")
    files = tf.TensorSpec((None,), tf.string, name="image_bytes")
    examples = tf.TensorSpec((None,), tf.string, name="inputs")
    shape = tuple(classifier.input_shape[1:])
    decode = decoder(shape)

    def serving_default(images):
        return answer(classifier, class_names, checked(images, "images", shape), probabilities)

    def image_bytes(image_bytes):
        files = checked(image_bytes, "image_bytes", ())
        pixels, errors = decode(files)
        return mark(answer(classifier, class_names, pixels, probabilities), errors)

    def classify(inputs):
        whole = image_bytes(encoded_images(checked(inputs, "inputs", ())))
        return {"classes": whole["classes"], "scores": whole["scores"]}

    archive = keras.export.ExportArchive()
    archive.add_endpoint("serving_default", serving_default, input_signature=[pixels])
    archive.add_endpoint("image_bytes", image_bytes, input_signature=[files])
    if class_names is not None:
        archive.add_endpoint("classify", classify, input_signature=[examples])
    archive.write_out(str(path), verbose=False)
    if class_names is not None:
        _set_method(path, "classify", CLASSIFY)


def numbers_name(class_names, probabilities=True):
    """Return under which name an export answers with all that the network gives."""
    return "probabilities" if probabilities and class_names is not None else "outputs"


def answer(classifier, class_names, images, probabilities=True):
    """Return the named outputs for uint8 images `(n, H, W, C)`."""
    numbers = tf.cast(classifier(images, training=False), tf.float32)
    name = numbers_name(class_names, probabilities)
    if class_names is None:
        return {name: numbers}
    scores, indices = tf.math.top_k(numbers, k=min(SHOWN, len(class_names)))
    # A constant instead of a lookup table, which a server would have to initialize.
    classes = tf.gather(tf.constant([str(name) for name in class_names]), indices)
    return {"classes": classes, "scores": scores, name: numbers}


def mark(outputs, errors):
    """Return the outputs with `errors`, string `(n,)`, and so that no bad row can be an answer.

    Where there is an error, class names are empty and numbers are -1.
    """
    bad = (errors != "")[:, None]
    nothing = {name: "" if values.dtype == tf.string else -1.0 for name, values in outputs.items()}
    marked = {name: tf.where(bad, nothing[name], values) for name, values in outputs.items()}
    return {**marked, "errors": errors}


def checked(values, name, sizes):
    """Return an input after a check of its shape `(n, *sizes)`.

    A server gives the graph what arrives, and operations like a reshape take any shape of as many
    values. The shape in the signature does not help: it makes TensorFlow leave checks out.
    """
    raw = tf.raw_ops.PlaceholderWithDefault(input=values, shape=tf.TensorShape(None))
    shape = tf.shape(raw)
    fits = tf.cond(
        tf.size(shape) == 1 + len(sizes),
        lambda: tf.reduce_all(shape[1:] == tf.constant(sizes, tf.int32)),
        lambda: False,
    )
    wanted = ", ".join(map(str, ("n", *sizes)))
    arrived = tf.strings.reduce_join(tf.strings.as_string(shape), separator=", ")
    text = tf.strings.join([f"`{name}` must have the shape ({wanted}), not (", arrived, ")"])
    with tf.control_dependencies([tf.debugging.Assert(fits, [text])]):
        return tf.ensure_shape(tf.identity(raw), (None, *sizes))


def encoded_images(examples):
    """Return the image files `(n,)` in serialized tf.Examples `(n,)`.

    Among several, one that is none has the file "".
    """

    def parse(serialized, **default):
        feature = tf.io.FixedLenFeature((), tf.string, **default)
        return tf.io.parse_example(serialized, {ENCODED: feature})[ENCODED]

    def several():
        sound = healthy(lambda one: tf.strings.length(parse(one[None])), examples)
        return parse(tf.where(sound, examples, ""), default_value="")

    return tf.cond(tf.size(examples) > 1, several, lambda: parse(examples))


def _set_method(path, signature, method):
    """Give a signature the method that a server's API looks for; Keras writes `predict` to all."""
    updater = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(str(path))
    updater.replace_method_name(signature_key=signature, method_name=method, tags="serve")
    updater.save()
