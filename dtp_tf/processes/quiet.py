"""TensorFlow without its start-up messages."""

import contextlib
import gc
import os
import sys
import tempfile

from dtp_tf.backend import require_tensorflow
from dtp_tf.processes.postponed import postponed
from dtp_tf.processes.streams import ready_streams

# Keras imports them for pictures of its own and for scikit-learn's interface: a fifth of its time.
UNUSED = "matplotlib.pyplot", "scipy.stats"


def import_tensorflow():
    """Import TensorFlow without its start-up messages, which are no news to a user.

    They are written to the file descriptor before TensorFlow reads its log level. If the import
    fails, they are shown after all.

    Raises:
        SettingError: Keras would have another backend.
    """
    require_tensorflow()
    ready_streams()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if {"keras", "tensorflow"} <= sys.modules.keys():
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as messages:
        os.dup2(messages.fileno(), 2)
        try:
            with postponed(*UNUSED), _kept_for_good():
                import keras  # noqa: F401
                import tensorflow  # noqa: F401
        except BaseException:
            messages.seek(0)
            os.write(kept, messages.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextlib.contextmanager
def _kept_for_good():
    """A block that makes hundreds of thousands of objects, none of them garbage, ever: the garbage
    collector looks at them neither now nor later, which each time would take a third of a second.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_enabled:
            gc.enable()
