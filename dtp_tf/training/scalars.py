"""The logs of a run's epochs for TensorBoard."""

import contextlib
import shutil

import tensorflow as tf

from dtp_tf.errors import UserError
from dtp_tf.files import cannot_write, refuse_link_out


@contextlib.contextmanager
def tensorboard(run, history):
    """Yield a function that writes an epoch's logs for TensorBoard.

    The epochs so far are written again, so that a resumed run has no gaps and no repeats.
    """
    with writing(run.tensorboard):
        refuse_link_out(run.path, run.tensorboard)
        if run.tensorboard.exists():
            shutil.rmtree(run.tensorboard)  # TensorFlow's would go through links
        writer = tf.summary.create_file_writer(str(run.tensorboard))

    def write(epoch, logs):
        with writing(run.tensorboard), writer.as_default():
            for name, value in logs.items():
                tf.summary.scalar(name, value, step=epoch)
            writer.flush()

    try:
        for epoch, logs in enumerate(history, start=1):
            write(epoch, logs)
        yield write
    finally:
        with contextlib.suppress(tf.errors.OpError):  # all that counts has been flushed
            writer.close()


@contextlib.contextmanager
def writing(path):
    """Turn errors, also TensorFlow's, while a file is written into a sentence."""
    try:
        yield
    except OSError as error:
        raise UserError(cannot_write(path, error)) from error
    except tf.errors.OpError as error:
        reason = error.message.splitlines()[0].rsplit("; ", 1)[-1]
        raise UserError(
            f"cannot write {path}: {reason}; free some space or choose another folder."
        ) from error
