"""SavedModels for TensorFlow Serving: preprocessing, forward network and class names in one."""

import contextlib
import os
import pathlib
import re
import shlex
import shutil
import uuid

import keras
import numpy as np
import tensorflow as tf

from dtp_tf.errors import UserError
from dtp_tf.files import cannot_write, make_folder

SHOWN = 5  # classes per answer, best first


def export(classifier, class_names, directory, name, check_images):
    """Publish a classifier as `directory`/`name`/VERSION, the version one above the highest.

    The signature `serving_default` takes `images`, uint8 `(n, H, W, C)`, and gives `classes`,
    string `(n, k)`, with `scores`, float32 `(n, k)`, best first (k = 5 at most), and
    `probabilities`, float32 `(n, classes)`, in the order of the labels. The folder gets its number
    by rename, once it is complete and has been loaded afresh and compared.

    Args:
        classifier: a Keras model, uint8 images -> class probabilities.
        class_names: one name per class.
        directory: the folder of exported models.
        name: of the model, as clients will call it.
        check_images: uint8 `(n, H, W, C)`; the export must give the classifier's scores on them.

    Returns:
        The path of the new version.

    Raises:
        UserError: a name that cannot be a folder's, a folder that cannot be written, or an export
            that does not give the same scores; nothing is left behind.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise UserError(
            f"{name!r} cannot name an export; use letters, digits, '.', '_' and '-' only."
        )
    home = pathlib.Path(directory) / name
    make_folder(home)
    # A name that is no number is no version to a server; the same folder is the same disk.
    hidden = home / f".writing-{uuid.uuid4().hex[:8]}"
    try:
        _write(classifier, class_names, hidden)
        _check(classifier, hidden, check_images)
        return _publish(hidden, home)
    except OSError as error:
        raise UserError(cannot_write(home, error)) from error
    except tf.errors.OpError as error:
        raise UserError(f"cannot write {home}: {error.message.splitlines()[0]}.") from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        with contextlib.suppress(OSError):
            home.rmdir()  # only succeeds without a version


def _write(classifier, class_names, path):
    names = [str(name) for name in class_names]
    shown = min(SHOWN, len(names))

    def serve(images):
        probabilities = tf.cast(classifier(images, training=False), tf.float32)
        scores, indices = tf.math.top_k(probabilities, k=shown)
        # A constant instead of a lookup table, which a server would have to initialize.
        classes = tf.gather(tf.constant(names), indices)
        return {"classes": classes, "scores": scores, "probabilities": probabilities}

    images = tf.TensorSpec(classifier.input_shape, tf.uint8, name="images")
    archive = keras.export.ExportArchive()
    archive.add_endpoint("serving_default", serve, input_signature=[images])
    archive.write_out(str(path), verbose=False)


def _check(classifier, path, images):
    served = tf.saved_model.load(str(path)).signatures["serving_default"](
        images=tf.constant(images)
    )
    expected = np.asarray(classifier(images, training=False))
    difference = np.abs(served["probabilities"].numpy() - expected).max()
    if not difference <= 1e-5:
        raise UserError(
            f"the export does not give the trained model's scores (they differ by {difference:.2g}"
            "); it was not published."
        )


def _publish(hidden, home):
    while True:
        versions = [int(p.name) for p in home.iterdir() if p.name.isdecimal()]
        path = home / str(max(versions, default=0) + 1)
        try:
            # On every system this fails if `path` is a folder with something in it.
            os.rename(hidden, path)
            return path
        except OSError:
            if not path.exists():
                raise


def serve_command(path):
    """Return the shell command that serves an exported version's model."""
    home = pathlib.Path(path).resolve().parent
    return (
        f"tensorflow_model_server --rest_api_port=8501 --model_name={home.name} "
        f"--model_base_path={shlex.quote(str(home))}"
    )
