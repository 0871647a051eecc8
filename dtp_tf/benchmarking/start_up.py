"""How long `train` takes to its first step, and how much memory it needs.

    python -m dtp_tf.benchmarking.start_up RECIPE [DATA_DIR]

is such a run, of one epoch, with its export and report: it prints what it measured as JSON.
"""

import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

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
        is done; "peak_memory_gb", the largest resident memory of the whole run in 10^9 bytes; and
        "help_seconds", of the command's `--help`.

    Raises:
        UserError: the run failed; the sentence says why.
    """
    command = [sys.executable, "-m", "dtp_tf.benchmarking.start_up", recipe]
    if data_dir is not None:
        command.append(str(data_dir))
    done = subprocess.run(command, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        reason = (done.stderr.strip().splitlines() or ["it left no word"])[-1]
        raise UserError(f"`train {recipe}` failed while it was measured: {reason}")
    return {**json.loads(lines[-1]), "help_seconds": help_seconds()}


def _run(recipe, data_dir=None):
    import psutil

    from dtp_tf.processes.quiet import import_tensorflow

    import_tensorflow()
    import keras

    from dtp_tf.console.tables import make_console
    from dtp_tf.training.train import train

    class FirstStep(keras.callbacks.Callback):
        seconds = None

        def on_train_batch_end(self, batch, logs=None):
            if self.seconds is None:
                self.model.step.numpy()  # waits for the device
                self.seconds = time.time() - psutil.Process().create_time()

    first = FirstStep()
    with tempfile.TemporaryDirectory() as folder:
        train(
            recipe,
            data_dir=data_dir,
            epochs=1,
            run_dir=pathlib.Path(folder) / "run",
            export_dir=pathlib.Path(folder) / "exported_models",
            callbacks=[first],
            console=make_console(quiet=True),
        )
    # Linux counts in kilobytes, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    print(json.dumps({"first_step_seconds": first.seconds, "peak_memory_gb": peak / 1e9}))


if __name__ == "__main__":
    try:
        _run(*sys.argv[1:])
    except UserError as error:
        sys.exit(str(error))
