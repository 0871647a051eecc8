"""Trials: trained without the test split, pruned, resumed, and told to their study."""

import json
import signal
import subprocess
import sys

import pytest
from helpers import environment, killed_at_the_end, log_rows, tiny, wait_for, without_times

from dtp_tf.errors import UserError
from dtp_tf.files import read_json, write_json
from dtp_tf.runs.folder import Run
from dtp_tf.training import train as training
from dtp_tf.tuning import trials, workers
from dtp_tf.tuning.search_space import make_search
from dtp_tf.tuning.shared_study import ATTEMPTS, UNPRUNED_TRIALS, SharedStudy
from dtp_tf.tuning.trials import work

SPACE = {"learning_rate": {"low": 0.002, "high": 0.05, "log": True}}
QUICK = {"rule": "bp", "units": (8,), "batch_size": 128, "epochs": 2}  # little to trace


def create(folder, space=SPACE, **settings):
    return SharedStudy.create(folder, *make_search("digits", space, **{**QUICK, **settings}))


class Reader:
    """A console that keeps what it is told, and calls a function with each line."""

    def __init__(self, heard=lambda line: None):
        self.lines, self.heard = [], heard

    def print(self, line, **look):
        self.lines.append(line)
        self.heard(line)


def job(study, limit, share=10):
    return {"study": str(study.folder), "trials": limit, "share": share, "data_dir": None,
            "machine": {"jit": "off"}, "stream": None}  # fmt: skip


