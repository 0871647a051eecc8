"""A job in a process of its own: started, waited for, stopped."""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile

import dtp_tf
from dtp_tf.files import read_json, write_json
from dtp_tf.processes.child import OUTCOME, OUTCOME_SCHEMA


class ChildProcess:
    """A process that does a job.

    Args:
        module: that does it when it is run; see `dtp_tf.processes.child`.
        job: what to do, JSON types; "stream" in it says where the process may print: "stdout",
            "stderr", or None: nobody reads.
        environment: variables beside those of this process.
    """

    def __init__(self, module, job, environment=None):
        self._folder = tempfile.TemporaryDirectory()
        file = pathlib.Path(self._folder.name, "job.json")
        write_json(file, job)
        self._outcome = file.with_name(OUTCOME)
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, str(file)],
            env={**_environment(), **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=sys.__stderr__ if job["stream"] == "stderr" else None,
            # A terminal sends Ctrl-C to all of its processes; the child hears of it from here.
            start_new_session=True,
        )

    def wait(self, seconds):
        """Wait until the process has ended, at most so long; return whether it has."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.poll() is not None

    def stop(self):
        """Let the process end after its batch, as Ctrl-C would; it may be called again."""
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
        """Return what the job returned, once the process has ended; None if it died."""
        return read_json(self._outcome, OUTCOME_SCHEMA) if self._outcome.exists() else None

    def end(self):
        """Say in two or three words how a process that died has ended."""
        code = self._process.returncode
        return f"was killed by signal {-code}" if code < 0 else "failed"


def run_child(module, job, stop):
    """Do a job in a process of its own and return its outcome.

    Args:
        module, job: see `ChildProcess`; the job has the "run_dir" of a training run.
        stop: an event; once it is set, the run ends after its batch.
    """
    child = ChildProcess(module, job)
    try:
        while not child.wait(0.2):
            if stop.is_set():
                child.stop()
        outcome = child.outcome()
    except KeyboardInterrupt:  # the second one
        child.kill()
        raise
    finally:
        child.close()
    if outcome is not None:
        return outcome
    run = job["run_dir"]
    return {"error": f"the training process of {run} {child.end()}; the same command goes on."}


def _environment():
    """Return the environment of a process that finds this package, from any folder."""
    home = str(pathlib.Path(dtp_tf.__file__).parents[1])
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
