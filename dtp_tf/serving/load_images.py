"""The images of a load test, and the right answers to them."""

import io

import numpy as np

from dtp_tf.data.image_files import encode_image, encode_pixels, read_image


def encoded_images(paths, dataset="digits", limit=100, data_dir=None, lossless=False):
    """Return encoded images: files, or without any the first test images of a set as PNG.

    Args:
        paths: of image files; may be none.
        dataset, limit: otherwise, the set and how many of its images.
        data_dir: the folder of TFDS; its own default otherwise.
        lossless: whether to make PNGs of JPEGs, which two decoders need not read alike.

    Raises:
        UserError: an image or a set that cannot be had.
    """
    if paths and lossless:
        return [encode_pixels(read_image(path)) for path in paths]
    if paths:
        return [encode_image(path) for path in paths]
    from dtp_tf.processes.quiet import import_tensorflow

    import_tensorflow()
    from dtp_tf.data.sets import load_data
    from dtp_tf.recipes.recipe import recipe

    data = load_data(recipe("digits", dataset=dataset), data_dir)
    return [encode_pixels(image) for image in data.test.images[:limit]]


def expected_answers(model, encoded, rule=None):
    """Return (classes, scores), all classes best first, of a run or model for encoded images.

    `rule` is FILE.py:CLASS that it was trained by, see `dtp_tf.sharing.open_model`.

    Raises:
        UserError: a model that cannot be read or takes no images.
    """
    from dtp_tf.processes.quiet import import_tensorflow

    import_tensorflow()
    from dtp_tf.data.images import fit_image
    from dtp_tf.sharing.opening import open_model

    saved = open_model(model, rule)
    shape, names = saved.image_shape(), saved.class_names
    answers = []
    for content in encoded:
        image = np.asarray(fit_image(read_image(io.BytesIO(content)), shape))
        scores = np.asarray(saved.model(image[None], training=False))[0]
        order = np.argsort(-scores, kind="stable")
        answers.append(([names[i] for i in order], [float(scores[i]) for i in order]))
    return answers
