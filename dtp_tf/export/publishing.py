"""Numbered versions of a model in one folder, which a server watches while they come and go.

A version appears by one rename and goes by one rename, so that whoever looks finds it whole or not
at all, however many processes publish at once and wherever they are killed. Names that are no
numbers mean nothing to a server.
"""

import contextlib
import os
import pathlib
import shutil
import socket
import time
import uuid

from dtp_tf.errors import UserError
from dtp_tf.files import LOCK, refuse_link_out
from dtp_tf.processes.locks import locked, try_lock

WRITING, REMOVING = ".writing-", ".removing-"
ABANDONED = 3600  # seconds without a change; an export takes less than a minute


def check_directory(directory):
    """Raise `UserError` for a folder of exports in which TensorFlow would not find its own files.

    It takes these signs for patterns, here as in a server, which asks for the whole path.
    """
    path = str(pathlib.Path(directory).absolute())
    found = next((sign for sign in path if sign in "*?[\\"), None)
    if found is not None:
        raise UserError(
            f"nothing can be exported to {directory}: TensorFlow takes {found!r} in {path} for a "
            "pattern; choose another --export-dir."
        )


def all_alike(path, other):
    """Count every version, whatever it is."""
    return True


def publish(home, write, keep=None, is_counted=all_alike):
    """Write a new version, one above the highest, and return its path.

    What killed processes left behind is removed: at once if it was being removed, or written on
    this machine; otherwise after an hour, for until then a process on another machine may be at it.

    Args:
        home: the folder of versions; it is made, and removed again if it stays empty.
        write: a function that makes the version's folder and fills it, given a path on the same
            disk. If it raises, nothing is published.
        keep: how many versions to keep, the highest and the new one; all by default.
        is_counted: a function of a version and the new one: whether `keep` is about it. Others
            stay.

    Raises:
        UserError: `home` is a link that leads out of the folder that it lies in.
    """
    home = pathlib.Path(home)
    refuse_link_out(home.parent, home)
    hidden = _hidden(home, WRITING)
    try:
        home.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(home)
        with _shown(hidden):
            write(hidden)
            with _alone(home):
                path = _give_number(hidden, home)
                found = [] if keep is None else _superfluous(home, keep, path, is_counted)
                old = [_hide(one) for one in found]
        for one in old:
            shutil.rmtree(one, ignore_errors=True)
        return path
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        with contextlib.suppress(OSError):
            home.rmdir()  # only succeeds without a version


def _hidden(home, kind):
    return home / f"{kind}{uuid.uuid4().hex[:8]}"


def _numbered(home):
    """Return the paths whose names a server takes for versions, lowest first."""
    found = [path for path in home.iterdir() if path.name.isascii() and path.name.isdecimal()]
    return sorted(found, key=lambda path: int(path.name))


def _give_number(hidden, home):
    while True:
        highest = max((int(path.name) for path in _numbered(home)), default=0)
        path = home / str(highest + 1)
        try:
            # On every system this fails if `path` is a folder with something in it.
            os.rename(hidden, path)
            return path
        except OSError:
            if not path.exists():
                raise


def _superfluous(home, keep, new, is_counted):
    folders = [path for path in _numbered(home) if path.is_dir() and not path.is_symlink()]
    folders = [path for path in folders if is_counted(path, new)]
    return [path for path in folders[:-keep] if path != new]


@contextlib.contextmanager
def _alone(home):
    """Let one process at a time give and take numbers.

    Otherwise a process that has chosen a number may find it free although another one has used it
    and a third one has removed it. The lock ends with its process, however that ends. Where there
    are no locks (Windows, some network drives), exports that `keep` few must not run at once.
    """
    folder = None
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        folder = os.open(home, os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if folder is not None:
            os.close(folder)


@contextlib.contextmanager
def _shown(hidden):
    """Show other processes of this machine, by a lock beside it, that a folder is being written.

    Where there are no locks, nothing is shown, and what is left behind stays for an hour.
    """
    lock = hidden.with_name(hidden.name + LOCK)
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            # It says whose it is only once it is held: until then nobody takes it for a dead one's.
            held.enter_context(locked(lock)).write(socket.gethostname().encode())
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                lock.unlink()


def _remove_if_dead(lock):
    """Remove a folder whose lock no process of this machine holds any more."""
    with contextlib.suppress(OSError):
        file = try_lock(lock, make=False)
        if file is None:
            return
        with file:
            if file.read(300).decode("utf-8", "replace") == socket.gethostname():
                folder = lock.with_name(lock.name.removesuffix(LOCK))
                if folder.is_dir():
                    shutil.rmtree(_hide(folder), ignore_errors=True)
                lock.unlink()


def _remove_abandoned(home):
    for path in home.glob(f"{WRITING}*{LOCK}"):
        _remove_if_dead(path)
    for path in [*home.glob(f"{REMOVING}*"), *home.glob(f"{WRITING}*")]:
        if path.is_symlink():  # none of ours
            continue
        if path.is_file():  # the lock of a process that was killed before it was held
            with contextlib.suppress(FileNotFoundError):  # it ended meanwhile
                if time.time() - path.stat().st_mtime > ABANDONED:
                    path.unlink()
        elif path.name.startswith(REMOVING):
            shutil.rmtree(path, ignore_errors=True)
        elif time.time() - _last_change(path) > ABANDONED:
            shutil.rmtree(_hide(path), ignore_errors=True)


def _last_change(folder):
    """Return when anything in a folder was changed last; the folder may vanish meanwhile."""
    times = [0.0]
    for parent, _, files in os.walk(folder):
        for path in [parent, *(os.path.join(parent, name) for name in files)]:
            with contextlib.suppress(FileNotFoundError):
                times.append(os.stat(path).st_mtime)
    return max(times)


def _hide(path):
    """Take a folder out of sight, so that it can be deleted, and return where it is.

    This is the rename that a publishing process would make: only one of the two gets the folder, so
    nobody publishes what is being deleted.
    """
    hidden = _hidden(path.parent, REMOVING)
    with contextlib.suppress(FileNotFoundError):  # another process was faster
        os.rename(path, hidden)
    return hidden
