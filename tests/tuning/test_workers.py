"""Worker processes: as many as wanted, replaced when they die, stopped when asked to.

The processes are stand-ins here; `test_tuning.py` starts real ones.
"""

import os
import threading
import time

import pytest

from dtp_tf.console.tables import make_console
from dtp_tf.errors import SettingError, UserError
from dtp_tf.processes.cores import worker_environment
from dtp_tf.tuning import workers
from dtp_tf.tuning.workers import DEATHS, run_workers


class Study:
    """A study that counts."""

    def __init__(self, count):
        self.count, self.finished = count, 0

    def done(self, failed=True):
        return self.finished

    def has_work(self, limit):
        return self.finished < limit


class Child:
    """A process that finishes one trial, or does as its class says."""

    started, running, most = [], 0, 0
    ends = None  # what it returns; None = it died
    finishes = 1
    endless = False

    def __init__(self, module, job, environment):
        kind = type(self)
        kind.started.append((job, environment))
        kind.running += 1
        kind.most = max(kind.most, kind.running)
        self.stopped = self.killed = False

    def wait(self, seconds):
        time.sleep(0.001)
        return self.stopped or not self.endless

    def stop(self):
        self.stopped = True

    def kill(self):
        self.killed = True

    def close(self):
        type(self).running -= 1

    def outcome(self):
        self.study.finished += self.finishes
        return self.ends

    def end(self):
        return "was killed by signal 9"


@pytest.fixture
def run(monkeypatch):
    """A function that runs workers of a kind on a study of some trials; it returns the kind."""

    def start(trials, count=1, limit=None, stop=None, **kind):
        study = Study(trials)
        new = type("New", (Child,), {"started": [], "study": study, **kind})
        monkeypatch.setattr(workers, "ChildProcess", new)
        kinds.append(new)
        console = make_console()
        run_workers(study, {"trials": trials}, count, limit, stop or threading.Event(), console)
        return new

    kinds = []
    start.kinds = kinds
    return start


def test_workers_are_started_until_all_trials_are_done(run):
    kind = run(5, ends={})
    assert len(kind.started) == 5
    assert (kind.most, kind.running) == (1, 0)


@pytest.mark.parametrize("trials, count, most", [(6, 3, 3), (2, 3, 2)])
def test_no_more_workers_run_than_wanted_or_of_use(run, trials, count, most):
    kind = run(trials, count, ends={})
    assert (kind.most, kind.running) == (most, 0)


def test_nothing_is_started_where_nothing_is_left(run):
    assert run(0, ends={}).started == []


def test_a_worker_that_dies_is_replaced_and_said_so(run, capsys):
    kind = run(2 * DEATHS)  # each finishes a trial before it dies
    assert len(kind.started) == 2 * DEATHS
    said = capsys.readouterr().out.splitlines()
    assert said == ["a training process was killed by signal 9"] * 2 * DEATHS


def test_workers_that_die_one_after_the_other_end_the_search(run):
    with pytest.raises(UserError, match=f"{DEATHS} training processes died without finishing"):
        run(3, finishes=0)
    assert len(run.kinds[0].started) == DEATHS


@pytest.mark.parametrize("usage, kind", [(True, SettingError), (False, UserError)])
def test_what_a_worker_says_is_wrong_ends_the_search(run, usage, kind):
    with pytest.raises(UserError, match="^no such data.$") as caught:
        run(9, 2, ends={"error": "no such data.", "usage": usage}, finishes=0)
    assert type(caught.value) is kind
    assert len(run.kinds[0].started) == 2  # no others are started
    assert run.kinds[0].running == 0


def test_a_stop_reaches_all_workers(run):
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    kind = run(9, 2, stop=stop, endless=True, ends={}, finishes=0)
    assert (len(kind.started), kind.running) == (2, 0)


def test_workers_are_stopped_when_the_time_is_over(run, capsys):
    kind = run(9, 2, limit=time.monotonic() + 0.1, endless=True, ends={}, finishes=0)
    assert (len(kind.started), kind.running) == (2, 0)
    assert capsys.readouterr().out == "the time is over\n"


def test_deaths_after_a_stop_are_as_they_should_be(run, capsys):
    stop = threading.Event()
    stop.set()
    assert run(9, 2, stop=stop).started == []
    kind = run(9, 2, limit=time.monotonic() + 0.05, endless=True, finishes=0)
    assert len(kind.started) == 2
    assert "a training process" not in capsys.readouterr().out


def test_a_second_stop_kills_the_workers(run):
    children = []

    class Impatient:
        def __get__(self, child, kind):
            children.append(child)

            def wait(seconds):
                raise KeyboardInterrupt

            return wait

    with pytest.raises(KeyboardInterrupt):
        run(9, 2, wait=Impatient())
    assert children[0].killed
    assert run.kinds[0].running == 0


def test_several_workers_share_the_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert worker_environment(1) == {}
    found = worker_environment(3)
    assert found["TF_NUM_INTRAOP_THREADS"] == "2"
    assert "OMP_NUM_THREADS" not in found  # what the user has set stays
    assert worker_environment(20)["TF_NUM_INTRAOP_THREADS"] == "1"
