"""Several workers on one machine: they train as one, and end as one."""

import contextlib
import os
import shutil
import signal
import tempfile
import time
from subprocess import Popen

import psutil
import pytest
from helpers import (
    StopAfter,
    children_of,
    flags,
    hidden_files,
    invoke,
    killed_at_the_end,
    log_rows,
    refusal,
    start,
    train,
    wait_for,
)
from test_distribution import SETTINGS, assert_same_run, single  # noqa: F401

from dtp_tf.commands.launch import worker_words
from dtp_tf.errors import SettingError
from dtp_tf.files import read_json
from dtp_tf.machines import launch as launching
from dtp_tf.machines.launch import free_ports

QUICK = {"units": (8,), "batch_size": 64, "epochs": 4000, "rule": "bp"}


@contextlib.contextmanager
def launched(run, settings, *words):
    """Workers that train; (the process that launched them, its workers by number)."""
    process = start(
        "launch", "--workers", 2, "train", "digits", *flags(settings), "--run-dir", run,
        "--no-export", *words, cwd=run.parent,
    )  # fmt: skip
    with killed_at_the_end(process):
        wait_for(lambda: len(log_rows(run)) > 0, process)
        yield process, dict(enumerate(children_of(process)))


# -- what is refused -------------------------------------------------------------------------------


def test_only_workers_that_train_are_launched():
    assert "`launch` starts workers that `train`" in refusal(invoke("launch", "evaluate", "x"), 2)
    words = ("launch", "--workers", "2", "train", "digits", "--strategy", "mirrored")
    assert "`strategy` is multiworker, got 'mirrored'" in refusal(invoke(*words), 2)
    with pytest.raises(SettingError, match="got 'none'"):
        worker_words(("train", "--strategy=none"))
    expected = ["train", "--strategy", "multiworker", "digits", "--epochs", "3"]
    assert worker_words(("train", "digits", "--epochs", "3")) == expected
    assert worker_words(expected) == expected
    assert len(set(free_ports(5))) == 5


@pytest.mark.slow
def test_what_train_refuses_is_said_once_with_its_exit_code(tmp_path):
    process = start("launch", "--workers", 2, "train", "digits", "--unitz", "3", cwd=tmp_path)
    with killed_at_the_end(process):
        said, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert errors.count("No such option") == 1
    assert not said and not list(tmp_path.iterdir())


def test_what_every_worker_refuses_is_said_by_the_chief_alone(monkeypatch, capfd):
    def begin(cluster, words, stack):
        """A worker that refuses its words, the chief last."""
        errors = stack.enter_context(tempfile.TemporaryFile()) if cluster.index else None
        command = f"sleep {1 - cluster.index}; echo refused >&2; exit 2"
        return launching.Worker(cluster.index, Popen(["sh", "-c", command], stderr=errors), errors)

    monkeypatch.setattr(launching, "_start", begin)
    assert launching.launch(2, ()) == 2
    assert capfd.readouterr().err == "refused\n"


# -- runs ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_worker_that_dies_ends_the_others_soon_and_the_run_goes_on_without_them(tmp_path):
    run = tmp_path / "run"
    with launched(run, QUICK) as (process, workers):
        epochs = len(log_rows(run))
        begin = time.monotonic()
        workers[1].kill()
        _, errors = process.communicate(timeout=60)
        assert time.monotonic() - begin < 40
    assert process.returncode == 128 + signal.SIGKILL
    lost, killed = errors.splitlines()
    assert lost.startswith("Error: worker 0 lost another one (")
    assert f"--resume {run}, which goes on from the last checkpoint." in lost
    assert killed == "Error: worker 1 was killed by signal 9; all workers have ended."
    assert not any(worker.is_running() for worker in workers.values())
    # Its state is that of any run: one device goes on with it.
    train(None, resume=run, callbacks=[StopAfter(epochs + 2)])
    rows = log_rows(run)
    assert [row["epoch"] for row in rows] == [str(i + 1) for i in range(len(rows))]
    assert len(rows) >= epochs + 1
    assert "strategy" not in read_json(run / "versions.json")


@pytest.mark.slow
def test_two_workers_leave_the_run_of_one_device_and_go_on_with_one(tmp_path, single):  # noqa: F811
    from helpers import TINY

    run, exported = tmp_path / "run", tmp_path / "exported"
    words = flags({**TINY, **SETTINGS})
    process = start(
        "launch", "train", "digits", *words, "--run-dir", run, "--export-dir", exported,
        cwd=tmp_path,
    )  # fmt: skip
    said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert said.count("epoch 2/2") == 1 and not errors
    assert_same_run(run, single / "whole")
    assert [path.name for path in exported.glob("*/*")] == ["1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["exported", "run"]
    assert not hidden_files(tmp_path)
    found = read_json(run / "metrics.json")["conditions"]
    assert (found["strategy"], found["workers"], found["replicas"]) == ("multiworker", 2, 2)

    stopped = shutil.copytree(single / "stopped", tmp_path / "stopped")
    process = start("launch", "train", "--resume", stopped, "--no-export", cwd=tmp_path)
    said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "resumed after epoch 1 of 2" in said
    assert_same_run(stopped, single / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["launcher", "worker"])
def test_a_stop_of_the_launcher_or_of_one_worker_stops_all_in_order(tmp_path, whom):
    run = tmp_path / "run"
    with launched(run, QUICK) as (process, workers):
        if whom == "launcher":
            process.send_signal(signal.SIGINT)
        else:
            workers[1].send_signal(signal.SIGTERM)
        said, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert not errors and "interrupted after epoch" in said
    assert read_json(run / "metrics.json")["interrupted"]


@pytest.mark.slow
def test_a_worker_that_freezes_is_noticed_within_the_time_that_the_docs_say(tmp_path):
    run = tmp_path / "run"
    with launched(run, QUICK) as (process, workers):
        begin = time.monotonic()
        os.kill(workers[1].pid, signal.SIGSTOP)
        psutil.wait_procs([workers[0]], timeout=60)
        assert time.monotonic() - begin < 30
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.startswith("Error: worker 0 lost another one (") and errors.count("\n") == 1
