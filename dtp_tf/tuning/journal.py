"""The journal of a study: a file of one JSON record a line, to which many processes append.

A process that is killed, a full disk or a power cut may leave half a record as the last line.
Optuna would write the next one behind it, and nobody could read the journal again.
"""

import contextlib
import json
import os
import sys

from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from dtp_tf.errors import UserError
from dtp_tf.files import cannot_write

BEGINNING = b'{"op_code":'  # of every record


class Journal(JournalFileBackend):
    """Optuna's journal file, of which half a record at the end is cut off before it is used.

    Args:
        path: of the file; made if it is missing.
    """

    def __init__(self, path):
        super().__init__(str(path), _Lock(str(path)))
        # Under the lock nobody is in the middle of writing.
        with self._lock.held():
            cut = _cut_off_half_a_record(path)
        if cut:
            print(
                f"{path}: its last record was not written whole ({cut} bytes) and was cut off; the "
                "search goes on without it.",
                file=sys.stderr,
            )

    def append_logs(self, logs):
        """Append records; all of them or, where the disk is full, none."""
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with self._lock.held():
            _cut_off_half_a_record(self._file_path)  # of a process that was killed meanwhile
            with open(self._file_path, "r+b", buffering=0) as file:
                end = file.seek(0, os.SEEK_END)
                try:
                    _write_whole(file, text.encode("utf-8"))
                    os.fsync(file.fileno())
                except OSError as error:
                    file.truncate(end)
                    raise UserError(cannot_write(self._file_path, error)) from error


class _Lock(JournalFileSymlinkLock):
    """Optuna's lock, which other versions of this program use too."""

    @contextlib.contextmanager
    def held(self):
        self.acquire()
        try:
            yield
        finally:
            self.release()


def _write_whole(file, content):
    while content:
        content = content[file.write(content) :]


def _cut_off_half_a_record(path):
    """Cut a journal behind its last whole record; return how many bytes that took away.

    Only the last line can be half a record. Damage in others is not of that kind, and stays.

    Raises:
        UserError: the last line is no record, nor the half of one.
    """
    with open(path, "r+b") as file:
        end = file.seek(0, os.SEEK_END)
        start = _start_of_last_line(file, end)
        file.seek(start)
        line = file.read()
        if not line or _is_record(line):
            return 0
        begun = line.rstrip(b"\0\n")  # a power cut leaves zeros where a block was not yet written
        if not (begun.startswith(BEGINNING) or BEGINNING.startswith(begun)):
            raise damaged(path, f"its last line is no record ({len(line)} bytes)")
        file.truncate(start)
        return end - start


def _start_of_last_line(file, end):
    """Return where the last line begins; a line break at the very end belongs to it."""
    start, size = end, 4096
    while start > 0:
        start = max(0, start - size)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n", 0, end - start - 1)
        if found >= 0:
            return start + found + 1
        size *= 2
    return 0


def _is_record(line):
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):  # the latter of very deep nesting
        return False


def damaged(path, reason):
    """Return the error for a journal that cannot be read."""
    return UserError(
        f"{path} is damaged: {reason}; take its damaged line out, or choose another --out."
    )
