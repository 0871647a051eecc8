"""What several test files need: the command line, and trained runs that they share.

Importing TensorFlow takes seconds, so commands run inside the test process (`invoke`) unless a
process of its own is what the test is about (`start`, `python`).
"""

import atexit
import contextlib
import csv
import functools
import inspect
import io
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest.mock
import zipfile

import h5py
import keras
import numpy as np
import psutil
from click.testing import CliRunner
from forking import FRESH, TEMPLATE

import dtp_tf
from dtp_tf.commands.main import main
from dtp_tf.console.tables import make_console
from dtp_tf.machines.machine import Machine
from dtp_tf.recipes.recipe import RULE_SETTINGS, rule_settings

REPO = pathlib.Path(__file__).resolve().parents[1]
# Small networks; all that matters is said here, so that the recipes may be tuned.
TINY = {
    "units": (16, 12),
    "batch_size": 64,
    "epochs": 2,
    "learning_rate": 0.03,
    "learning_rate_schedule": "cosine",
    "inverse_learning_rate": 0.01,
    "target_step": 0.1,
}


def tiny(rule):
    """Return those of the settings TINY that a rule takes."""
    others = set(RULE_SETTINGS) - set(rule_settings(rule))
    return {name: value for name, value in TINY.items() if name not in others}


# Everything that a resumed run must find again has a course: both learning rates, the noise, the
# order of the images, their augmentation, and Adam's moments.
DETERMINISTIC = {
    **TINY,
    "batch_size": 32,
    "epochs": 8,
    "seed": 3,
    "deterministic": True,
    "noise_decay_epochs": 2.0,
    "crop": 1,
    "flip": True,
    "inverse_learning_rate_schedule": "cosine",
}


# -- the command line ------------------------------------------------------------------------------


