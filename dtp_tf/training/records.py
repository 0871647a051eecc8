"""What a training writes into its run's folder while it goes on."""

import contextlib
import dataclasses

from dtp_tf.files import write_json
from dtp_tf.runs.folder import best_epoch
from dtp_tf.training.scalars import tensorboard


class Records:
    """Leaves the state and the logs of a training; nothing, where there is no folder.

    Args:
        run: the `Run`, or None.
        about: what its checkpoints say, but for the history.
        history: the logs of the epochs so far, to which the training adds.
    """

    def __init__(self, run, about, history):
        self._run, self._about, self._history = run, about, history

    @contextlib.contextmanager
    def opened(self):
        """Return a block's context in which there are logs to write to."""
        if self._run is None:
            yield self
            return
        write_json(self._run.versions, self._about["versions"])
        with tensorboard(self._run, self._history) as self._write_scalars:
            yield self

    def epoch(self, network):
        """Leave the state and the logs after an epoch, the last of the history."""
        if self._run is None:
            return
        # The checkpoint is what counts; all else can be written again from it.
        is_best = best_epoch(self._history) == len(self._history)
        self._run.save_checkpoint(network, self._all(), is_best)
        self._run.write_log(self._history)
        self._write_scalars(len(self._history), self._history[-1])

    def unfinished(self, network, at):
        """Leave the state within an epoch, at an `Unfinished`."""
        if self._run is not None:
            about = {**self._all(), "unfinished": dataclasses.asdict(at)}
            self._run.save_unfinished(network, about)

    def _all(self):
        return {**self._about, "history": self._history}
