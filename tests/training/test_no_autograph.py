"""AutoGraph rewrites none of our functions: no tensor decides in them, and it takes a second."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import invoke, succeeded, train, trained
from tensorflow.python.autograph.impl import api

import dtp_tf


@pytest.fixture
def rewritten(monkeypatch):
    """The modules of the functions that AutoGraph rewrites meanwhile."""
    modules, convert = [], api._convert_actual

    def convert_and_note(entity, context):
        modules.append(entity.__module__)
        return convert(entity, context)

    monkeypatch.setattr(api, "_convert_actual", convert_and_note)
    return modules


def ours(modules):
    return [module for module in modules if module.startswith(dtp_tf.__name__)]


def test_a_rewritten_function_is_noticed(rewritten):
    @tf.function
    def sign(x):
        return tf.sign(x)

    sign(tf.constant(1.0))
    assert rewritten == [__name__]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"rule": "ldrl", "units": None, "layers": ("conv 4 3 max 2", "dense 8")},
        {"rule": "bp", "class_weights": "balanced", "flip": True, "crop": 1},
    ],
    ids=["dense", "conv", "balanced"],
)
def test_training_leaves_autograph_alone(rewritten, tmp_path, settings):
    train(tmp_path / "run", compiled=True, epochs=1, diagnostics_every=1, **settings)
    assert not ours(rewritten)


def test_exports_and_evaluations_leave_autograph_alone(rewritten, tmp_path):
    run, _ = trained()
    succeeded(invoke("export", run, "--export-dir", tmp_path))
    succeeded(invoke("evaluate", run))
    network = keras.saving.load_model(run / "best.keras")
    network.export(tmp_path / "own", verbose=False)
    network.predict(np.zeros((1, 8, 8, 1), np.uint8), verbose=0)
    assert not ours(rewritten)