def flags(settings):
    """Return settings as command-line flags."""
    words = []
    for name, value in settings.items():
        flag = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        else:
            words += [flag, ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
    return words


@contextlib.contextmanager
def quickly(pictures=False, compiled=False):
    """Let trainings in this process leave out what takes half of their time, or do it.

    Args:
        pictures: whether they draw their pictures, and those of their reports.
        compiled: whether XLA compiles the optimizers' updates, as it does by default.
    """
    with contextlib.ExitStack() as stack:
        for name in () if pictures else ("curves", "diagnostics", "confusion_matrix"):
            stack.enter_context(unittest.mock.patch(f"dtp_tf.training.train.draw_{name}"))
        places = "training.train", "comparing.comparison", "tuning.tuning"
        for place in () if pictures else places:
            stack.enter_context(unittest.mock.patch(f"dtp_tf.{place}.report_at_the_end"))
        if not compiled:
            stack.enter_context(unittest.mock.patch.object(Machine, "compiles_updates", False))
        yield


def invoke(*words, **wanted):
    """Run a command inside this process; the result has `exit_code`, `stdout` and `stderr`.

    For what is `wanted` of a training see `quickly`.
    """
    separate = "mix_stderr" in inspect.signature(CliRunner).parameters  # before click 8.2
    runner = CliRunner(**({"mix_stderr": False} if separate else {}))
    with quickly(**wanted):
        return runner.invoke(main, [str(word) for word in words], prog_name="dtp-tf")


def succeeded(result):
    """Check that a command ended well, and return its standard output."""
    assert result.exit_code == 0, result.stdout + result.stderr
    return result.stdout


def refusal(result, code):
    """Check that a command was refused in one sentence with an exit code, and return it."""
    assert result.exit_code == code, (result.exit_code, result.stdout, result.stderr)
    assert isinstance(result.exception, SystemExit), result.exception
    return sentence(result.stderr, result.stdout)


def sentence(stderr, stdout=""):
    """Check that an error is one sentence at the end of standard error, and return it."""
    assert "Traceback" not in stderr + stdout
    lines = [line for line in stderr.splitlines() if line.strip()]
    last = lines[-1]
    assert [line for line in lines if line.startswith("Error: ")] == [last]
    assert last[-1] in ".?"
    return last


@contextlib.contextmanager
def full_disk(size):
    """Let this process write no file of more than `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def environment():
    """The environment of a user's process that finds the package from any folder."""
    inherited = {name: os.environ[name] for name in os.environ if not name.startswith("TF_CPP_")}
    return {**inherited, "PYTHONPATH": str(REPO), "PYTHONUNBUFFERED": "1"}


def start(*words, cwd, fresh=False, **kwargs):
    """Start a command in a process of its own; for `fresh` see `forking`."""
    return subprocess.Popen(
        [*(FRESH if fresh else [sys.executable]), str(REPO / "cli.py"), *map(str, words)],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **kwargs,
    )


def python(*words, cwd, env=None, fresh=False):
    """Run Python in a process of its own and return what it printed; for `fresh` see `forking`."""
    done = subprocess.run(
        [*(FRESH if fresh else [sys.executable]), *map(str, words)],
        cwd=cwd,
        env=environment() if env is None else env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def children_of(process):
    """Return the processes that a process has started, the oldest first, as `psutil` knows them."""
    found = psutil.Process(process.pid).children()
    return sorted((one for one in found if one.name() != TEMPLATE), key=lambda one: one.pid)


# -- runs ------------------------------------------------------------------------------------------


def _folder():
    """Make a temporary folder that lasts as long as the interpreter."""
    path = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return pathlib.Path(path)


@functools.cache
def trained():
    """A finished run of two epochs on the digits: (its folder, the command's result).

    Tests read it; those that change a run take a copy. Its export is in `../exported`.
    """
    home = _folder()
    result = invoke(
        "train",
        "digits",
        *flags(TINY),
        "--run-dir",
        home / "run",
        "--export-dir",
        home / "exported", pictures=True, compiled=True,
    )
    assert result.exit_code == 0, result.stdout + result.stderr
    return home / "run", result


@functools.cache
def deterministic_run():
    """The folder of a finished, uninterrupted run with the settings DETERMINISTIC."""
    path = _folder() / "run"
    succeeded(invoke("train", "digits", *flags(DETERMINISTIC), "--no-export", "--run-dir", path))
    return path


@functools.cache
def deterministic_history():
    """(model, history) of the same training from Python, in a folder of its own."""
    return train(_folder() / "run", **DETERMINISTIC)


@functools.cache
def digits():
    """The digits as the shared run sees them."""
    return dtp_tf.load_data(dtp_tf.recipe("digits", **TINY))


def train(run_dir, pictures=False, compiled=False, **settings):
    """Train a tiny network on the digits without an export, from Python.

    Of TINY, a rule gets what it takes. For `pictures` and `compiled` see `quickly`.
    """
    with quickly(pictures, compiled):
        return _train(run_dir, **settings)


def _train(run_dir, **settings):
    given = {name: settings.pop(name) for name in ("callbacks", "resume") if name in settings}
    quiet = make_console(quiet=True)
    if "resume" in given:
        return dtp_tf.train(export_dir=None, console=quiet, **given)
    return dtp_tf.train(
        "digits", run_dir=run_dir, export_dir=None, console=quiet, **given,
        **{**tiny(settings.get("rule", "dtp")), **settings},
    )  # fmt: skip


class StopAfter(keras.callbacks.Callback):
    """Stops the training once so many epochs are done in all."""

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 >= self.epochs:
            self.model.stop_training = True


class Copied(keras.callbacks.Callback):
    """Copies a run's folder once so many epochs are done: as a kill would have left it then."""

    def __init__(self, run, to, after):
        super().__init__()
        self.run, self.to, self.after = run, to, after

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 == self.after:
            shutil.copytree(self.run, self.to)


class At(keras.callbacks.Callback):
    """Does something to the network at the beginning of a batch."""

    def __init__(self, epoch, batch, do):
        super().__init__()
        self.epoch, self.batch, self.do = epoch, batch, do

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.now, batch) == (self.epoch, self.batch):
            self.do(self.model)


def log_rows(run):
    """Return the rows of a run's log.csv as dicts; none where there is no log."""
    path = pathlib.Path(run) / "log.csv"
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def without_times(row):
    """Return a row of a log without the numbers that differ from run to run."""
    return {name: row[name] for name in row if name not in ("seconds", "images_per_second")}


def transpose_inverses(model):
    """Give the inverses of dense layers the transposed weights of these."""
    for i in model.inverted:
        pair = model.layers_up[i]
        pair.inverse_layer.kernel.assign(np.transpose(pair.forward_layer.kernel))


def arrays(path):
    """Return every array in a `.keras` file by its address, read without Keras."""
    with zipfile.ZipFile(path) as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    found = {}

    def visit(address, item):
        if isinstance(item, h5py.Dataset):
            found[address] = item[()]

    with h5py.File(content, "r") as file:
        file.visititems(visit)
    return found


def assert_same_arrays(first, second):
    """Check that two dicts of arrays are equal bit by bit."""
    assert first.keys() == second.keys()
    different = [name for name in first if first[name].tobytes() != second[name].tobytes()]
    assert not different
    assert all(np.isfinite(array).all() for array in first.values())


def hidden_files(folder):
    """Return the paths below a folder whose names start with a dot: what is half written."""
    return [path for path in pathlib.Path(folder).rglob("*") if path.name.startswith(".")]


def wait_for(condition, process, seconds=300):
    """Wait until `condition()` is true; fail if the process ends before."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.002)


@contextlib.contextmanager
def killed_at_the_end(process):
    """Make sure that a process does not outlive its test."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()


def jobs_by(do):
    """What `dtp_tf.comparing.comparison.run_jobs` is in a test: jobs are done in this process.

    `do` gets a job and the event that stops all, and returns the job's outcome.
    """
    return lambda module, jobs, stop, workers: ((job, do(job, stop)) for job in jobs)
