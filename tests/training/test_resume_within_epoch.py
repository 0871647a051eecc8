"""A run goes on in the middle of an epoch, and ends as one that was never stopped."""

import os
import signal

import keras
import numpy as np
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

# Everything that has a course within an epoch, and nine batches a pass.
COURSE = {
    **TINY,
    "batch_size": 120,
    "noise_decay_epochs": 1.0,
    "crop": 1,
    "flip": True,
    "pixel_noise": 0.05,
    "class_weights": "balanced",
    "inverse_learning_rate_schedule": "cosine",
}


def stop(epoch, batch):
    """A callback that asks the process to stop, as Ctrl-C does, in a batch of an epoch."""
    return At(epoch, batch, lambda network: os.kill(os.getpid(), signal.SIGINT))


def place(run):
    """Return (epoch from 0, batches done) of the state within an epoch that a run has left."""
    about = read_about(run / "unfinished.keras")
    return len(about["history"]), about["unfinished"]["done"]


class Killed(Exception):
    """In the place of SIGKILL: nothing is written after it."""


def kill(epoch, batch):
    """A callback that ends the training before a batch of an epoch, with no time for anything."""

    def at_once(network):
        raise Killed

    return At(epoch, batch, at_once)


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
def test_a_deterministic_run_that_was_killed_within_an_epoch_ends_bit_by_bit_as_one_that_was_not(
    tmp_path
):
    run, whole, told = tmp_path / "run", tmp_path / "whole", [Hooks(), Hooks()]
    settings = {**COURSE, "schedule": "alternating", "deterministic": True}
    _, history = train(whole, **settings)
    with pytest.raises(Killed):  # in the second pass
        train(run, callbacks=[kill(0, 14), told[0]], checkpoint_every=12, **settings)
    assert place(run) == (0, 12)
    _, resumed = train(None, resume=run, callbacks=[told[1]])

    for name in ("last.keras", "best.keras"):
        assert_same_arrays(arrays(run / name), arrays(whole / name))
    check_log(run, 2)
    for ours, theirs in zip(log_rows(run), log_rows(whole), strict=True):
        assert without_times(ours) == without_times(theirs)
    assert resumed.metrics["test"] == history.metrics["test"]
    assert not (run / "unfinished.keras").exists() and not hidden_files(run)
    assert told[0].batches == [(0, batch) for batch in range(14)]
    assert told[1].batches == [(0, batch) for batch in range(12, 18)] + [
        (1, batch) for batch in range(18)
    ]
    assert told[1].epochs == [0, 1]


class StopInValidation(keras.callbacks.Callback):
    def on_test_begin(self, logs=None):
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.slow
def test_passes_rates_and_validation_go_on_where_a_run_was_stopped(tmp_path):
    run, whole, told = tmp_path / "run", tmp_path / "whole", [Hooks(), Hooks(), Hooks()]
    settings = {
        **COURSE, "rule": "ddtp_linear", "units": (8,), "learning_rate_schedule": "constant",
        "inverse_learning_rate_schedule": "constant", "inverse_epochs_before": 1,
        "inverse_epochs_after": 1,
    }  # fmt: skip

    def halved():
        return keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)

    train(whole, callbacks=[halved()], **settings)
    with pytest.raises(UserError, match="continues in epoch 1 after 27 of 27 batches"):
        train(run, callbacks=[halved(), told[0], StopInValidation()], **settings)
    _, stopped = train(None, resume=run, callbacks=[halved(), told[1], stop(1, 11)])
    assert stopped.metrics["interrupted"] and stopped.metrics["epochs"] == 1
    assert place(run) == (1, 12)
    train(None, resume=run, callbacks=[halved(), told[2]])

    assert_close(arrays(run / "last.keras"), arrays(whole / "last.keras"))
    rates = [float(load_model(one / "last.keras").model.optimizer.learning_rate)
             for one in (run, whole)]  # fmt: skip
    assert rates == pytest.approx([0.03 / 4] * 2)
    check_log(run, 2)
    for ours, theirs in zip(log_rows(run), log_rows(whole), strict=True):
        assert_close(numbers(ours), numbers(theirs))
    assert [len(hooks.batches) for hooks in told] == [27, 12, 6]
    assert [hooks.epochs for hooks in told] == [[0], [0, 1], [1]]


def numbers(row):
    return {name: np.float64(value) for name, value in without_times(row).items()}


def assert_close(first, second):
    """Check that arrays are equal but for the sums of TensorFlow's threads."""
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=1e-3, atol=1e-4, err_msg=name)
