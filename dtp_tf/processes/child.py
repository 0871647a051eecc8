"""One training run of a comparison, or some trials of a search, in a process of their own.

    python -m dtp_tf.child JOB.json

A process that trains again and again keeps some memory of every run, and a run that is killed for
want of memory would take the whole comparison with it.
"""

import os
import pathlib
import signal
import sys
import threading

from dtp_tf.errors import DivergedError, SettingError, UserError
from dtp_tf.files import read_json, write_json
from dtp_tf.quiet import import_tensorflow
from dtp_tf.recipes import Recipe

OUTCOME = "outcome.json"  # beside the job


def run_job(job):
    """Train as a job says.

    Args:
        job: that of `dtp_tf.trials.work` if it has a "study"; otherwise a dict: "recipe" (its
            settings), "run_dir", "resume" (whether the folder holds an unfinished run),
            "data_dir", "stream" ("stdout", "stderr" or None: nobody reads), and perhaps "machine"
            (a dict, see `dtp_tf.machine.Machine`).

    Returns:
        A dict, empty if the run ended well or was stopped; or "diverged" or "error" with the
        sentence, and "usage": whether a setting is wrong.
    """
    from dtp_tf.console import make_console
    from dtp_tf.training import train

    console = make_console(stderr=job["stream"] == "stderr", quiet=job["stream"] is None)
    if "study" in job:
        from dtp_tf.trials import work

        return work(job, console)
    if job["resume"]:
        start = {"resume": job["run_dir"]}
    else:
        start = {"recipe": Recipe.from_dict(job["recipe"]), "run_dir": job["run_dir"]}
    try:
        train(
            **start,
            **job.get("machine", {}),
            data_dir=job["data_dir"],
            export_dir=None,
            console=console,
        )
    except DivergedError as error:
        return {"diverged": str(error)}
    except UserError as error:
        return {"error": str(error), "usage": isinstance(error, SettingError)}
    return {}


def stop_with_parent():
    """Stop this run as Ctrl-C would when standard input closes: the parent stops, or is dead."""

    def watch():
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def main():
    """Run the job in the file that is named, and write its outcome beside it."""
    stop_with_parent()
    job = pathlib.Path(sys.argv[1])
    import_tensorflow()
    write_json(job.with_name(OUTCOME), run_job(read_json(job)))


if __name__ == "__main__":
    main()
