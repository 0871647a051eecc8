"""Models of the user's, and networks that answer with numbers, compared, from the
command line to the tables."""

import json

import keras
import pytest
from compare_support import SMALL
from helpers import flags, invoke, jobs_by, succeeded
from keras import layers

from dtp_tf.comparing import comparison
from dtp_tf.comparing.run_job import run_job
from dtp_tf.files import read_json
from dtp_tf.runs.models import load_model

pytestmark = pytest.mark.slow
ONE_EPOCH = {"batch_size": 256, "epochs": 1}


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """Runs and trials are trained in this process."""
    monkeypatch.setattr(comparison, "run_jobs", jobs_by(lambda job, stop: run_job(job)))


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "mine.keras"
    hidden = layers.Conv2D(3, 3, 2, activation="relu"), layers.BatchNormalization()
    stack = [keras.Input((8, 8, 1)), *hidden, layers.Flatten(), layers.Dense(10, "softmax")]
    keras.Sequential(stack).save(path)
    return path


def folders(out):
    found = [path.parent for path in out.rglob("config.json")]
    assert len(found) == 2
    return found


def test_a_model_is_compared_under_two_rules(model, tmp_path):
    words = "--model", model, "--rules", "bp,dtp", "--seeds", 1, "--out", tmp_path / "out", "--json"
    found = json.loads(succeeded(invoke("compare", "digits", *words, *flags(ONE_EPOCH))))
    assert [one["rule"] for one in found["summary"]] == ["bp", "dtp"]
    for folder in folders(tmp_path / "out"):
        assert read_json(folder / "config.json")["model"] == str(model)
        assert [type(one).__name__ for one in load_model(folder / "best.keras").model.pairs] == [
            "BlockPair"
        ]


def test_a_network_that_answers_with_numbers_is_compared_by_its_own_loss(tmp_path):
    settings = {**SMALL, "output_activation": "linear"}
    words = "--rules", "bp,dtp", "--seeds", 1, "--out", tmp_path / "out", "--json"
    found = json.loads(succeeded(invoke("compare", "digits", *words, *flags(settings))))
    assert [one["rule"] for one in found["summary"]] == ["bp", "dtp"]
    for folder in folders(tmp_path / "out"):
        assert read_json(folder / "metrics.json")["test"]["loss"] < 1  # a squared error, no nats
