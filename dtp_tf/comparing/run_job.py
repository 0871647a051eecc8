"""Training runs of a comparison, in a process of their own; see `dtp_tf.processes.child`."""

from dtp_tf.console.tables import make_console
from dtp_tf.errors import DivergedError, SettingError, UserError
from dtp_tf.processes.child import JOB, work_as_child
from dtp_tf.recipes.recipe import Recipe
from dtp_tf.schema import BOOLEAN, MAPPING, TEXT, mapping

RUN_JOB = mapping(
    {**JOB, "recipe": MAPPING, "run_dir": TEXT, "resume": BOOLEAN},
    {"machine": MAPPING, "anyway": BOOLEAN},
)


def run_job(job):
    """Train as a job says.

    Args:
        job: a dict: "recipe" (its settings), "run_dir", "resume" (whether the folder holds an
            unfinished run), "data_dir", "stream" ("stdout", "stderr" or None: nobody reads), and
            perhaps "machine" (a dict, see `dtp_tf.machines.Machine`) and "anyway" (whether to
            resume although the data have changed).

    Returns:
        A dict, empty if the run ended well or was stopped; or "diverged" or "error" with the
        sentence, and "usage": whether a setting is wrong.
    """
    import keras

    from dtp_tf.training.train import train

    # The recipe is the caller's: its rule and its data were named by the call, not by the folder.
    start = {"recipe": Recipe.from_dict(job["recipe"])}
    start["resume" if job["resume"] else "run_dir"] = job["run_dir"]
    try:
        train(
            **start,
            **job.get("machine", {}),
            data_dir=job["data_dir"],
            anyway=job.get("anyway", False),
            export_dir=None,
            report=False,  # the comparison has a page
            console=make_console(stderr=job["stream"] == "stderr", quiet=job["stream"] is None),
        )
    except DivergedError as error:
        return {"diverged": str(error)}
    except UserError as error:
        return {"error": str(error), "usage": isinstance(error, SettingError)}
    finally:
        keras.utils.clear_session()  # the next run may have this process, too
    return {}


if __name__ == "__main__":
    work_as_child(run_job, RUN_JOB)
