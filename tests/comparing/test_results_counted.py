"""Which runs a comparison counts, and what it makes of their numbers: runs that nobody trained."""

import shutil
import statistics

import pytest
from helpers import trained

from dtp_tf.comparing.results import Result, summarize
from dtp_tf.files import read_json, write_json


@pytest.fixture
def left(tmp_path):
    """A function of a seed and changes of `metrics.json` that makes the folder of a run."""

    def make(seed, **changes):
        run = shutil.copytree(trained()[0], tmp_path / f"dtp-{seed}")
        write_json(run / "config.json", {**read_json(run / "config.json"), "seed": seed})
        write_json(run / "metrics.json", {**read_json(run / "metrics.json"), **changes})
        return run

    return make


def test_a_run_that_was_interrupted_is_not_done_and_one_that_ended_is(left):
    assert Result.of(left(0, interrupted=True)) is None
    assert Result.of(left(1)).row()["status"] == "finished"
    diverged = left(2)
    (diverged / "metrics.json").unlink()
    assert Result.of(diverged) is None
    write_json(Result.marker(diverged), {})
    assert Result.of(diverged).row()["status"] == "diverged"


def test_a_summary_has_the_mean_and_the_sample_deviation_of_what_finished(left):
    accuracies, epochs = (0.5, 0.75, 0.875), (2, 1, 2)
    test = read_json(trained()[0] / "metrics.json")["test"]
    runs = [
        left(seed, test={**test, "accuracy": accuracy}, best_epoch=best, seconds=4.0, epochs=2)
        for seed, (accuracy, best) in enumerate(zip(accuracies, epochs, strict=True))
    ]
    diverged = left(3)
    (diverged / "metrics.json").unlink()
    write_json(Result.marker(diverged), {})
    (found,) = summarize([Result.of(run) for run in (*runs, diverged)])
    assert (found["rule"], found["seeds"], found["diverged"]) == ("dtp", 3, 1)
    assert found["test_accuracy"] == pytest.approx(statistics.fmean(accuracies))
    assert found["test_accuracy_std"] == pytest.approx(statistics.stdev(accuracies))
    assert found["test_error"] == pytest.approx(1 - statistics.fmean(accuracies))
    assert found["best_epoch"] == pytest.approx(5 / 3)
    assert found["seconds_per_epoch"] == 2
