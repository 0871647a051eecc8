"""A network is trained on record files from the command line, and evaluated and exported after."""

import json

import pytest
from helpers import flags, invoke, refusal, succeeded, tiny
from records_support import photos, write

SETTINGS = {**tiny("dtp"), "units": (8,), "batch_size": 8, "epochs": 1}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    path = tmp_path_factory.mktemp("home")
    for i in range(2):
        write(path / "shards" / f"{i}.tfrecord", photos(40 * i, 40))
    return path


def train(home, run, *words):
    return invoke(
        "train", "digits", "--records", home / "shards" / "*.tfrecord", "--classes", "cat,dog,fox",
        *flags(SETTINGS), "--run-dir", home / run, *words,
    )  # fmt: skip


@pytest.mark.slow
def test_records_are_trained_evaluated_and_exported(home):
    pattern = home / "shards" / "*.tfrecord"
    text = succeeded(train(home, "there", "--in-memory", "no", "--export-dir", home / "exported"))
    assert "3 classes" in text and "cat " in text and "streamed from the disk" in text
    assert (home / "exported" / "shards" / "1").is_dir()
    report = json.loads(succeeded(invoke("evaluate", home / "there", "--json")))
    metrics = json.loads((home / "there/metrics.json").read_text())
    assert report["accuracy"] == metrics["test"]["accuracy"]
    assert metrics["conditions"]["data"]["name"] == str(pattern)
    write(home / "shards" / "2.tfrecord", photos(80, 9))
    assert "the data differ" in refusal(invoke("evaluate", home / "there"), 1)
    assert "the data differ" in refusal(invoke("train", "--resume", home / "there"), 1)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--records", "/no/such/*"), 1, "matches no file"),
        (("--classes", "3"), 2, "`classes` is of records"),
        (("--records", "a", "--image-folder", "b"), 2, "both say where images come from"),
    ],
)
def test_what_is_no_set_of_records_is_refused(tmp_path, words, code, said):
    assert said in refusal(invoke("train", "digits", *words, "--run-dir", tmp_path / "run"), code)
    assert not (tmp_path / "run").exists()
