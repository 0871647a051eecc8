"""A run with normalised, residual and dropped layers goes on where it stopped, and is exported."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import StopAfter, digits, invoke, succeeded, train

from dtp_tf.runs.models import load_model

pytestmark = pytest.mark.slow
SETTINGS = {
    "units": None, "layers": ("conv 3 3 norm max 2", "residual 4 /2 dropout 0.2"),
    "epochs": 2, "batch_size": 256, "learning_rate": 1e-2, "rule": "dtp",
}  # fmt: skip


def test_a_run_with_blocks_goes_on_where_it_stopped_and_its_export_answers_as_it_does(tmp_path):
    train(tmp_path / "whole", **SETTINGS)
    train(tmp_path / "parts", **SETTINGS, callbacks=[StopAfter(1)])
    succeeded(invoke("train", "--resume", tmp_path / "parts", "--no-export"))
    again = load_model(tmp_path / "parts" / "last.keras").model
    last = load_model(tmp_path / "whole" / "last.keras").model
    for one, other in zip(again.variables, last.variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4, err_msg=one.path)
    succeeded(invoke("export", tmp_path / "parts", "--export-dir", tmp_path / "exported"))
    (version,) = (tmp_path / "exported" / "digits").iterdir()
    serve = tf.saved_model.load(str(version)).signatures["serving_default"]
    images, best = digits().test.images[:7], load_model(tmp_path / "parts" / "best.keras").model
    answers = serve(images=tf.constant(images))["probabilities"]
    np.testing.assert_allclose(answers, best(images), rtol=1e-4, atol=1e-6)
