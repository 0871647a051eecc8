"""How far a training is within an epoch, as its checkpoint says it."""

import contextlib
import dataclasses

import keras
import numpy as np

from dtp_tf.errors import UserError
from dtp_tf.network.updates import parts, rate


@dataclasses.dataclass
class Unfinished:
    """An epoch that has begun, and what it needs beside the network to go on.

    Attributes:
        steps: batches of each of its passes.
        all_passes: how many passes it has.
        rates: the optimizers' learning rates before it began; None where there is a schedule.
        passes: how many passes are finished.
        done: how many batches are, of all passes.
        seconds: how long they took.
        logs: the results of the finished passes.
        forward: of these, those of the pass that the forward layers learned in.
        metrics: what the metrics' variables hold of the pass that goes on.
    """

    steps: int
    all_passes: int
    rates: list
    passes: int = 0
    done: int = 0
    seconds: float = 0.0
    logs: dict = dataclasses.field(default_factory=dict)
    forward: dict = dataclasses.field(default_factory=dict)
    metrics: list = dataclasses.field(default_factory=list)

    @classmethod
    def of(cls, about, network, path):
        """Return what a checkpoint says of the epoch that it is in; None if it is in none.

        Args:
            about: of its `SavedModel`.
            network: with its metrics built.
            path: where it is from.

        Raises:
            UserError: it does not fit the network, or itself.
        """
        if "unfinished" not in about:
            return None
        found = cls(**about["unfinished"])
        sizes = [int(np.prod(one.shape)) for one in network.metrics_variables]
        fits = (
            found.passes <= found.all_passes
            and 0 <= found.batches < max(found.steps, 1)
            and len(found.rates) == len(_optimizers(network))
            and [len(one) for one in found.metrics] == (sizes if found.batches else [])
        )
        if not fits:
            raise UserError(
                f"{path} is damaged: it does not fit its network; remove it to go on after the "
                "last finished epoch."
            )
        return found

    @property
    def batches(self):
        """How many batches of the pass that goes on are done."""
        return self.done - self.passes * self.steps

    @property
    def is_trained(self):
        """Whether only the validation is left."""
        return self.passes == self.all_passes

    def words(self, epoch):
        """Say where it is; `epoch` counts from 1."""
        return f"in epoch {epoch} after {self.done:,} of {self.steps * self.all_passes:,} batches"

    def end_pass(self, results, is_forward):
        """Take the results of a pass."""
        self.logs |= results
        if is_forward:
            self.forward = results
        self.passes += 1

    def keep_metrics(self, network):
        """Take over what the metrics hold. Replicas add theirs up, so all workers call it."""
        values = [keras.ops.convert_to_numpy(one) for one in network.metrics_variables]
        self.metrics = [np.ravel(one).tolist() for one in values] if self.batches else []

    def put_metrics(self, network):
        """Let the metrics go on from where they were."""
        for variable, values in zip(network.metrics_variables, self.metrics, strict=True):
            variable.assign(np.reshape(np.asarray(values, variable.dtype), variable.shape))


def rates(network):
    """Return the learning rates of all optimizers of a network; None where there is a schedule."""
    return [rate(one) for one in _optimizers(network)]


@contextlib.contextmanager
def as_epoch_began(network, before):
    """Let a block see the learning rates from before an epoch began, and undo what it does.

    Callbacks are told of the beginning of an epoch that goes on, as they would be in `fit`; what
    they did then, the network and its optimizers have in them already.
    """
    every = [*network.weights]
    for optimizer, _ in network.optimized():
        every += [] if optimizer is None else optimizer.variables
    values = [keras.ops.convert_to_numpy(one).copy() for one in every]
    for optimizer, value in zip(_optimizers(network), before, strict=True):
        if value is not None:
            optimizer.learning_rate = value
    yield
    for variable, value in zip(every, values, strict=True):
        variable.assign(value)


def _optimizers(network):
    return [one for optimizer, _ in network.optimized() for one in parts(optimizer)]
