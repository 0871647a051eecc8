"""Jobs in processes of their own: one process for several, renewed, replaced and stopped."""

import os
import signal
import threading

import pytest

from dtp_tf.processes import child_process
from dtp_tf.processes.child_process import Children, run_child

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


@pytest.fixture(name="do")
def fixture_do(tmp_path, monkeypatch):
    """A function that does a job; its outcome is the number of the process that did it."""
    (tmp_path / "working.py").write_text(WORK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    children = Children("working")

    def do(run_dir="run", seconds=0, stop=None):
        job = {"data_dir": None, "stream": None, "run_dir": run_dir, "seconds": seconds}
        return run_child(children, job, stop or threading.Event())["error"]

    with children:
        yield do


def test_short_jobs_share_a_process_which_is_renewed(do, monkeypatch):
    monkeypatch.setattr(child_process, "SHARE", 2)
    first, second, third = do(), do(), do()
    assert int(first) != os.getpid()
    assert first == second != third


def test_after_a_long_job_the_process_is_renewed(do, monkeypatch):
    monkeypatch.setattr(child_process, "LONG", 0)
    assert do() != do()


def test_a_process_that_dies_is_told_and_replaced(do):
    first = do()
    died = do("deadly")
    assert died == "the training process of deadly failed; the same command goes on."
    assert int(do()) not in (int(first), os.getpid())


def test_a_process_that_was_killed_between_two_jobs_is_replaced(do):
    first = int(do())
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    assert do().isdigit()


def test_a_later_job_is_stopped_too(do):
    do()
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    assert do(seconds=60, stop=stop) == "stopped"
