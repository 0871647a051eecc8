"""TensorFlow without its start-up messages."""

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
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as messages:
        os.dup2(messages.fileno(), 2)
        try:
            with postponed(*UNUSED):
                import keras  # noqa: F401
                import tensorflow  # noqa: F401
        except BaseException:
            messages.seek(0)
            os.write(kept, messages.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
