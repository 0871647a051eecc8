"""How processes that work at the same time share this machine's cores."""

import os

from dtp_tf.arguments import check_whole

MAX_WORKERS = 256  # processes of one machine


def check_workers(workers):
    """Raise `SettingError` if so many processes cannot work at the same time."""
    check_whole("workers", workers, most=MAX_WORKERS)


def worker_environment(workers):
    """Return the environment variables that share this machine's cores among its workers."""
    if workers == 1:
        return {}
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    cores = os.cpu_count() if affinity is None else len(affinity(0))
    threads = str(max(1, cores // workers))
    names = "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"
    variables = {**dict.fromkeys(names, threads), "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    return {name: value for name, value in variables.items() if name not in os.environ}
