"""A run goes on in the middle of an epoch, and ends as one that was never stopped."""

import os
import signal

import keras
import pytest
from helpers import (
    TINY,
    At,
    arrays,
    assert_same_arrays,
    hidden_files,
    log_rows,
    train,
    without_times,
)
from resume_support import check_log

from dtp_tf.errors import UserError
from dtp_tf.runs.models import load_model, read_about

# Everything that has a course within an epoch, in both schedules: nine batches a pass.
COURSE = {
    **TINY,
    "batch_size": 120,
    "deterministic": True,
    "noise_decay_epochs": 1.0,
    "crop": 1,
    "flip": True,
    "pixel_noise": 0.05,
    "class_weights": "balanced",
    "inverse_learning_rate_schedule": "cosine",
}
SCHEDULES = {
    "parallel": {"schedule": "parallel"},
    "alternating": {"schedule": "alternating"},
    "more inverse epochs": {
        "rule": "ddtp_linear", "schedule": "parallel", "inverse_epochs_before": 1,
        "inverse_epochs_after": 1, "early_stopping": 1,
    },
}  # fmt: skip


def stop(epoch, batch):
    """A callback that asks the process to stop, as Ctrl-C does, in a batch of an epoch."""
    return At(epoch, batch, lambda network: os.kill(os.getpid(), signal.SIGINT))


def place(run):
    """Return (epoch from 0, batches done) of the state within an epoch that a run has left."""
    about = read_about(run / "unfinished.keras")
    return len(about["history"]), about["unfinished"]["done"]


class Hooks(keras.callbacks.Callback):
    """Keeps which epochs and batches it is told of."""

    def __init__(self):
        super().__init__()
        self.epochs, self.batches = [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs.append(epoch)

    def on_train_batch_begin(self, batch, logs=None):
        self.batches.append((self.epochs[-1], batch))


@pytest.mark.slow
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_deterministic_run_that_was_stopped_within_epochs_ends_bit_by_bit_as_one_that_was_not(
    tmp_path, schedule
):
    settings = {**COURSE, **SCHEDULES[schedule]}
    _, whole = train(tmp_path / "whole", **settings)
    run, told = tmp_path / "run", [Hooks(), Hooks(), Hooks()]
    with pytest.raises(UserError, match="continues in epoch 1 after 5 of "):
        train(run, callbacks=[told[0], stop(0, 4)], **settings)
    assert place(run) == (0, 5)
    last = {"parallel": 9, "alternating": 12, "more inverse epochs": 18}[schedule]
    _, stopped = train(None, resume=run, callbacks=[told[1], stop(1, last - 1)])
    assert stopped.metrics["interrupted"] and stopped.metrics["epochs"] == 1
    assert place(run) == (1, last)
    _, resumed = train(None, resume=run, callbacks=[told[2]])

    for name in ("last.keras", "best.keras"):
        assert_same_arrays(arrays(run / name), arrays(tmp_path / "whole" / name))
    check_log(run, 2)
    for ours, theirs in zip(log_rows(run), log_rows(tmp_path / "whole"), strict=True):
        assert without_times(ours) == without_times(theirs)
    assert resumed.metrics["test"] == whole.metrics["test"]
    assert not (run / "unfinished.keras").exists() and not hidden_files(run)
    batches = [one for hooks in told for one in hooks.batches]
    assert batches == sorted(set(batches))  # none is left out, none comes again
    assert [hooks.epochs for hooks in told] == [[0], [0, 1], [1]]
