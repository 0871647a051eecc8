"""Worker processes that train the trials of a study: started, watched, replaced, stopped."""

import threading
import time

from dtp_tf.errors import SettingError, UserError
from dtp_tf.processes.child_process import ChildProcess
from dtp_tf.processes.cores import worker_environment

TRIAL_JOB = "dtp_tf.tuning.trial_job"  # the module that trains trials in its own process
DEATHS = 4  # processes that may die in a row before the search gives up


def run_workers(study, job, workers, limit, stop, console):
    """Keep workers at work until no trial is left, the time is over, or `stop` is set.

    Args:
        study: the `dtp_tf.tuning.shared_study.SharedStudy`.
        job: what each does, see `dtp_tf.tuning.trials.work`.
        workers: how many processes there are at most.
        limit: when the time is over, by `time.monotonic`; None = never.
        stop: an event that Ctrl-C sets.
        console: where a person reads.

    Raises:
        UserError: what a worker says, or that they die one after the other.
    """
    running, deaths, done = [], 0, 0
    failure, over = None, threading.Event()
    environment = worker_environment(workers)
    try:
        while True:
            if limit is not None and time.monotonic() > limit and not over.is_set():
                console.print("the time is over", markup=False)
                over.set()
            if stop.is_set() or failure is not None:
                over.set()
            if not over.is_set():
                wanted = min(workers, job["trials"] - study.done())
                while len(running) < wanted and study.has_work(job["trials"]):
                    running.append(ChildProcess(TRIAL_JOB, job, environment))
            if not running:
                break
            for child in list(running):
                if over.is_set():
                    child.stop()
                if not child.wait(0.2 / len(running)):
                    continue
                running.remove(child)
                outcome = child.outcome()
                child.close()
                if outcome is None and not over.is_set():
                    console.print(f"a training process {child.end()}", markup=False)
                    before, done = done, study.done(failed=False)
                    deaths = 1 if done > before else deaths + 1
                    if deaths >= DEATHS:
                        failure = UserError(
                            f"{deaths} training processes died without finishing a trial, the "
                            f"last {child.end()}; see above, or the memory of this machine."
                        )
                elif outcome and failure is None and not stop.is_set():
                    failure = (SettingError if outcome["usage"] else UserError)(outcome["error"])
    except KeyboardInterrupt:  # the second one
        for child in running:
            child.kill()
        raise
    finally:
        for child in running:
            child.close()
    if failure is not None:
        raise failure
