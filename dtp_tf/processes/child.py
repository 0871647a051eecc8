"""A job in a process of its own, as seen from inside.

A process that trains again and again keeps some memory of every run, and a run that is killed for
want of memory would take the whole comparison with it. A wing that has such jobs has a module that
calls `work_as_child` when it is run:

    python -m MODULE JOB.json
"""

import os
import pathlib
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
    """Do the job in the file that the command line names, and write its outcome beside it.

    Args:
        work: a function of the job (JSON types) that returns its outcome (a dict, JSON types). It
            imports what needs TensorFlow itself.
        schema: of the job, see `dtp_tf.schema`.
    """
    stop_with_parent()
    job = pathlib.Path(sys.argv[1])
    import_tensorflow()
    write_json(job.with_name(OUTCOME), work(read_json(job, schema)))


def stop_with_parent():
    """Stop this run as Ctrl-C would when standard input closes: the parent stops, or is dead."""

    def watch():
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
