"""Runs and trials on other data than those before are refused by name, or said with --anyway."""

import shutil
import types

import pytest
from helpers import digits, invoke, jobs_by, trained

import dtp_tf
from dtp_tf.comparing import comparison, run_job
from dtp_tf.errors import UserError
from dtp_tf.files import read_json, write_json
from dtp_tf.runs.folder import Run
from dtp_tf.runs.provenance import fingerprint
from dtp_tf.tuning import trials


class Reader:
    """A console that keeps what it is told."""

    def __init__(self):
        self.lines = []

    def print(self, line, **look):
        self.lines.append(line)


@pytest.fixture
def runs(tmp_path):
    """Two finished runs of one seed, the second on fewer images."""
    paths = [tmp_path / "dtp-0", tmp_path / "bp-0"]
    for path in paths:
        shutil.copytree(trained()[0], path)
    metrics = read_json(paths[1] / "metrics.json")
    metrics["conditions"]["data"]["training_images"] = 1000
    write_json(paths[1] / "metrics.json", metrics)
    return {path: Run(path).recipe() for path in paths}


@pytest.mark.slow
def test_runs_of_one_seed_on_other_data_are_not_compared_unless_told(runs):
    with pytest.raises(UserError, match="bp-0 differ from those of .*dtp-0: training_images was"):
        comparison.check_data(runs, False, Reader())
    console = Reader()
    comparison.check_data(runs, True, console)
    assert len(console.lines) == 1
    assert "training_images was 1150, is 1000" in console.lines[0]
    first, second = runs
    other = {first: runs[first], second: runs[second].replace(seed=1)}
    comparison.check_data(other, False, None)  # seeds draw their own validation splits


def study(data):
    entry = types.SimpleNamespace(user_attrs={"result": {"data": data}})
    waiting = types.SimpleNamespace(user_attrs={})
    return types.SimpleNamespace(
        entries=lambda: {1: waiting, 2: entry}, path=lambda number: Run("nowhere").path
    )


def test_trials_on_other_data_are_refused_unless_told():
    data = digits()
    same, console = study(fingerprint(data)), Reader()
    trials._check_data(same, data, False, console)
    assert not console.lines
    other = study({**fingerprint(data), "training_images": 7})
    with pytest.raises(UserError, match="those of trial 2: training_images was 7, is 1150; .*any"):
        trials._check_data(other, data, False, console)
    trials._check_data(other, data, True, console)
    assert console.lines == [
        "warning: the data differ from those of trial 2: training_images was 7, is 1150"
    ]


@pytest.mark.parametrize("anyway", [True, False])
def test_a_run_of_a_comparison_is_resumed_as_the_command_says(monkeypatch, tmp_path, anyway):
    seen = []

    def child(job, stop):
        seen.append(job["anyway"])
        return {"error": "seen."}

    def train(**given):
        seen.append(given["anyway"])
        raise UserError("seen.")

    monkeypatch.setattr(comparison, "run_jobs", jobs_by(child))
    words = ("compare", "digits", "--rules", "bp", "--seeds", 1, "--out", tmp_path / "out")
    assert invoke(*words, *["--anyway"] * anyway).exit_code == 1
    monkeypatch.setattr("dtp_tf.training.train.train", train)
    job = {
        "recipe": dtp_tf.recipe("digits").to_dict(), "run_dir": "x", "resume": True,
        "data_dir": None, "stream": None, "anyway": anyway,
    }  # fmt: skip
    assert run_job.run_job(job)["error"] == "seen."
    assert seen == [anyway, anyway]
