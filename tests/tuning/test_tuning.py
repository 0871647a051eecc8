"""Searching from the command line and from Python: what it refuses, prints, leaves, and repeats.

Trials train inside this process, except where processes of their own are what the test is about.
"""

import contextlib
import csv
import dataclasses
import importlib.util
import json
import shutil
import signal

import psutil
import pytest
import yaml
from helpers import (
    children_of,
    flags,
    invoke,
    killed_at_the_end,
    log_rows,
    python,
    refusal,
    start,
    succeeded,
    wait_for,
)
from PIL import Image

import dtp_tf
from dtp_tf.console.tables import make_console
from dtp_tf.errors import SettingError
from dtp_tf.machines.machine import Machine
from dtp_tf.runs.folder import Run
from dtp_tf.tuning import workers
from dtp_tf.tuning.shared_study import SharedStudy
from dtp_tf.tuning.trial_job import run_job
from dtp_tf.tuning.tuning import check_numbers

pytestmark = pytest.mark.slow  # they share a search of four trials

SMALL = {"units": (16, 12), "batch_size": 64, "epochs": 2}
WORDS = flags(SMALL)
PICTURES = ("history.png", "importance.png", "parallel.png")


class HereChild:
    """A worker in this process: it is done before it is waited for."""

    jobs = []

    def __init__(self, module, job, environment):
        self.jobs.append(job)
        self._outcome = run_job(job)

    def wait(self, seconds):
        return True

    def stop(self):
        pass

    close = kill = stop

    def outcome(self):
        return self._outcome


@pytest.fixture(autouse=True)
def jobs(monkeypatch):
    """What the workers were given to do; they work in this process."""
    monkeypatch.setattr(workers, "ChildProcess", HereChild)
    monkeypatch.setattr(HereChild, "jobs", [])
    return HereChild.jobs


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(folder, standard output, standard error) of a search of four trials. Tests copy it."""
    folder = tmp_path_factory.mktemp("tuned") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "ChildProcess", HereChild)
        result = invoke("tune", "digits", "--trials", 4, "--out", folder, "--json", *WORDS)
        return folder, succeeded(result), result.stderr


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the finished search's folder."""
    return shutil.copytree(finished[0], tmp_path / "out")


def tune(out, trials=4, **settings):
    """Search on the digits from Python, quietly."""
    quiet = make_console(quiet=True)
    return dtp_tf.tune("digits", trials, out=out, console=quiet, **{**SMALL, **settings})


