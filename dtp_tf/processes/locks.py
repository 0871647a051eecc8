"""Locks between processes, which end with the process that holds them, however it ends."""

import contextlib
import fcntl
import os
import re
import socket
import sys

from dtp_tf.errors import UserError
from dtp_tf.files import cannot_write


@contextlib.contextmanager
def alone(path, work):
    """Keep all other processes from the same work for the length of a block.

    Args:
        path: of the lock's file. It is made, and removed at the end; one that a killed process left
            is no hindrance.
        work: the folder that the block writes, for the sentence.

    Yields:
        A function that tells whether the lock's file is still there, and not that of a folder which
        has been put in its place.

    Raises:
        UserError: another process is at it, or the lock's file cannot be written.
    """
    file = _only(path, work)
    try:
        yield lambda: _is_still(file, path)
    finally:
        with contextlib.suppress(OSError):
            if _is_still(file, path):
                os.unlink(path)  # before it is let go: whoever waits for it looks if it is there
        file.close()


def _only(path, work):
    while True:
        try:
            file = _open(path)
        except OSError as error:
            raise UserError(cannot_write(path, error)) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(file)
            file.close()
            raise UserError(
                f"another process{holder} is at work in {work}; wait until it has ended, or stop "
                "it."
            ) from None
        except OSError as error:
            print(
                f"warning: the file system of {work} has no locks ({error.strerror}): see to it "
                "that no other process works there.",
                file=sys.stderr,
            )
            return file
        if _is_still(file, path):
            with contextlib.suppress(OSError):  # a full disk: the lock holds without a name
                file.truncate(0)
                file.write(f"{os.getpid()} on {socket.gethostname()}".encode())
            return file
        file.close()  # its last holder has just removed it


def _holder(file):
    """Return the process that a lock's file names, in brackets; nothing if it names none."""
    file.seek(0)
    text = file.read(200).decode("ascii", "replace")
    return f" ({text})" if re.fullmatch(r"\d+ on [\w.-]+", text, re.ASCII) else ""


def _is_still(file, path):
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path, follow_symlinks=False))
    return False


@contextlib.contextmanager
def locked(path):
    """Hold the lock of a file, which is made if it is missing; wait for it if need be.

    Yields the open file, for bytes: by its path another process may have put another one there.
    """
    with _open(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def try_lock(path, make=True):
    """Return the open file that holds a lock until it is closed, or None if another has it.

    Raises:
        FileNotFoundError: there is no such file, and with `make=False` none is made.
    """
    file = _open(path, make)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _open(path, make=True):
    """Open the file of a lock, and never that which a link in its place leads to."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_CREAT if make else 0)
    return os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0)
