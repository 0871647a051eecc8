"""Classifying image files by a model server."""

import math

from dtp_tf.data.image_files import encode_image, read_image
from dtp_tf.errors import UserError
from dtp_tf.serving.client import ServerError


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
    if "image_bytes" in signatures:
        signature, name, values = "image_bytes", "image_bytes", encoded
    else:
        shape = pixel_shape(signatures, client.address)
        signature, name = "serving_default", "images"
        values = _fitted([read_image(path) for path in paths], shape)
    answers = []
    for start in range(0, len(paths), batch_size):
        part = values[start : start + batch_size]
        outputs = client.predict(signature, {name: part})
        rows = ranking(outputs, len(part), client.address)
        known = len(outputs.get("probabilities", [()])[0])
        for path, (classes, scores) in zip(paths[start:], rows, strict=False):
            if len(classes) < min(top, known):
                raise UserError(
                    f"{client.address.which()} names the {len(classes)} best classes only; ask for "
                    f"--top {len(classes)} or fewer."
                )
            answers.append({"image": str(path), "classes": classes[:top], "scores": scores[:top]})
    return answers


def pixel_shape(signatures, address):
    """Return the (height, width, channels) that `serving_default` takes.

    Raises:
        UserError: it takes no images.
    """
    inputs = signatures.get("serving_default", {}).get("inputs", {})
    shape = inputs.get("images", {}).get("shape") or []
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


def ranking(outputs, count, address):
    """Return (classes, scores) of each of `count` images in the outputs of a prediction.

    Raises:
        ServerError: that is not what the outputs hold.
    """
    classes, scores = outputs.get("classes"), outputs.get("scores")
    try:
        rows = list(zip(classes, scores, strict=True))
        good = len(rows) == count and all(
            len(names) == len(values) > 0
            and all(isinstance(name, str) for name in names)
            and all(math.isfinite(value) for value in values)
            for names, values in rows
        )
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ServerError(
            f"{address.server} answered without classes and finite scores for each of the {count} "
            f"image(s); check {address.which()} with server-status.",
            "bad answer",
        )
    return [(list(names), [float(value) for value in values]) for names, values in rows]