def rows(folder):
    with open(folder / "trials.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# -- what it leaves --------------------------------------------------------------------------------


def test_the_json_is_alone_on_stdout_and_says_what_the_files_say(finished):
    folder, text, _ = finished
    content = json.loads(text)
    assert content["complete"] is True
    assert content["folder"] == str(folder)
    assert content["best"] == content["trials"][0]
    assert content["best_config"] == str(folder / "best.yaml")
    assert set(content["importances"]) == set(content["trials"][0]) & {
        "learning_rate", "inverse_learning_rate", "target_step", "noise", "optimizer"
    }  # fmt: skip
    for row, text_row in zip(content["trials"], rows(folder), strict=True):
        assert {k: "" if v is None else str(v) for k, v in row.items()} == text_row


def test_the_rows_say_what_the_trials_say_best_first(finished):
    folder, _, _ = finished
    found = rows(folder)
    assert sorted(int(row["trial"]) for row in found) == [1, 2, 3, 4]
    accuracies = [float(row["validation_accuracy"]) for row in found if row["status"] == "finished"]
    assert accuracies == sorted(accuracies, reverse=True) and len(accuracies) == 4
    for row in found:
        run = Run(folder / "trials" / f"{int(row['trial']):04d}")
        recipe, logs = run.recipe(), log_rows(run.path)
        assert row["epochs"] == str(len(logs))
        assert float(row["validation_accuracy"]) == max(float(r["val_accuracy"]) for r in logs)
        assert float(row["learning_rate"]) == recipe.learning_rate
        assert row["optimizer"] == recipe.optimizer
        assert row["training/validation"] == "1150/287"
        assert (row["seed"], row["rule"], row["epochs_asked"]) == ("0", "dtp", "2")
        assert row["device"] and row["tensorflow"] and row["command"].startswith("python cli.py")
    assert [row["is_recipe"] for row in found].count("True") == 1
    assert next(row for row in found if row["is_recipe"] == "True")["trial"] == "1"


def test_a_person_reads_a_table_and_what_to_do_next(finished):
    folder, text, said = finished
    best = json.loads(text)["best"]
    assert "study      " in said and "0 of 4 trials are done" in said
    (line,) = [line for line in said.splitlines() if line.split()[:1] == [str(best["trial"])]]
    assert f"{100 * best['validation_accuracy']:.2f}" in line
    assert "1 (recipe)" in said
    assert "trials     4 finished" in said
    assert f"written    {folder}/trials.csv, best.yaml, history.png" in said
    assert f"train it   python cli.py train --config {folder}/best.yaml" in said


def test_nothing_of_the_test_split_is_reported(finished):
    folder, text, said = finished
    texts = [text, said, *(path.read_text() for path in folder.rglob("*.csv"))]
    assert not any("test_" in one or "test accuracy" in one for one in texts)
    assert not list(folder.rglob("metrics.json")) and not list(folder.rglob("*.keras"))


@pytest.mark.parametrize("name", PICTURES)
def test_the_pictures_are_pngs_of_a_readable_size(finished, name):
    with Image.open(finished[0] / name) as picture:
        assert picture.format == "PNG"
        picture.load()
        assert min(picture.size) > 300


def test_the_best_settings_train_as_they_are(finished, tmp_path):
    folder, text, _ = finished
    best = json.loads(text)["best"]
    words = "--config", folder / "best.yaml", "--run-dir", tmp_path / "run", "--no-export"
    succeeded(invoke("train", *words, "--epochs", 2))
    trial = Run(folder / "trials" / f"{best['trial']:04d}")
    assert Run(tmp_path / "run").recipe() == trial.recipe()
    again = max(float(row["val_accuracy"]) for row in log_rows(tmp_path / "run"))
    assert again == pytest.approx(best["validation_accuracy"], abs=0.02)  # sums differ in bits


def test_the_best_settings_leave_epochs_and_seed_to_the_recipe(finished):
    content = yaml.safe_load((finished[0] / "best.yaml").read_text())
    assert content["recipe"] == "digits" and content["units"] == [16, 12]
    assert not {"epochs", "seed", "schedule", "inverse_l2"} & set(content)


# -- once more -------------------------------------------------------------------------------------


def test_finished_trials_are_not_repeated(copy, jobs):
    before = rows(copy)
    content = tune(copy)
    assert content["complete"] and not jobs
    assert rows(copy) == before


def test_more_trials_are_added_to_those_that_are_there(copy, jobs):
    before = {row["trial"]: row for row in rows(copy)}
    content = tune(copy, 5)
    assert len(jobs) == 1
    assert len(content["trials"]) == 5
    assert all(row in rows(copy) for row in before.values())


def test_what_others_are_training_is_not_waited_for(copy, jobs, capsys):
    other = SharedStudy(copy).take(5)
    content = dtp_tf.tune("digits", 5, out=copy, **SMALL)
    assert not jobs
    assert not content["complete"] and content["done"] == 4
    assert "4 of 5 trials are done, 1 in training elsewhere; the same command goes on" in (
        capsys.readouterr().out
    )
    other.give_back()


def test_a_search_with_other_settings_is_refused_by_name(copy, jobs):
    words = "tune", "digits", "--trials", 9, "--out", copy, *flags({**SMALL, "epochs": 3})
    error = refusal(invoke(*words), 1)
    assert f"{copy} was made with `epochs` 2, asked for is 3; choose another --out" in error
    assert not jobs


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"], ["--trials", "0"], ["--timeout", "0"], ["--workers", "0"],
        ["--search", "missing.yaml"], ["--rule", "bp", "--noise", "1"], ["--epochs", "no"],
        ["--device", "tpu"], ["--jit", "no"], ["--jit", "off", "--deterministic"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_use_is_one_sentence_and_exit_code_2(words, tmp_path, jobs):
    refusal(invoke("tune", *words, "--out", tmp_path / "out"), 2)
    assert not (tmp_path / "out").exists() and not jobs


def test_trials_cannot_be_workers_of_one_training(tmp_path, jobs):
    words = "tune", "--strategy", "multiworker", "--out", tmp_path / "out"
    assert "`strategy` multiworker has no place in a search" in refusal(invoke(*words), 2)
    assert not jobs and not (tmp_path / "out").exists()


def test_every_trial_gets_what_is_said_of_the_machine(tmp_path, jobs):
    words = "--device", "cpu", "--jit", "off", "--trials", 1, "--out", tmp_path / "out"
    invoke("tune", *words, "--checkpoint-every", "7steps", *flags(SMALL))
    machine = Machine("cpu", "off", checkpoint_every="7steps")
    assert jobs and all(job["machine"] == dataclasses.asdict(machine) for job in jobs)


def test_a_wrong_search_file_is_refused_by_name(tmp_path, jobs):
    (tmp_path / "space.yaml").write_text("noise: {low: 0.5, high: 0.1}\n")
    words = "tune", "--search", tmp_path / "space.yaml", "--out", tmp_path / "out"
    assert "space.yaml: `noise` has low 0.5 above high 0.1" in refusal(invoke(*words), 2)
    assert not (tmp_path / "out").exists()


def test_a_rule_of_ones_own_that_is_missing_is_refused_before_any_trial(tmp_path, jobs):
    words = "tune", "--rule", f"{tmp_path}/mine.py:Mine", "--out", tmp_path / "out"
    assert "there is no file" in refusal(invoke(*words), 2)
    assert not jobs and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "numbers, named",
    [
        ({"trials": 0}, "`trials` must be a whole number of at least 1, got 0"),
        ({"trials": True}, "`trials` must be a whole number of at least 1, got True"),
        ({"trials": 1, "workers": 1.5}, "`workers` must be a whole number of at least 1, got 1.5"),
        ({"trials": 1, "timeout": 0}, "`timeout` must be above 0 seconds, got 0"),
    ],
)
def test_numbers_from_python_are_checked_too(numbers, named):
    with pytest.raises(SettingError, match=named):
        check_numbers(**numbers)


def test_a_missing_optuna_is_told_with_what_to_install(tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "optuna" else found(name)
    )
    error = refusal(invoke("tune", "--out", tmp_path / "out"), 1)
    assert error.endswith("tune needs Optuna; install it with pip install 'dtp-tf[tune]'.")
    assert not (tmp_path / "out").exists()


def test_an_error_of_a_trial_ends_the_search_in_one_sentence(tmp_path):
    words = "tune", "--dataset", "no_such_set", "--trials", 2, "--out", tmp_path / "out"
    assert "there is no data set 'no_such_set'" in refusal(invoke(*words), 1)


def test_a_search_without_a_finished_trial_has_no_best_one(tmp_path):
    space = {"learning_rate": {"low": 1e29, "high": 1e30}}
    wild = dict(rule="fa", optimizer="sgd", activation="relu", epochs=1, search=space)
    content = tune(tmp_path / "out", 1, **wild)
    assert content["complete"] and content["best"] is None and content["best_config"] is None
    assert [row["status"] for row in content["trials"]] == ["diverged"]
    assert not (tmp_path / "out" / "best.yaml").exists()


# -- the search space ------------------------------------------------------------------------------


def test_the_search_space_is_shown_as_yaml_that_can_be_given_back(tmp_path, jobs):
    text = succeeded(invoke("tune", "mnist-compare", "--rule", "ldrl", "--show-search"))
    (tmp_path / "space.yaml").write_text(text)
    words = "tune", "mnist-compare", "--search", tmp_path / "space.yaml", "--rule", "ldrl"
    assert succeeded(invoke(*words, "--show-search")) == text
    plain = json.loads(succeeded(invoke(*words, "--show-search", "--json")))
    assert plain == yaml.safe_load(text)
    assert "noise" not in succeeded(invoke(*words, "--show-search", "--noise", 0.1))
    assert not jobs


def test_showing_the_search_space_needs_neither_tensorflow_nor_optuna(tmp_path):
    code = (
        "import sys; from dtp_tf.commands.main import main\n"
        "try:\n    main(['tune', '--show-search'])\n"
        "finally:\n    assert not {'tensorflow', 'optuna', 'matplotlib'} & set(sys.modules)\n"
    )
    assert python("-c", code, cwd=tmp_path, fresh=True).startswith("learning_rate: {low: ")


# -- processes -------------------------------------------------------------------------------------


def searching(out, *words):
    return start("tune", "digits", "--rule", "bp", "--units", 8, "--out", out, *words,
                 cwd=out.parent)  # fmt: skip


def test_a_killed_worker_is_replaced_and_its_trial_goes_on(tmp_path):
    out = tmp_path / "out"
    process = searching(out, "--trials", 2, "--epochs", 20)
    with killed_at_the_end(process):
        wait_for(lambda: log_rows(out / "trials/0001"), process)
        (victim,) = children_of(process)
        victim.send_signal(signal.SIGKILL)
        said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "a training process was killed by signal 9" in said
    assert "trials     2 finished" in said
    study = SharedStudy(out)
    assert study.done(failed=False) == 2
    assert len(study._study.trials) == 3  # one of them twice
    assert len(log_rows(out / "trials/0001")) == 20


def test_a_killed_search_leaves_no_process_behind_and_goes_on_until_ctrl_c(tmp_path):
    out = tmp_path / "out"
    words = "--trials", 2, "--workers", 2, "--epochs", 4000
    logs = out / "trials/0001", out / "trials/0002"

    def epochs():
        return [len(log_rows(path)) for path in logs]

    process = searching(out, *words)
    with killed_at_the_end(process):
        wait_for(lambda: min(epochs()), process)
        children = children_of(process)
    for child in children:  # each hears that nobody waits for it, and stops as after Ctrl-C
        with contextlib.suppress(psutil.NoSuchProcess):
            child.wait(120)
    assert len(children) == 2
    study = SharedStudy(out)
    assert [entry.state.name for entry in study.entries().values()] == ["WAITING"] * 2

    before = epochs()
    process = searching(out, *words)
    with killed_at_the_end(process):
        wait_for(lambda: epochs()[0] > before[0] and epochs()[1] > before[1], process)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    for number, count in enumerate(epochs(), start=1):
        assert f"trial {number}    stopped after epoch {count}; the same command goes on" in said
        assert before[number - 1] < count < 4000
    assert "0 of 2 trials are done; the same command goes on" in said
    assert [row["status"] for row in rows(out)] == ["waiting"] * 2
