"""Data that an opened file names are read from this disk; only a call may have them fetched."""

import json
import socket

import pytest
import tensorflow_datasets as tfds
from helpers import TINY, StopAfter, invoke, refusal, succeeded, train, trained

import dtp_tf.data.sets as sets
from dtp_tf.data.sets import load_recorded_data
from dtp_tf.errors import SettingError, UserError
from dtp_tf.files import read_json, write_json
from dtp_tf.recipes.recipe import recipe
from dtp_tf.runs.models import load_model, save_model

FOREIGN = [
    "kubric:movi", "huggingface:mnist", "huggingface:mnist/mnist", "kaggle:x/y", "mnist",
    "mnist:3.0.1", "mnist/a=1,b=2", "no_such_set", "gs://bucket/mnist", "http://host/mnist", "../a",
]  # fmt: skip


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """A process in which nobody may so much as ask for an address; the list of what was asked."""
    asked = []

    def refuse(*args, **kwargs):
        asked.append(args)
        raise OSError("the network was asked")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    yield asked
    assert not asked


@pytest.fixture
def foreign(tmp_path):
    """A function that makes a stranger's model which names a data set."""

    def make(name):
        saved = load_model(trained()[0] / "best.keras")
        path = tmp_path / "foreign.keras"
        about = {**saved.about, "recipe": {**saved.about["recipe"], "dataset": name}}
        save_model(saved.model, path, about)
        return path

    return make


@pytest.mark.parametrize("name", FOREIGN)
def test_a_set_that_is_not_on_this_disk_must_be_named_by_the_call(name, tmp_path):
    with pytest.raises(UserError) as caught:
        load_recorded_data(recipe("digits", dataset=name), tmp_path)
    text = str(caught.value)
    assert text.startswith(f"data set {name!r}") and "\n" not in text
    if "cannot be opened" not in text:
        assert "only a set that the call itself names is downloaded: add --dataset " in text


@pytest.mark.slow
@pytest.mark.parametrize("command", ["evaluate", "export"])
def test_commands_ask_nobody_for_what_a_model_names(command, foreign, tmp_path):
    for name in ("kubric:movi", "huggingface:mnist", "mnist"):
        words = (command, foreign(name), "--data-dir", tmp_path / "data")
        assert f"add --dataset {name}" in refusal(invoke(*words), 1)


@pytest.mark.slow
def test_a_run_is_not_resumed_with_data_from_the_network(tmp_path):
    train(tmp_path / "run", callbacks=[StopAfter(1)], **TINY)
    config = tmp_path / "run" / "config.json"
    write_json(config, {**read_json(config), "dataset": "kubric:movi"})
    text = refusal(invoke("train", "--resume", tmp_path / "run", "--no-export"), 1)
    assert "add --dataset kubric:movi" in text


@pytest.mark.slow
def test_a_preset_in_half_the_bytes_is_not_measured_on_data_from_the_network(tmp_path):
    train(tmp_path / "run", **TINY)
    saved = load_model(tmp_path / "run" / "best.keras")
    about = {**saved.about, "recipe": {**saved.about["recipe"], "dataset": "kubric:movi"}}
    save_model(saved.model, tmp_path / "run" / "best.keras", about)
    words = ("save-preset", tmp_path / "run", tmp_path / "preset", "--float16")
    assert "add --dataset kubric:movi" in refusal(invoke(*words), 1)
    assert not (tmp_path / "preset").exists()


@pytest.mark.slow
def test_a_call_that_names_the_set_may_download_it(foreign, tmp_path, monkeypatch):
    asked = []

    def download(name, data_dir):
        asked.append(name)
        raise UserError("asked.")

    monkeypatch.setattr(sets, "prepared_builder", download)
    for command in ("evaluate", "export"):
        assert "asked." in refusal(invoke(command, foreign("mnist"), "--dataset", "mnist"), 1)
    assert asked == ["mnist", "mnist"]


@pytest.mark.slow
def test_the_call_names_the_models_set_and_no_other(foreign):
    text = refusal(invoke("export", foreign("mnist"), "--dataset", "cifar10"), 2)
    assert "`dataset` is mnist in the model, got cifar10" in text
    with pytest.raises(SettingError, match="`dataset` is digits in the model"):
        load_recorded_data(recipe("digits"), dataset="mnist")


def test_the_bundled_digits_need_no_naming():
    shown = json.loads(succeeded(invoke("evaluate", trained()[0], "--json")))
    assert shown["images"] == len(load_recorded_data(recipe("digits")).test)


class Spots(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A small set that lies on this disk."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(4, 4, 1)),
            "label": tfds.features.ClassLabel(num_classes=2),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(), "test": self._generate_examples()}

    def _generate_examples(self):
        import numpy as np

        for i in range(20):
            image = np.full((4, 4, 1), 10 * i, np.uint8)
            yield i, {"image": image, "label": i % 2}


@pytest.mark.slow
def test_a_set_that_is_prepared_on_this_disk_is_read_from_its_files(tmp_path):
    Spots(data_dir=tmp_path).download_and_prepare()
    for name in ("spots", "spots:1.0.0"):
        data = load_recorded_data(recipe("digits", dataset=name), tmp_path)
        assert len(data.test) == 20
        assert data.test_origin == "the set's own test split"
