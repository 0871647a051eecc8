"""Runs that are killed end as those that are not, bit by bit where they are deterministic."""

import random
import signal
import subprocess
import sys
import time

import keras
import pytest
from helpers import (
    DETERMINISTIC,
    TINY,
    Copied,
    arrays,
    assert_same_arrays,
    deterministic_history,
    deterministic_run,
    environment,
    flags,
    hidden_files,
    invoke,
    killed_at_the_end,
    log_rows,
    start,
    succeeded,
    train,
    wait_for,
    without_times,
)
from resume_support import check_log

from dtp_tf.files import read_json
from dtp_tf.runs.models import load_model


class StateAtTheStart(keras.callbacks.Callback):
    """Saves the network as it is before the first step."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_train_begin(self, logs=None):
        self.model.save(self.path)


def last_epoch(run):
    """Return the number of epochs in a run's last checkpoint, 0 without one."""
    if not (run / "last.keras").exists():
        return 0
    return len(load_model(run / "last.keras").about["history"])


# A command that kills itself at its n-th checkpoint: some seconds after it is there, or, at "half",
# with half of it on the disk.
DYING = """
import os, signal, sys, threading
from dtp_tf.commands.main import main
left, seconds, *sys.argv[1:] = sys.argv[1:]
left, rename = int(left), os.replace

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def replace(source, target):
    global left
    left -= os.path.basename(target) == "last.keras"
    if left == 0 and seconds == "half":
        os.truncate(source, os.path.getsize(source) // 2)
        die()
    rename(source, target)
    if left == 0:
        left = -1
        threading.Timer(float(seconds), die).start()

os.replace = replace
main()
"""


def killed(run, moment, *words):
    """Train until SIGKILL at a moment, and return the epochs that were saved.

    `moment` is the number of a checkpoint of this process, and seconds after it, or "half". The
    process kills itself: on a busy machine another one would see the moment too late. Number 0 is
    the start of the first epoch.
    """
    checkpoints, seconds = moment
    words = "train", *map(str, words), "--no-export"
    if checkpoints:
        command = [sys.executable, "-c", DYING, str(checkpoints), str(seconds), *words]
        done = subprocess.run(
            command, cwd=run.parent, env=environment(), capture_output=True, text=True
        )
        code = done.returncode, done.stdout, done.stderr
    else:
        process = start(*words, cwd=run.parent)
        with killed_at_the_end(process):
            wait_for((run / "tensorboard").exists, process)
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
            code = (process.wait(),)
    assert code[0] == -signal.SIGKILL, code  # it was still at work
    return last_epoch(run)


@pytest.mark.slow
def test_a_deterministic_run_that_was_killed_ends_bit_identical_to_one_that_was_not(tmp_path):
    chance = random.Random(2015)
    run = tmp_path / "run"
    first = ["digits", *flags(DETERMINISTIC), "--run-dir", run]
    again = ["--resume", run]
    killed(run, (0, chance.uniform(0, 2)), *first)  # while it is traced, or in the first epoch
    saved = [killed(run, (chance.randint(2, 3), chance.uniform(0, 0.2)), *again)]
    saved.append(killed(run, (1, "half"), *again))
    assert 2 <= saved[0] == saved[1] < DETERMINISTIC["epochs"]
    assert hidden_files(run)  # the half checkpoint
    succeeded(invoke("train", "--resume", run, "--no-export"))

    whole = deterministic_run()
    for name in ("last.keras", "best.keras", "classifier.keras"):
        assert_same_arrays(arrays(run / name), arrays(whole / name))
    check_log(run, DETERMINISTIC["epochs"])
    for ours, theirs in zip(log_rows(run), log_rows(whole), strict=True):
        assert without_times(ours) == without_times(theirs)
    ours, theirs = read_json(run / "metrics.json"), read_json(whole / "metrics.json")
    for name in ("test", "validation", "best_epoch", "epochs", "interrupted"):
        assert ours[name] == theirs[name]
    assert not hidden_files(run)


@pytest.mark.slow
def test_a_run_that_was_killed_continues_from_the_very_state_of_its_checkpoint(tmp_path):
    chance = random.Random(1412)
    run = tmp_path / "run"
    settings = {
        **TINY,
        "batch_size": 16,
        "epochs": 8,
        "schedule": "alternating",
        "optimizer": "rmsprop-graves",
        "learning_rate": 0.003,
        "inverse_optimizer": "rmsprop-graves",
    }
    done = killed(
        run, (1, chance.uniform(0, 0.4)), "digits", *flags(settings), "--run-dir", run
    )
    assert 1 <= done < settings["epochs"]
    done_again = killed(run, (1, chance.uniform(0, 0.4)), "--resume", run)
    assert done < done_again < settings["epochs"]

    checkpoint = arrays(run / "last.keras")
    for optimizer in ("optimizer", "inverse_optimizer"):
        assert checkpoint[f"{optimizer}/vars/0"] == done_again * (1150 // 16)  # its updates
    before = log_rows(run)
    _, history = train(
        None, resume=run, callbacks=[StateAtTheStart(tmp_path / "state.keras")]
    )
    assert_same_arrays(arrays(tmp_path / "state.keras"), checkpoint)
    check_log(run, settings["epochs"])
    assert log_rows(run)[: len(before)] == before
    assert history.metrics["epochs"] == settings["epochs"]
    assert int(load_model(run / "last.keras").model.step) == 2 * 8 * (1150 // 16)


@pytest.mark.slow
def test_two_deterministic_runs_of_one_seed_are_bit_identical():
    _, history = deterministic_history()
    for name in ("last.keras", "best.keras", "classifier.keras"):
        assert_same_arrays(arrays(history.run_dir / name), arrays(deterministic_run() / name))
    assert log_rows(history.run_dir)[0]["seconds"] != log_rows(deterministic_run())[0]["seconds"]


# Rules without inverses, with maps in their place, and with an optimizer of each inverse.
RULES = {
    "bp": {},
    "ddtp_linear": {"noise_decay_epochs": 2.0},
    "drl": {
        "inverse_learning_rate": (0.01, 0.02), "inverse_learning_rate_schedule": "cosine",
        "inverse_steps": (2, 1), "noise": (0.1, 0.2), "noise_decay_epochs": 2.0,
    },
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_a_deterministic_run_of_every_kind_of_rule_is_resumed_bit_by_bit(tmp_path, rule):
    settings = {"rule": rule, "epochs": 2, "deterministic": True, **RULES[rule]}
    parts = Copied(tmp_path / "whole", tmp_path / "run", after=1)
    _, whole = train(tmp_path / "whole", callbacks=[parts], **settings)
    _, resumed = train(None, resume=tmp_path / "run")
    for name in ("last.keras", "best.keras"):
        assert_same_arrays(arrays(tmp_path / "run" / name), arrays(tmp_path / "whole" / name))
    for ours, theirs in zip(
        log_rows(tmp_path / "run"), log_rows(tmp_path / "whole"), strict=True
    ):
        assert without_times(ours) == without_times(theirs)
    assert resumed.metrics["test"] == whole.metrics["test"]
