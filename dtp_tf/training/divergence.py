"""Training that has diverged: numbers that are infinite or none at all."""

import math

from dtp_tf.errors import DivergedError
from dtp_tf.runs.folder import best_epoch


def refuse_divergence(network, run, history, logs):
    """Raise `DivergedError` if a number in the logs of an epoch is not finite.

    Args:
        network: that is trained.
        run: its `Run`, which keeps the best checkpoint.
        history: the logs of the epochs before.
        logs: those of the epoch, perhaps so far.
    """
    bad = [name for name, value in logs.items() if not math.isfinite(value)]
    if not bad:
        return
    kept = "no epoch was finished"
    if history:
        kept = f"the best checkpoint, of epoch {best_epoch(history)}, is kept in {run.best}"
    rates = "`learning_rate`"
    if network.trained_feedback:
        rates += " or `inverse_learning_rate`"
    raise DivergedError(
        f"training diverged in epoch {len(history) + 1}: {bad[0]} is {logs[bad[0]]}; {kept}; "
        f"lower {rates}."
    )
