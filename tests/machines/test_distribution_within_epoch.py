"""Replicas go on in the middle of an epoch, several times in one process."""

import textwrap

import pytest
from helpers import log_rows, python, without_times

REPLICAS = """
    import os
    import signal

    import keras
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    replica = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(cpu, [replica] * 2)

    import dtp_tf

    stop = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: batch == 4 and os.kill(os.getpid(), signal.SIGINT)
    )
    settings = dict(units=(8, 6), batch_size=380, epochs=1, schedule="alternating")
    data = dtp_tf.load_data(dtp_tf.recipe("digits", **settings), test=False)
    dtp_tf.train("digits", run_dir="one", data=data, **settings)
    dtp_tf.train(
        "digits", run_dir="two", strategy="mirrored", data=data, callbacks=stop, **settings
    )
    dtp_tf.train(resume="two", strategy="mirrored", data=data)
    """


@pytest.mark.slow
def test_replicas_go_on_within_an_epoch_and_end_as_one_device(tmp_path):
    said = python("-c", textwrap.dedent(REPLICAS), cwd=tmp_path)
    assert "resumed after epoch 0 of 1, in epoch 1 after 5 of 6 batches" in said
    ours, theirs = (without_times(log_rows(tmp_path / name)[0]) for name in ("two", "one"))
    ours, theirs = ({name: float(row[name]) for name in row} for row in (ours, theirs))
    assert ours == pytest.approx(theirs, rel=1e-3)