def interrupt(line):
    """Press Ctrl-C when an epoch is over."""
    if " epoch " in line:
        signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(study, console, [data that were trained on]) after two trials; nothing may be evaluated."""
    small = {name: value for name, value in tiny("dtp").items() if name not in SPACE}
    study, seen = create(tmp_path_factory.mktemp("study"), **{**small, "rule": "dtp"}), []

    def refused(*arguments, **named):
        pytest.fail("the test split has no place in a trial")

    def train(**given):
        seen.append(given["data"])
        assert given["jit"] == "off"
        return training.train(**given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "predict", refused)
        patch.setattr(training, "finish", refused)
        patch.setattr(trials, "train", train)
        console = Reader()
        assert work(job(study, 2), console) == {}
    return study, console, seen


@pytest.mark.slow
def test_a_trial_ends_with_the_accuracy_of_its_best_epoch(trained):
    study, _, _ = trained
    assert study.done() == 2
    for number, entry in study.entries().items():
        rows = log_rows(study.path(number))
        accuracies = [float(row["val_accuracy"]) for row in rows]
        assert len(accuracies) == study.base.epochs
        assert entry.value == max(accuracies)
        assert entry.intermediate_values == dict(enumerate(accuracies, start=1))
        result = entry.user_attrs["result"]
        assert result["validation_accuracy"] == entry.value
        assert result["validation_loss"] == float(rows[result["best_epoch"] - 1]["val_loss"])
        assert result["seconds"] == sum(float(row["seconds"]) for row in rows)
        assert result["versions"]["jit"] == "off"


@pytest.mark.slow
def test_the_test_split_is_never_read(trained):
    study, _, seen = trained
    assert len(seen) == 2
    assert seen[0] is seen[1]  # loaded once
    assert seen[0].test is None
    assert len(seen[0].train) + len(seen[0].validation) == 1797 - 360
    for entry in study.entries().values():
        assert entry.user_attrs["result"]["data"]["test_images"] is None
        assert "test" not in entry.user_attrs["result"]


@pytest.mark.slow
def test_a_trial_leaves_its_settings_and_log_and_no_weights(trained):
    study, _, _ = trained
    for number, entry in study.entries().items():
        run = Run(study.path(number))
        assert run.recipe() == study.recipe(entry.params)
        assert {path.name for path in run.path.iterdir()} == {
            "config.json", "versions.json", "log.csv", "tensorboard"
        }  # fmt: skip
    assert study.path(2) != study.path(1)


def test_a_person_reads_a_line_per_epoch(trained):
    study, console, _ = trained
    first = [line for line in console.lines if line.startswith("trial 1 ")]
    assert first[0].split() == ["trial", "1", "learning_rate", "0.004"]
    accuracy = f"{study.entries()[1].value:.2%}"
    assert [line.split()[2:4] for line in first[1:3]] == [["epoch", "1/2"], ["epoch", "2/2"]]
    assert first[3].split()[2:] == ["finished:", accuracy]


@pytest.mark.slow
def test_a_process_trains_no_more_than_its_share(tmp_path, monkeypatch):
    def train_trial(trial, *rest):
        trial.finish(0.5, {})
        return True

    monkeypatch.setattr(trials, "train_trial", train_trial)
    study = create(tmp_path)
    work(job(study, 10, share=3), Reader())
    assert study.done() == 3


@pytest.mark.slow
def test_a_trial_that_falls_behind_is_pruned(tmp_path):
    study = create(tmp_path, epochs=3)
    for _ in range(UNPRUNED_TRIALS):
        good = study.take(10)
        for epoch in (1, 2, 3):
            good.report(epoch, 0.99)
        good.finish(0.99, {})
    console = Reader()
    assert work(job(study, UNPRUNED_TRIALS + 1), console) == {}
    entry = study.entries()[UNPRUNED_TRIALS + 1]
    assert entry.state.name == "PRUNED"
    assert len(log_rows(study.path(UNPRUNED_TRIALS + 1))) == 1
    assert entry.user_attrs["result"]["epochs"] == 1
    assert console.lines[-1].endswith("pruned after epoch 1")
    assert not Run(study.path(UNPRUNED_TRIALS + 1)).last.exists()


@pytest.mark.slow
def test_a_trial_that_diverges_does_not_stop_the_search(tmp_path):
    wild = {"rule": "fa", "optimizer": "sgd", "activation": "relu", "epochs": 1}
    study = create(tmp_path, {"learning_rate": {"low": 1e29, "high": 1e30}}, **wild)
    console = Reader()
    assert work(job(study, 2), console) == {}
    assert [entry.state.name for entry in study.entries().values()] == ["PRUNED"] * 2
    assert study.done() == 2
    result = study.entries()[1].user_attrs["result"]
    assert "training diverged in epoch 1" in result["diverged"]
    assert result["validation_accuracy"] is None
    assert [line.split()[2] for line in console.lines][1::2] == ["diverged", "diverged"]


@pytest.mark.slow
def test_a_stopped_trial_goes_on_where_it_was(tmp_path):
    study = create(tmp_path, epochs=3)
    console = Reader(interrupt)
    assert work(job(study, 2), console) == {}
    assert console.lines[-1].endswith("stopped after epoch 1; the same command goes on")
    assert study.done() == 0
    first = log_rows(study.path(1))
    assert len(first) == 1
    console = Reader()
    assert work(job(study, 1), console) == {}
    assert [line.split()[3] for line in console.lines if " epoch " in line] == ["2/3", "3/3"]
    rows = log_rows(study.path(1))
    assert len(rows) == 3 and rows[0] == first[0]
    assert set(study.entries()[1].intermediate_values) == {1, 2, 3}  # those before the stop, too


@pytest.mark.slow
def test_a_stop_before_the_first_batch_leaves_the_trial_to_others(tmp_path):
    study = create(tmp_path)

    def stop(line):
        if "learning_rate" in line:  # before the training listens
            signal.raise_signal(signal.SIGTERM)

    console = Reader(stop)
    assert work(job(study, 2), console) == {}
    assert console.lines[-1].endswith("stopped after epoch 0; the same command goes on")
    assert study.done() == 0 and study.has_work(1)


@pytest.mark.slow
def test_a_mistake_gives_the_trial_back_and_is_told_in_one_sentence(tmp_path):
    study = create(tmp_path, dataset="no_such_set")
    outcome = work(job(study, 2), Reader())
    assert "there is no data set 'no_such_set'" in outcome["error"]
    assert outcome["usage"] is False
    trial = study.take(1)
    assert trial.trial.user_attrs["attempt"] == 1
    trial.give_back()
    study = create(tmp_path / "other", {"crop": {"low": 5, "high": 9}})
    outcome = work(job(study, 2), Reader())
    assert "`crop` must be below the images' side of 8" in outcome["error"]
    assert outcome["usage"] is True


def test_the_run_of_another_study_is_not_continued(tmp_path):
    study = create(tmp_path)
    Run.create(study.base.replace(epochs=9), study.path(1))
    outcome = work(job(study, 1), Reader())
    assert f"{study.path(1)} was made with `epochs` 9, trial 1 has 2; delete" in outcome["error"]
    assert study.has_work(1)


def test_an_error_of_the_program_counts_as_an_attempt(tmp_path, monkeypatch):
    def train_trial(*arguments):
        raise MemoryError

    monkeypatch.setattr(trials, "train_trial", train_trial)
    study = create(tmp_path)
    for _ in range(ATTEMPTS):
        with pytest.raises(MemoryError) as caught:
            work(job(study, 1), Reader())
        taken(caught.value).lock.close()  # as the end of the process does
    assert not study.has_work(1)
    assert study.entries()[1].state.name == "FAIL"


def taken(error):
    """Return the trial that `work` held when an error left it."""
    trace = error.__traceback__
    while trace.tb_frame.f_code.co_name != "work":
        trace = trace.tb_next
    return trace.tb_frame.f_locals["trial"]


@pytest.mark.slow
def test_a_killed_process_leaves_its_trial_to_the_next(tmp_path):
    study = create(tmp_path / "study", epochs=4000)
    write_json(tmp_path / "job.json", job(study, 1))
    process = subprocess.Popen(
        [sys.executable, "-m", workers.TRIAL_JOB, str(tmp_path / "job.json")], env=environment(),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with killed_at_the_end(process):
        process.stdin.write(b"\n")
        process.stdin.flush()
        wait_for(lambda: len(log_rows(study.path(1))) > 1, process)
        assert not study.has_work(1)  # it is being trained
    assert study.entries()[1].state.name == "RUNNING"
    before = log_rows(study.path(1))
    console = Reader(interrupt)
    assert work(job(study, 1), console) == {}
    rows = log_rows(study.path(1))
    assert len(before) < len(rows) < 4000
    assert [without_times(row) for row in rows[: len(before)]] == [
        without_times(row) for row in before
    ]


def test_a_taken_over_trial_is_told_in_one_sentence(tmp_path, monkeypatch):
    def train_trial(trial, *rest):
        raise UserError("trial 1 was taken over.")

    monkeypatch.setattr(trials, "train_trial", train_trial)
    study = create(tmp_path)
    outcome = work(job(study, 1), Reader())
    assert outcome == {"error": "trial 1 was taken over.", "usage": False}
    json.dumps(read_json(tmp_path / "study.json"))
