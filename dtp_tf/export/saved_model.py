"""Exports for TensorFlow Serving: written out of sight, checked, then published as a version.

    saved_model.pb, variables/     the program and its weights, see `dtp_tf.export.signatures`
    assets/labels.txt              a class name a line, in the order of the labels, if it has any
    assets/model_card.md           data, rule, recipe, accuracy, limits
    assets.extra/                  warm-up requests; what it was trained on, see
                                   `dtp_tf.export.origins`; model.onnx, model.tflite, if asked for
"""

import pathlib

import numpy as np
import tensorflow as tf

from dtp_tf.console.plain import quoted
from dtp_tf.data.image_files import encode_pixels
from dtp_tf.errors import UserError
from dtp_tf.export.formats import FILES, require_packages, run_format, write_format
from dtp_tf.export.origins import check_name, same_origin, write_origin
from dtp_tf.export.publishing import all_alike, check_directory, publish
from dtp_tf.export.signatures import numbers_name, write_saved_model
from dtp_tf.export.warmup import example, write_warmup
from dtp_tf.files import cannot_write
from dtp_tf.presets.cards import model_card

TOLERANCE = 1e-5  # largest difference of a class probability; of larger numbers, their share


def export(
    classifier,
    class_names,
    directory,
    name,
    check_images,
    *,
    probabilities=True,
    facts=None,
    formats=(),
    keep=None,
    keep_others=True,
):
    """Publish a classifier as `directory`/`name`/VERSION, the version one above the highest.

    The folder gets its number by rename, once it is complete and has been loaded afresh, by every
    signature and in every format, and compared.

    Args:
        classifier: a Keras model, uint8 images -> class probabilities, or other numbers.
        class_names: one name per class; None for a network without classes, which answers with
            its `outputs` alone.
        directory: the folder of exported models.
        name: of the model, as clients will call it.
        check_images: uint8 `(n, H, W, C)`; the export must give the classifier's scores on them.
        probabilities: whether the numbers are probabilities.
        facts: what the model card says of the training, see `dtp_tf.presets.cards.model_card`.
        formats: further formats to write to `assets.extra`: "onnx", "litert".
        keep: how many versions to keep, the highest ones; all by default.
        keep_others: whether versions of other data or of another recipe are not counted by `keep`
            and stay.

    Returns:
        The path of the new version.

    Raises:
        UserError: a name that cannot be a folder's, class names that cannot be lines or are not
            one for each score, a package
            that is not installed, a folder that cannot be written, or an export that does not give
            the same scores; nothing is left behind.
    """
    check_name(name)
    check_directory(directory)
    class_names = None if class_names is None else _checked_names(class_names, classifier)
    for kind in formats:
        require_packages(kind)
    about = {
        **(facts or {}),
        "name": name,
        "image_shape": classifier.input_shape[1:],
        "class_names": class_names,
    }
    home = pathlib.Path(directory) / name

    def write(path):
        write_saved_model(classifier, class_names, path, probabilities)
        if class_names is not None:
            _write_text(path / "assets" / "labels.txt", "".join(f"{one}\n" for one in class_names))
        _write_text(path / "assets" / "model_card.md", model_card(about))
        write_warmup(path, name, check_images, classify=class_names is not None)
        write_origin(path, about)
        for kind, file in format_paths(path, formats).items():
            write_format(classifier, kind, file)
        numbers = numbers_name(class_names, probabilities)
        _check(classifier, path, check_images, formats, numbers)

    try:
        return publish(home, write, keep, same_origin if keep_others else all_alike)
    except OSError as error:
        raise UserError(cannot_write(home, error)) from error
    except tf.errors.OpError as error:
        raise UserError(f"cannot write {home}: {error.message.splitlines()[0]}.") from error


def _write_text(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _checked_names(class_names, classifier):
    names, scores = [str(one) for one in class_names], classifier.output_shape[-1]
    for one in names:
        if "\n" in one or "\r" in one:
            raise UserError(
                f"the class name {one!r} has a line break, but labels are written a line each; "
                "rename the class."
            )
    if len(names) != scores:
        raise UserError(
            f"there are {len(names)} class names for {scores} scores; give one for each, or None "
            "for a network without classes."
        )
    return names


def _check(classifier, path, images, formats, numbers):
    """Raise `UserError` if anything in an export gives other scores than the classifier."""
    expected = np.asarray(classifier(images, training=False))
    signatures = tf.saved_model.load(str(path)).signatures
    files = [encode_pixels(image) for image in images]
    direct = signatures["serving_default"](images=tf.constant(images))
    decoded = signatures["image_bytes"](image_bytes=tf.constant(files))
    answers = {
        "serving_default": (direct[numbers], expected),
        "image_bytes": (decoded[numbers], expected),
    }
    if "classify" in signatures:
        examples = [example(file).SerializeToString() for file in files]
        classified = signatures["classify"](inputs=tf.constant(examples))["scores"]
        best = np.sort(expected, axis=1)[:, ::-1][:, : classified.shape[1]]
        answers["classify"] = classified, best
    for kind, file in format_paths(path, formats).items():
        answers[kind] = (run_format(kind, file, images), expected)
    for what, (given, wanted) in answers.items():
        difference = np.abs(np.asarray(given) - wanted).max()
        if not difference <= TOLERANCE * max(1, np.abs(wanted).max()):
            raise UserError(
                f"the export does not give the trained model's scores (by {what}, they differ by "
                f"{difference:.2g}); it was not published."
            )


def format_paths(path, formats):
    """Return where an exported version has its further formats: {name: file}."""
    return {kind: pathlib.Path(path) / "assets.extra" / FILES[kind] for kind in formats}


def serve_command(path):
    """Return the shell command that serves an exported version's model."""
    home = pathlib.Path(path).resolve().parent
    return (
        f"tensorflow_model_server --rest_api_port=8501 --model_name={quoted(home.name)} "
        f"--model_base_path={quoted(home)}"
    )
