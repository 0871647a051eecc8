"""How long `train` takes to its first step, and how much memory it needs.

    python -m dtp_tf.benchmarking.start_up RECIPE [DATA_DIR]

makes such a run, of one epoch, with its export and report, and prints what it measured as JSON.
"""

import io
import json
import pathlib
import subprocess
import sys
import tempfile
import time

from dtp_tf.benchmarking.memory import largest_memory_gb
from dtp_tf.errors import UserError

HELP_RUNS = 5


def help_seconds():
    """Return the seconds of the command's `--help`, the fastest of five."""
    command = [sys.executable, "-c", "from dtp_tf.commands.main import main; main()", "--help"]
    times = []
    for _ in range(HELP_RUNS):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)


def measure_start_up(recipe, data_dir=None):
    """Train a recipe for one epoch in a process of its own.

    Args:
        recipe: its name.
        data_dir: the folder of TensorFlow Datasets.

    Returns:
        A dict: "first_step_seconds", from the start of the process until the first training step
        is done; "stages", the seconds of its parts, by name: "import" of TensorFlow, Keras and
        our own modules, "data", their reading, "network", its weights and optimizers, and "step",
        traced, compiled and run; "stages_memory_gb", the largest resident memory until the end of
        each of them, in 10^9 bytes; "peak_memory_gb", that of the whole run, with its export and
        report; and "help_seconds", of the command's `--help`.

    Raises:
        UserError: the run failed; the sentence says why.
    """
    call = "import sys; from dtp_tf.benchmarking.start_up import run; run(*sys.argv[1:])"
    command = [sys.executable, "-c", call, recipe]
    if data_dir is not None:
        command.append(str(data_dir))
    start = time.time()  # what the system says of when a process began can be a second off
    done = subprocess.run(command, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        reason = (done.stderr.strip().splitlines() or ["it left no word"])[-1]
        raise UserError(f"`train {recipe}` failed while it was measured: {reason}")
    found = json.loads(lines[-1])
    ends = [start, *(at for at, _ in found["ends"].values())]
    return {
        "first_step_seconds": ends[-1] - start,
        "stages": {name: ends[i + 1] - ends[i] for i, name in enumerate(found["ends"])},
        "stages_memory_gb": {name: peak for name, (_, peak) in found["ends"].items()},
        "peak_memory_gb": found["peak_memory_gb"],
        "help_seconds": help_seconds(),
    }


def _now():
    """Return the time by the clock, and the largest resident memory so far in 10^9 bytes."""
    return time.time(), largest_memory_gb()


class _Told(io.StringIO):
    """What a training says, and when: `at`, of `_now` by the first word of what is written."""

    def __init__(self):
        super().__init__()
        self.at = {}

    def write(self, text):
        word = text.partition(" ")[0]
        if word not in self.at:
            self.at[word] = _now()
        return super().write(text)


def run(recipe, data_dir=None):
    """Train in this process, and print when the stages ended, and the memory until then.

    For `measure_start_up`, whose arguments these are.
    """
    from dtp_tf.processes.quiet import import_tensorflow

    import_tensorflow()
    import keras

    from dtp_tf.console.tables import PlainConsole
    from dtp_tf.training.train import train

    class FirstStep(keras.callbacks.Callback):
        at = None

        def on_train_batch_end(self, batch, logs=None):
            if self.at is None:
                self.model.step.numpy()  # waits for the device
                self.at = _now()

    first, told = FirstStep(), _Told()
    imported = _now()
    with tempfile.TemporaryDirectory() as folder:
        try:
            train(
                recipe,
                data_dir=data_dir,
                epochs=1,
                run_dir=pathlib.Path(folder) / "run",
                export_dir=pathlib.Path(folder) / "exported_models",
                callbacks=[first],
                console=PlainConsole(file=told),
            )
        except UserError as error:
            sys.exit(str(error))
    ends = {
        "import": imported,
        "data": told.at["data"],  # `train` says what they are
        "network": told.at["run"],  # where it leaves the run
        "step": first.at,
    }
    print(json.dumps({"ends": ends, "peak_memory_gb": largest_memory_gb()}))


if __name__ == "__main__":
    try:
        print(json.dumps(measure_start_up(*sys.argv[1:])))
    except UserError as error:
        sys.exit(str(error))
