"""Some trials of a search, in a process of their own; see `dtp_tf.processes.child`."""

from dtp_tf.console.tables import make_console
from dtp_tf.processes.child import JOB, work_as_child
from dtp_tf.schema import BOOLEAN, MAPPING, POSITIVE, TEXT, mapping

TRIAL_JOB = mapping(
    {**JOB, "study": TEXT, "trials": POSITIVE, "share": POSITIVE, "machine": MAPPING},
    {"anyway": BOOLEAN},
)


def run_job(job):
    """Train trials as `dtp_tf.tuning.trials.work` says; return its outcome."""
    from dtp_tf.tuning.trials import work  # imports TensorFlow

    return work(job, make_console(stderr=job["stream"] == "stderr", quiet=job["stream"] is None))


if __name__ == "__main__":
    work_as_child(run_job, TRIAL_JOB)
