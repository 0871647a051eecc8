"""Several replicas of a network that train as one: the devices of a host, or several workers.

The loop stays as it is. Every replica takes its rows of the global batch
(`dtp_tf.numerics.replicas`), the optimizers and the metrics add up what the replicas found, and
only the chief, worker 0, writes.
"""

import contextlib
import dataclasses
import os
import re
import signal
import threading

import tensorflow as tf

from dtp_tf.console.plain import quoted
from dtp_tf.errors import SettingError, UserError
from dtp_tf.machines.cluster import Cluster, find_cluster
from dtp_tf.numerics.replicas import shares

#: Seconds that a worker waits for another one in a collective operation before it gives up. One
#: that is dead or cannot be reached is noticed before, by its connection or its heartbeats.
TIMEOUT = 300
#: Batches between two questions among workers whether one of them was told to stop.
BATCHES_PER_QUESTION = 20


@dataclasses.dataclass(frozen=True)
class Workers:
    """How the replicas of a training are spread over processes.

    Args:
        strategy: the `tf.distribute.Strategy`; TensorFlow's default for one device.
        cluster: the `Cluster` of several workers, or None.
    """

    strategy: tf.distribute.Strategy
    cluster: Cluster | None = None

    @property
    def count(self):
        """The number of workers."""
        return 1 if self.cluster is None else len(self.cluster.addresses)

    @property
    def index(self):
        """The number of this worker, from 0."""
        return 0 if self.cluster is None else self.cluster.index

    @property
    def is_chief(self):
        """Whether this worker is the one that writes files and speaks."""
        return self.index == 0

    @property
    def replicas(self):
        """The number of replicas of all workers together."""
        return self.strategy.num_replicas_in_sync

    @property
    def local(self):
        """The number of replicas of each worker."""
        return self.replicas // self.count

    @property
    def _several(self):
        with self.strategy.scope():
            return tf.distribute.has_strategy()

    def facts(self):
        """Return what `versions.json` says of the replicas; nothing of a single device."""
        return {"workers": self.count, "replicas": self.replicas} if self._several else {}

    def check_batch_size(self, size):
        """Raise `SettingError` if replicas would have different numbers of examples."""
        if size % self.replicas:
            below = size - size % self.replicas
            near = f"{below} or {below + self.replicas}" if below else str(self.replicas)
            raise SettingError(
                f"`batch_size` {size} cannot be divided among {self.replicas} replicas; use {near}."
            )

    def training(self, batches, first=0):
        """Return what to iterate over for each replica's rows of the batches of a pass.

        Args:
            batches: `TrainingBatches` of this worker's part.
            first: the batch to begin with.
        """
        dataset = batches.dataset_from(first) if first else batches.dataset
        if not self._several:
            return dataset
        return self._spread(shares(dataset, self.local, 0, self.local))

    def validation(self, split):
        """Return what to iterate over for each replica's share of a `Split`; shares may differ."""
        if not self._several:
            return split.batches()
        first = self.index * self.local
        return self._spread(shares(split.batches(), self.replicas, first, self.local))

    def _spread(self, dataset):
        return self.strategy.distribute_datasets_from_function(lambda context: dataset)

    def agreement(self, *questions):
        """Return a function that answers, after each batch, all questions for all workers alike.

        Workers must stop after the same batch, so they ask each other, every so many batches, and
        with `now=True` at once.

        Args:
            *questions: functions that say whether this worker finds that something is so.

        Returns:
            A function `answers(now=False)` -> a list with a bool for each question: whether a
            worker finds so.
        """
        if self.count == 1:
            return lambda now=False: [bool(one()) for one in questions]
        any_of_all = tf.function(self._any, autograph=False)
        batches = 0

        def answers(now=False):
            nonlocal batches
            batches += 1
            if not now and batches % BATCHES_PER_QUESTION:
                return [False] * len(questions)
            return any_of_all(tf.constant([int(one()) for one in questions])).numpy().tolist()

        return answers

    def _any(self, flags):
        """Return which of some flags, 0 or 1, are 1 on a worker."""
        every = self.strategy.run(tf.identity, args=(flags,))
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, every, axis=None) > 0


def set_up(machine, console):
    """Return the `Workers` of a training on a `Machine`.

    With several workers it waits for the others, and must come before anything is computed.

    Args:
        console: where to say that it waits.

    Raises:
        UserError: the cluster is not described, or this worker's address cannot be used.
    """
    if machine.strategy == "none":
        return Workers(tf.distribute.get_strategy())
    if machine.strategy == "mirrored":
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        names = [device.name for device in tf.config.list_logical_devices(kind)]
        return Workers(_without_partial_batches(_mirrored(names)))
    cluster = find_cluster(os.environ)
    others = [one for i, one in enumerate(cluster.addresses) if i != cluster.index]
    if others:
        if cluster.index == 0:
            console.print(f"waiting    for the workers {', '.join(others)}", markup=False)
        os.environ["TF_CONFIG"] = cluster.tf_config()
    options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=TIMEOUT)
    with _interruptible():
        try:
            strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
        except RuntimeError:
            raise UserError(
                "`strategy` multiworker came too late: TensorFlow already runs in this process; "
                "start the training before anything else is computed."
            ) from None
        except tf.errors.OpError as error:
            raise UserError(
                f"worker {cluster.index} cannot join the others at "
                f"{cluster.addresses[cluster.index]} ({_reason(error)}); see that the address is "
                "this host's and the port is free."
            ) from None
    return Workers(_without_partial_batches(strategy), cluster)


def _mirrored(devices):
    """Return a strategy whose sums are not taken for those of an earlier one in this process.

    TensorFlow remembers a number for each sum with its shape, and every strategy begins to count
    anew; its own tests begin each elsewhere, as this does.
    """
    tf.distribute.MirroredStrategy._collective_key_base += 100_000
    return tf.distribute.MirroredStrategy(devices)


def _without_partial_batches(strategy):
    """Let replicas iterate without asking each other, after each batch, who has data left: they
    have equally many batches here."""
    strategy.extended.experimental_enable_get_next_as_optional = False
    return strategy


@contextlib.contextmanager
def _interruptible():
    """Let Ctrl-C end a process that waits inside TensorFlow, where Python does not hear it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def lost_workers(workers, run_dir):
    """Turn TensorFlow's errors when another worker is gone into a sentence.

    Args:
        workers: the `Workers`.
        run_dir: the run's folder as the chief knows it; None elsewhere.
    """
    try:
        yield
    except (
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
        tf.errors.InternalError,
        tf.errors.UnavailableError,
    ) as error:
        if workers.count == 1:
            raise
        where = "RUN" if run_dir is None else quoted(run_dir)
        raise UserError(
            f"worker {workers.index} lost another one ({_reason(error)}); start all workers again "
            f"with --resume {where}, which goes on from the last checkpoint."
        ) from error


def _reason(error):
    """Return the first words of what TensorFlow says that are not about its graph."""
    text = re.sub(r"\{\{.*?\}\}", "", error.message)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = next((line for line in lines if "Collective ops is aborted by: " in line), lines[0])
    return told.split("Collective ops is aborted by: ")[-1][:120].rstrip(". :")
