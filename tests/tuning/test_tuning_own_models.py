"""A search around a model of the user's, and for a network that answers with numbers."""

import json

import keras
import pytest
from helpers import flags, invoke, succeeded
from keras import layers
from test_tuning import HereChild

from dtp_tf.files import read_json
from dtp_tf.tuning import workers

pytestmark = pytest.mark.slow
SMALL = {"batch_size": 256, "epochs": 1}


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """Trials are trained in this process."""
    monkeypatch.setattr(workers, "ChildProcess", HereChild)


def searched(out, **settings):
    words = "--trials", 2, "--out", out, "--json", *flags({**SMALL, **settings})
    found = json.loads(succeeded(invoke("tune", "digits", *words)))
    assert found["complete"] is True
    return found


def test_a_model_of_the_user_s_is_searched_around(tmp_path):
    stack = [keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(6, "tanh"),
             layers.Dense(10, "softmax")]  # fmt: skip
    keras.Sequential(stack).save(tmp_path / "mine.keras")
    found = searched(tmp_path / "out", model=tmp_path / "mine.keras", rule="ldrl")
    assert not {"units", "layers"} & set(found["best"])
    configs = [read_json(path) for path in (tmp_path / "out").rglob("config.json")]
    assert {one["model"] for one in configs} == {str(tmp_path / "mine.keras")}


def test_a_network_that_answers_with_numbers_is_searched_for(tmp_path):
    found = searched(tmp_path / "out", units=(8,), output_activation="linear", rule="dtp")
    assert len(found["trials"]) == 2
