"""Locks between processes, which end with the process that holds them, however it ends."""

import contextlib
import fcntl


@contextlib.contextmanager
def locked(path):
    """Hold the lock of a file, which is made if it is missing; wait for it if need be."""
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def try_lock(path):
    """Return the open file that holds a lock until it is closed, or None if another has it."""
    file = open(path, "a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
