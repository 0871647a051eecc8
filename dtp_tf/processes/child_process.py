"""Jobs in a process of their own: started, waited for, stopped."""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import dtp_tf
from dtp_tf.files import read_json, write_json
from dtp_tf.processes.child import OUTCOME, OUTCOME_SCHEMA
from dtp_tf.processes.cores import worker_environment

SHARE = 10  # jobs that one process does, for it keeps some memory of each
LONG = 60  # seconds of a job, beside which the start of a process is nothing
POLL = 0.05  # seconds


class ChildProcess:
    """A process that does a job, and perhaps others after it.

    Args:
        module: that does it when it is run; see `dtp_tf.processes.child`.
        job: what to do, JSON types; "stream" in it says where the process may print: "stdout",
            "stderr", or None: nobody reads.
        environment: variables beside those of this process.
    """

    def __init__(self, module, job, environment=None):
        self._folder = tempfile.TemporaryDirectory()
        self._file = pathlib.Path(self._folder.name, "job.json")
        self._outcome = self._file.with_name(OUTCOME)
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, str(self._file)],
            env={**_environment(), **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=sys.__stderr__ if job["stream"] == "stderr" else None,
            # A terminal sends Ctrl-C to all of its processes; the child hears of it from here.
            start_new_session=True,
        )
        self.give(job)

    def give(self, job):
        """Give the process a job, the first one or, after the outcome of the last, the next."""
        self._outcome.unlink(missing_ok=True)
        write_json(self._file, job)
        with contextlib.suppress(BrokenPipeError):  # it is dead, as `wait` will tell
            self._process.stdin.write(b"\n")
            self._process.stdin.flush()

    def wait(self, seconds):
        """Wait until the job is done or the process has ended, at most so long; return whether."""
        end = time.monotonic() + seconds
        while not (over := self._outcome.exists() or self.ended()):
            left = end - time.monotonic()
            if left <= 0:
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(min(POLL, left))
        return over

    def ended(self):
        """Whether the process has ended."""
        return self._process.poll() is not None

    def stop(self):
        """Let the process end after its batch, as Ctrl-C would; it may be called again."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def kill(self):
        """End the process at once."""
        self._process.kill()

    def close(self):
        """Stop the process if it runs, wait for it, and remove what it needed."""
        self.stop()
        self._process.wait()
        self._folder.cleanup()

    def outcome(self):
        """Return what the job returned, once `wait` says so; None if the process died."""
        return read_json(self._outcome, OUTCOME_SCHEMA) if self._outcome.exists() else None

    def end(self):
        """Say in two or three words how a process that died has ended."""
        code = self._process.returncode
        return f"was killed by signal {-code}" if code < 0 else "failed"


class Children:
    """A process that does jobs, one after the other, and its successors: it is renewed when it has
    done ten, or a long one, or has died.

    Args:
        module, environment: see `ChildProcess`.
    """

    def __init__(self, module, environment=None):
        self._module, self._environment = module, environment
        self._child, self._left = None, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._renew()

    def start(self, job):
        """Return the `ChildProcess` that does this job."""
        if self._child is not None and self._child.ended():
            self._renew()
        if self._child is None:
            self._child = ChildProcess(self._module, job, self._environment)
            self._left = SHARE
        else:
            self._child.give(job)
        return self._child

    def done(self, seconds):
        """Hear that the process has done the job, in so many seconds."""
        self._left -= 1
        if not self._left or seconds > LONG:
            self._renew()

    def _renew(self):
        if self._child is not None:
            self._child.close()
            self._child = None


def run_jobs(module, jobs, stop, workers=1):
    """Do jobs in processes of their own, and yield each with its outcome as it ends.

    Args:
        module: see `ChildProcess`.
        jobs: an iterator of jobs, each with the "run_dir" of a training run. It is asked for the
            next one when a process is free for it.
        stop: an event; once it is set, what runs ends after its batch, and nothing is begun.
        workers: how many jobs are done at the same time.
    """
    environment, running = worker_environment(workers), []
    free = [Children(module, environment) for _ in range(workers)]
    with contextlib.ExitStack() as stack:
        for children in free:
            stack.enter_context(children)
        try:
            while True:
                while free and not stop.is_set() and (job := next(jobs, None)) is not None:
                    children = free.pop()
                    running.append((job, children, children.start(job), time.monotonic()))
                if not running:
                    return
                for one in list(running):
                    job, children, child, begun = one
                    if stop.is_set():
                        child.stop()
                    if not child.wait(0.2 / len(running)):
                        continue
                    running.remove(one)
                    free.append(children)
                    yield job, _outcome(job, children, child, time.monotonic() - begun)
        except KeyboardInterrupt:  # the second one
            for _, _, child, _ in running:
                child.kill()
            raise
        finally:
            for _, _, child, _ in running:  # all of them, before one is waited for
                child.stop()


def _outcome(job, children, child, seconds):
    """Return the outcome of a job that took so many seconds, or of the death of its process."""
    outcome = child.outcome()
    if outcome is None:
        run, end = job["run_dir"], child.end()
        return {"error": f"the training process of {run} {end}; the same command goes on."}
    children.done(seconds)
    return outcome


def _environment():
    """Return the environment of a process that finds this package, from any folder."""
    home = str(pathlib.Path(dtp_tf.__file__).parents[1])
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
