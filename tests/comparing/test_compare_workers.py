"""Several runs of a comparison, or of a reproduction, may be trained at the same time."""

import json

import pytest
from compare_support import SMALL
from helpers import flags, invoke, refusal, start, succeeded

import dtp_tf
from dtp_tf.errors import SettingError


@pytest.mark.slow
def test_two_workers_train_all_runs_and_say_when_each_is_done(tmp_path):
    words = "--rules", "bp,fa", "--seeds", 2, "--out", tmp_path, "--workers", 2, "--json"
    process = start("compare", "digits", *words, *flags(SMALL), cwd=tmp_path)
    result, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    content = json.loads(result)
    assert content["complete"] and [one["seeds"] for one in content["summary"]] == [2, 2]
    lines = said.splitlines()
    runs = [f"{rule}, seed {seed}" for seed in range(2) for rule in ("bp", "fa")]
    assert sorted(line[11:] for line in lines if line.startswith("done ")) == sorted(runs)
    assert [line for line in lines if line.startswith("run ")] == [
        f"run {number} of 4: {run}" for number, run in enumerate(runs, start=1)
    ]
    assert not any(line.startswith("epoch") for line in lines)


@pytest.mark.parametrize("workers", [0, -1, 257, True, 1.5, "2"])
def test_workers_that_cannot_be_are_refused_before_anything_is_done(tmp_path, workers):
    for call, what in ((dtp_tf.compare, "digits"), (dtp_tf.reproduce, "lee")):
        with pytest.raises(SettingError, match="`workers` must be"):
            call(what, out=tmp_path / "out", workers=workers)
    assert not (tmp_path / "out").exists()


def test_the_command_line_refuses_them_too(tmp_path):
    for command in (("compare", "digits"), ("reproduce", "lee")):
        words = *command, "--out", tmp_path / "out", "--workers"
        assert "--workers" in refusal(invoke(*words, 0), 2)
        assert "`workers` must be at most 256" in refusal(invoke(*words, 300), 2)
    assert not (tmp_path / "out").exists()


def test_help_names_them():
    for command in ("compare", "reproduce", "tune"):
        assert "--workers" in succeeded(invoke(command, "--help"))
