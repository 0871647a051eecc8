"""Several workers on this machine that train as one, to try out `strategy` multiworker.

This module does not import TensorFlow.
"""

import contextlib
import dataclasses
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

import click

import dtp_tf
from dtp_tf.console.plain import printable
from dtp_tf.machines.cluster import Cluster

#: Seconds that the other workers have to find out for themselves that one is gone, and say so;
#: then seconds that they have to stop in order.
GRACE, STOPPING = 15, 5


@dataclasses.dataclass
class Worker:
    """One process.

    Args:
        index: its number, from 0.
        process: the process.
        errors: the file of its standard error; None for the chief, which has the terminal.
    """

    index: int
    process: subprocess.Popen
    errors: object = None

    def failure(self):
        """Return how it ended if it did not end well, in words; else None."""
        code = self.process.poll()
        if not code:
            return None
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"worker {self.index} {how}"

    def said(self):
        """Return the last lines of its standard error."""
        if self.errors is None:
            return []
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").splitlines()
        return [line for line in lines if line.strip()][-20:]


def launch(count, words):
    """Run a command in `count` workers and return the exit code: 0 if all ended well.

    The chief, worker 0, writes to standard output and error as usual. Of the others the last lines
    of standard error are shown if one of them fails first. When a worker fails, the others end by
    themselves or are ended, and the exit code is that of the failure: 128 + N for the signal N.
    Ctrl-C and SIGTERM go to every worker; a second one kills them.

    Args:
        count: of workers.
        words: the command for each, after the program's name.
    """
    with contextlib.ExitStack() as stack:
        addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(count))
        workers = []
        stack.callback(_kill, workers)
        stack.enter_context(_forwarded_signals(workers))
        for index in range(count):
            workers.append(_start(Cluster(addresses, index), words, stack))
        while True:
            failed = [worker for worker in workers if worker.failure()]
            if failed:
                break
            if all(worker.process.poll() == 0 for worker in workers):
                return 0
            time.sleep(0.1)
        # A worker that was killed is the cause of what others say.
        cause = min(failed, key=lambda worker: (worker.process.poll() > 0, worker.index))
        how = cause.failure()
        _end(workers)
        if workers[0].process.poll() == click.UsageError.exit_code:
            cause = workers[0]  # all had the same words; what is wrong with them, it has said
        if cause.index:
            for line in cause.said():
                click.echo(printable(f"worker {cause.index}: {line}"), err=True)
        if cause.index or cause.process.poll() < 0:
            click.echo(f"Error: {how}; all workers have ended.", err=True)
        code = cause.process.poll()
        return code if code > 0 else 128 - code


def free_ports(count):
    """Return so many different ports of the loopback that nobody uses."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _start(cluster, words, stack):
    home = str(pathlib.Path(dtp_tf.__file__).parents[1])
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    threads = max(1, (os.cpu_count() or 1) // len(cluster.addresses))
    environment = {
        "TF_NUM_INTRAOP_THREADS": str(threads),  # or each would take all cores
        **os.environ,
        "TF_CONFIG": cluster.tf_config(),
        "PYTHONPATH": os.pathsep.join(paths),
    }
    errors = stack.enter_context(tempfile.TemporaryFile()) if cluster.index else None
    process = subprocess.Popen(
        [sys.executable, "-m", "dtp_tf.commands.main", *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if cluster.index else None,
        stderr=errors,
        # A terminal sends Ctrl-C to all of its processes; the workers hear of it from here.
        start_new_session=True,
    )
    return Worker(cluster.index, process, errors)


@contextlib.contextmanager
def _forwarded_signals(workers):
    """Send Ctrl-C and SIGTERM to every worker; a second one kills them."""
    heard = []

    def forward(number, frame):
        heard.append(number)
        for worker in workers:
            if worker.process.poll() is None:
                worker.process.send_signal(number if len(heard) == 1 else signal.SIGKILL)

    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(workers):
    """Let all workers end: by themselves, else in order, else at once."""
    _wait(workers, GRACE)
    for worker in workers:
        if worker.process.poll() is None:
            worker.process.terminate()
    _wait(workers, STOPPING)
    _kill(workers)


def _wait(workers, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(worker.process.poll() is None for worker in workers):
        time.sleep(0.1)


def _kill(workers):
    for worker in workers:
        if worker.process.poll() is None:
            worker.process.kill()
        worker.process.wait()
