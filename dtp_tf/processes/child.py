"""Jobs in a process of their own, as seen from inside.

A process that trains again and again keeps some memory of every run, and a run that is killed for
want of memory would take the whole comparison with it. A wing that has such jobs has a module that
calls `work_as_child` when it is run:

    python -m MODULE JOB.json

Each line on standard input says that there is a new job in that file, and its end that nobody waits
any more.
"""

import os
import pathlib
import queue
import signal
import sys
import threading

from dtp_tf.files import read_json, write_json
from dtp_tf.processes.quiet import import_tensorflow
from dtp_tf.schema import BOOLEAN, TEXT, mapping, maybe

OUTCOME = "outcome.json"  # beside the job
OUTCOME_SCHEMA = mapping({}, {"error": TEXT, "diverged": TEXT, "usage": BOOLEAN})
# What every job says; the modules that do one say what else there is.
JOB = {
    "data_dir": maybe(TEXT),
    "stream": {"enum": ["stdout", "stderr", None]},
}


def work_as_child(work, schema):
    """Do the jobs in the file that the command line names, and write their outcomes beside it.

    Args:
        work: a function of a job (JSON types) that returns its outcome (a dict, JSON types). It
            imports what needs TensorFlow itself.
        schema: of the job, see `dtp_tf.schema`.
    """
    given = JobsGiven()
    file = pathlib.Path(sys.argv[1])
    import_tensorflow()
    while given.wait():
        outcome = work(read_json(file, schema))
        given.done()  # first, for the next job may come as soon as this outcome is there
        write_json(file.with_name(OUTCOME), outcome)


class JobsGiven:
    """The jobs that arrive on standard input. When it closes, for the parent stops or is dead, the
    job that is being done ends as Ctrl-C would end it."""

    def __init__(self):
        self._lines = queue.SimpleQueue()
        self._undone = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while lines := os.read(0, 1024):
            self._undone += len(lines)
            for _ in lines:
                self._lines.put(True)
        self._lines.put(False)
        if self._undone:
            os.kill(os.getpid(), signal.SIGTERM)

    def wait(self):
        """Wait for the next job; return whether there is one."""
        return self._lines.get()

    def done(self):
        """Say that the job has been done."""
        self._undone -= 1
