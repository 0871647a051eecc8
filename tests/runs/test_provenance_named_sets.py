"""A run keeps what a TFDS set's own description says, and one sentence tells what changed."""

import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds
from helpers import StopAfter, invoke, refusal, succeeded, tiny

import dtp_tf
from dtp_tf.console.tables import make_console
from dtp_tf.runs.models import read_about
from dtp_tf.runs.provenance import fact_changes


class Dots(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A small set that lies on this disk."""

    VERSION = tfds.core.Version("1.0.0")
    seed = 0

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(4, 4, 1)),
            "label": tfds.features.ClassLabel(num_classes=2),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "label"),
        )  # fmt: skip

    def _split_generators(self, manager):
        return {"train": self._generate_examples(40), "test": self._generate_examples(20)}

    def _generate_examples(self, count):
        draw = np.random.default_rng(self.seed)
        for i in range(count):
            image = draw.integers(0, 256 if self.seed == 0 else 3, (4, 4, 1), np.uint8)
            yield i, {"image": image, "label": i % 2}


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """(a folder of TFDS, a run on a set in it that has other images of the same number now)."""
    home = tmp_path_factory.mktemp("tfds")
    Dots(data_dir=home / "data").download_and_prepare()
    dtp_tf.train(
        "digits", dataset="dots", data_dir=home / "data", run_dir=home / "run", export_dir=None,
        console=make_console(quiet=True), callbacks=[StopAfter(1)], rule="bp",
        **{**tiny("bp"), "units": (4,), "batch_size": 16},
    )  # fmt: skip
    shutil.rmtree(home / "data" / "dots")
    builder = Dots(data_dir=home / "data")
    builder.seed = 1
    builder.download_and_prepare()
    return home / "data", home / "run"


def words(command, changed, *more):
    data, run = changed
    given = (command, run) if command == "evaluate" else ("train", "--resume", run, "--no-export")
    return invoke(*given, "--data-dir", data, *more)


@pytest.mark.slow
def test_a_run_keeps_version_and_sizes_of_its_set(changed):
    named = read_about(changed[1] / "last.keras")["data"]["named"]
    assert named["version"] == "1.0.0"
    assert {name: one["examples"] for name, one in named["splits"].items()} == {
        "train": 40, "test": 20,
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("command", ["evaluate", "train"])
def test_a_set_with_other_images_of_the_same_number_is_told_in_one_sentence(changed, command):
    text = refusal(words(command, changed), 1)
    assert "its train split had 40 examples of " in text and " in 1 shard(s), has 40 " in text
    assert "--anyway" in text


@pytest.mark.slow
def test_anyway_measures_a_changed_set_and_says_so(changed):
    result = words("evaluate", changed, "--anyway")
    succeeded(result)
    assert "its train split had 40 examples" in result.stdout + result.stderr


def facts(version="1.0.0", **splits):
    return {"name": "dots", "named": {"version": version, "splits": splits}}


def split(examples, shards=1, size=1000, sha256="a"):
    return {"examples": examples, "shards": shards, "bytes": size, "sha256": sha256}


def test_what_changed_is_version_size_or_division_and_what_only_one_knows_does_not_count():
    before = facts(train=split(40), test=split(10))
    assert fact_changes(before, before) == ""
    assert fact_changes({"name": "dots"}, before) == fact_changes(before, {"name": "dots"}) == ""
    now = facts("2.0.0", train=split(1041, 2, 99_000))
    assert fact_changes(before, now) == (
        "its version was 1.0.0, is 2.0.0, its train split had 40 examples of 1,000 bytes in 1 "
        "shard(s), has 1,041 examples of 99,000 bytes in 2 shard(s), its test split is gone"
    )
    now = facts(train=split(40, sha256="b"), test=split(10))
    assert fact_changes(before, now) == "its train split is divided otherwise into 1 shards"
