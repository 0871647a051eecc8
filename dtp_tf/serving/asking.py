"""Classifying image files by a model server."""

import math
import sys

from dtp_tf.data.image_files import encode_image, read_image
from dtp_tf.errors import UserError
from dtp_tf.schema import is_text
from dtp_tf.serving.client import ServerError, one_line

MAX_INPUT = 4_000_000  # pixels times channels that a model may take; a server could say anything
REFUSED = ("400", "INVALID_ARGUMENT")


def answer(client, paths, top, batch_size=32):
    """Classify image files by a model server; see `dtp_tf.evaluating.evaluation.answer`.

    The server gets the encoded images, decodes and fits them. A model without the signature
    `image_bytes` gets pixels that were fitted here, which imports TensorFlow.

    Args:
        client: a `Client`.
        paths: of the images; all are read before any is sent.
        top: classes per image, best first.
        batch_size: images per request.

    Returns:
        One dict per image: "image" (its path), "classes" and "scores" (0 .. 1).

    Raises:
        UserError: an image that is missing or damaged, a server that does not answer well, or more
            classes than it names.
    """
    encoded = [encode_image(path) for path in paths]
    _, signatures = client.signatures()
    by_bytes = "image_bytes" in signatures
    shape = None if by_bytes else pixel_shape(signatures, client.address)
    answers = []
    for start in range(0, len(paths), batch_size):
        part, files = paths[start : start + batch_size], encoded[start : start + batch_size]
        if by_bytes:
            outputs = _predict(client, "image_bytes", {"image_bytes": files}, part)
        else:
            pixels = _fitted([read_image(path) for path in part], shape)
            outputs = _predict(client, "serving_default", {"images": pixels}, part)
        rows = ranking(outputs, len(part), client.address)
        known = _known_classes(outputs)
        for path, (classes, scores) in zip(part, rows, strict=True):
            if len(classes) < min(top, known):
                raise UserError(
                    f"{client.address.which()} names the {len(classes)} best classes only; ask for "
                    f"--top {len(classes)} or fewer."
                )
            answers.append({"image": str(path), "classes": classes[:top], "scores": scores[:top]})
    return answers


def _predict(client, signature, inputs, paths):
    """Return the outputs for images; an image that the server cannot read is an error."""
    try:
        outputs = client.predict(signature, inputs)
    except ServerError as error:
        if len(paths) > 1 or error.kind not in REFUSED:
            raise
        raise ServerError(f"image {paths[0]}: {error}", error.kind) from None
    for path, trouble in zip(paths, image_errors(outputs, len(paths), client.address), strict=True):
        if trouble:
            raise ServerError(
                f"{client.address.server} cannot read image {path}: {one_line(trouble)}; replace "
                "it or leave it out.",
                "bad image",
            )
    return outputs


def pixel_shape(signatures, address):
    """Return the (height, width, channels) that `serving_default` takes.

    Raises:
        UserError: it takes no images.
    """
    inputs = signatures.get("serving_default", {}).get("inputs", {})
    shape = inputs.get("images", {}).get("shape") or []
    if len(shape) == 4 and min(shape[1:]) >= 1 and math.prod(shape[1:]) > MAX_INPUT:
        size = " x ".join(f"{one:,}" for one in shape[1:])
        raise UserError(
            f"{address.which()} wants images of {size} values, and the limit is {MAX_INPUT:,}; "
            "serve an export of this project."
        )
    if len(shape) != 4 or min(shape[1:]) < 1 or shape[3] not in (1, 3):
        raise UserError(
            f"{address.which()} takes no images: it has neither a signature image_bytes nor an "
            "input `images` of one size; serve an export of this project."
        )
    return tuple(shape[1:])


def _fitted(images, shape):
    import numpy as np

    from dtp_tf.processes.quiet import import_tensorflow

    import_tensorflow()
    from dtp_tf.data.images import fit_image

    return np.stack([np.asarray(fit_image(image, shape)) for image in images])


def image_errors(outputs, count, address):
    """Return what a model says is wrong with each of `count` images; "" where nothing is.

    Older exports, which say nothing, refuse the whole request instead.

    Raises:
        ServerError: that is not what the outputs hold.
    """
    errors = outputs.get("errors", [""] * count)
    if not (isinstance(errors, list) and all(map(_is_name, errors)) and len(errors) == count):
        raise _bad_answer(count, address)
    return errors


def ranking(outputs, count, address):
    """Return (classes, scores) of each of `count` images in the outputs of a prediction.

    Raises:
        ServerError: that is not what the outputs hold, or an image could not be read.
    """
    trouble = next((one for one in image_errors(outputs, count, address) if one), None)
    if trouble is not None:
        text = f"{address.server} cannot read an image: {one_line(trouble)}."
        raise ServerError(text, "bad image")
    classes, scores = outputs.get("classes"), outputs.get("scores")
    try:
        rows = list(zip(classes, scores, strict=True))
        good = len(rows) == count and all(
            isinstance(names, list)
            and isinstance(values, list)
            and len(names) == len(values) > 0
            and all(map(_is_name, names))
            and all(map(_is_score, values))
            for names, values in rows
        )
    except (TypeError, ValueError):
        good = False
    if not good:
        raise _bad_answer(count, address)
    return [(list(names), [float(value) for value in values]) for names, values in rows]


def _is_name(value):
    return isinstance(value, str) and is_text(value)


def _is_score(value):
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) <= sys.float_info.max


def _known_classes(outputs):
    """Return how many classes the model has; 0 if it does not say."""
    numbers = outputs.get("probabilities", outputs.get("outputs"))
    rows = numbers if isinstance(numbers, list) else []
    return len(rows[0]) if rows and isinstance(rows[0], list) else 0


def _bad_answer(count, address):
    return ServerError(
        f"{address.server} answered without classes and finite scores for each of the {count} "
        f"image(s); check {address.which()} with server-status.",
        "bad answer",
    )
