"""Jobs in processes of their own: one process for several, renewed, replaced and stopped."""

import os
import signal
import threading
import time

import psutil
import pytest

from dtp_tf.processes import child_process
from dtp_tf.processes.child_process import run_jobs

WORK = """
import os, time
from dtp_tf.processes.child import JOB, work_as_child
from dtp_tf.schema import NUMBER, TEXT, mapping

def work(job):
    if job["run_dir"] == "deadly":
        os._exit(3)
    end = time.monotonic() + job["seconds"]
    try:
        while time.monotonic() < end:
            time.sleep(0.01)
    except KeyboardInterrupt:
        return {"error": "stopped"}
    return {"error": str(os.getpid())}

def interrupt(*_):
    raise KeyboardInterrupt

if __name__ == "__main__":
    import signal
    signal.signal(signal.SIGTERM, interrupt)
    work_as_child(work, mapping({**JOB, "run_dir": TEXT, "seconds": NUMBER}))
"""

pytestmark = pytest.mark.slow  # they start processes


@pytest.fixture(name="work", autouse=True)
def fixture_work(tmp_path, monkeypatch):
    """The module that does the jobs is found by their processes."""
    (tmp_path / "working.py").write_text(WORK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def job(run_dir="run", seconds=0):
    return {"data_dir": None, "stream": None, "run_dir": run_dir, "seconds": seconds}


def done(jobs, stop=None, workers=1):
    """Yield what the jobs say: each the number of the process that did it."""
    for _, outcome in run_jobs("working", iter(jobs), stop or threading.Event(), workers):
        yield outcome["error"]


def test_short_jobs_share_a_process_which_is_renewed(monkeypatch):
    monkeypatch.setattr(child_process, "SHARE", 2)
    first, second, third = done([job()] * 3)
    assert int(first) != os.getpid()
    assert first == second != third


def test_after_a_long_job_the_process_is_renewed(monkeypatch):
    monkeypatch.setattr(child_process, "LONG", 0)
    first, second = done([job()] * 2)
    assert first != second


def test_a_process_that_dies_is_told_and_replaced():
    first, died, other = done([job(), job("deadly"), job()])
    assert died == "the training process of deadly failed; the same command goes on."
    assert int(other) not in (int(first), os.getpid())


def test_a_process_that_was_killed_between_two_jobs_is_replaced():
    said = done([job()] * 2)
    first = int(next(said))
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    assert next(said).isdigit()


def test_a_later_job_is_stopped_too_and_none_is_begun_after_it():
    stop = threading.Event()
    said = done([job(), job(seconds=60), job()], stop)
    assert next(said).isdigit()
    threading.Timer(0.3, stop.set).start()
    assert list(said) == ["stopped"]


def test_several_workers_do_jobs_at_the_same_time_and_take_the_next_when_they_are_free():
    asked = []

    def jobs():
        for name, seconds in (("long", 4), ("a", 0), ("b", 0), ("c", 0)):
            asked.append(name)
            yield job(name, seconds)

    ended = []
    for one, outcome in run_jobs("working", jobs(), threading.Event(), workers=2):
        ended.append((one["run_dir"], outcome["error"]))
        if len(ended) == 1:
            assert asked == ["long", "a"]  # one that is not begun yet has not been asked for
    assert [name for name, _ in ended] == ["a", "b", "c", "long"]
    processes = dict(ended)
    assert processes["a"] == processes["b"] == processes["c"] != processes["long"]


def test_whoever_leaves_before_the_end_stops_all_workers():
    before = set(psutil.Process().children())
    said = run_jobs("working", iter([job("x", 60), job("y", 60), job("z")]), threading.Event(), 3)
    begun = time.monotonic()
    assert next(said)[0]["run_dir"] == "z"
    workers = set(psutil.Process().children()) - before
    assert len(workers) == 3
    said.close()
    assert time.monotonic() - begun < 50
    assert not any(worker.is_running() for worker in workers)
