"""Exports of networks without classes answer with their outputs alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import dtp_tf
from dtp_tf.data.image_files import encode_pixels
from dtp_tf.errors import UserError
from dtp_tf.export.formats import run_format
from dtp_tf.export.saved_model import export, format_paths
from dtp_tf.export.warmup import warmup_requests

IMAGES = np.random.default_rng(0).integers(0, 256, size=(3, 4, 5, 1), dtype="uint8")


def regression(units=3):
    keras.utils.set_random_seed(0)
    network = dtp_tf.DTPNetwork(
        [dtp_tf.DensePair(6)],
        units,
        output_activation="linear",
        preprocessing=keras.layers.Rescaling(1 / 50),
    )
    network.build((None, *IMAGES.shape[1:]))
    return network.classifier(dtype="uint8")


@pytest.mark.slow
def test_a_network_without_classes_answers_with_outputs(tmp_path):
    classifier = regression()
    path = export(classifier, None, tmp_path, "small", IMAGES, formats=["litert"])
    signatures, expected = tf.saved_model.load(str(path)).signatures, np.asarray(classifier(IMAGES))
    assert set(signatures) == {"serving_default", "image_bytes"}  # no class for `:classify`
    answers = signatures["serving_default"](images=tf.constant(IMAGES))
    assert set(answers) == {"outputs"}
    np.testing.assert_allclose(answers["outputs"], expected, rtol=1e-4, atol=1e-5)
    files = tf.constant([encode_pixels(IMAGES[0]), b"no image", encode_pixels(IMAGES[2])])
    decoded = signatures["image_bytes"](image_bytes=files)
    assert [bool(error) for error in decoded["errors"].numpy()] == [False, True, False]
    np.testing.assert_allclose(decoded["outputs"][::2], expected[::2], rtol=1e-4, atol=1e-5)
    (file,) = format_paths(path, ["litert"]).values()
    np.testing.assert_allclose(run_format("litert", file, IMAGES), expected, rtol=1e-4, atol=1e-4)
    assert not (path / "assets" / "labels.txt").exists()
    card = (path / "assets" / "model_card.md").read_text()
    assert "computes numbers from 4x5 grey images" in card and "class" not in card


def test_without_classes_no_warm_up_request_classifies():
    kinds = [one.WhichOneof("log_type") for one in warmup_requests("small", IMAGES, classify=False)]
    assert set(kinds) == {"predict_log"}


def test_names_that_are_not_one_for_each_score_are_refused(tmp_path):
    with pytest.raises(UserError, match="2 class names for 3 scores"):
        export(regression(), ["a", "b"], tmp_path, "small", IMAGES)
    assert not list(tmp_path.iterdir())
