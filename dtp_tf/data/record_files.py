"""TFRecord and ArrayRecord files, of which any record can be read by its number.

An ArrayRecord file knows where its records are. A TFRecord file does not: TensorFlow reads it once
from one end to the other, and the lengths of its records say where each one is.
"""

import functools
import os

import numpy as np
import tensorflow as tf

from dtp_tf.data.splits import untuned
from dtp_tf.errors import UserError

# ArrayRecord files are Riegeli files: the first says of its block that it follows nothing, and ends
# after its own header of 64 bytes.
_RIEGELI = bytes(8) + (64).to_bytes(8, "little")
_GZIP = b"\x1f\x8b"
_HEADER, _FOOTER = 12, 4  # bytes around each record of a TFRecord file
_AT_ONCE = 16  # records, which may be large


class RecordFiles:
    """Records in files, one after the other, `records[number]`.

    Several threads may read at the same time.

    Args:
        paths: of the files, in their order.
        note: a function of (path, number within the file, record) that is called once with each
            record, in their order.

    Raises:
        UserError: a file cannot be read, is damaged or compressed.
    """

    def __init__(self, paths, note):
        self._files = [_open(str(path)) for path in paths]
        for file in self._files:
            for number, record in enumerate(file.read_all()):
                note(file.path, number, record)
        self._ends = np.cumsum([len(file) for file in self._files])

    def __len__(self):
        return int(self._ends[-1])

    def __getitem__(self, number):
        file, within = self._place(number)
        return file.read(within)

    def place(self, number):
        """Return where a record is, in words."""
        file, within = self._place(number)
        return f"record {within} of {file.path}"

    def _place(self, number):
        which = int(np.searchsorted(self._ends, number, side="right"))
        return self._files[which], int(number - (self._ends[which - 1] if which else 0))


def _open(path):
    try:
        with open(path, "rb") as file:
            head = file.read(24)
    except OSError as error:
        raise _unreadable(path, error) from None
    return (_ArrayRecords if head[8:] == _RIEGELI else _TFRecords)(path)


def _unreadable(path, error):
    return UserError(f"record file {path} cannot be read: {error.strerror}.")


class _File:
    """A file that must stay as it is."""

    def __init__(self, path):
        self.path = path
        self._state = _state(os.stat(path))

    def damaged(self, error):
        """Return the `UserError` of a file that cannot be taken apart."""
        with open(self.path, "rb") as file:
            if file.read(2) == _GZIP:
                return UserError(
                    f"record file {self.path} is compressed, so that no record can be read by its "
                    "place; unpack it."
                )
        reason = " ".join(str(error).split())[:120]
        return UserError(
            f"record file {self.path} is damaged or no file of records ({reason}); replace it."
        )

    def check_same(self, state):
        """Raise `UserError` if the file is not the one that was opened."""
        if _state(state) != self._state:
            raise UserError(
                f"record file {self.path} has changed since it was opened; start again, and leave "
                "it alone until the end."
            )


def _state(stat):
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


class _TFRecords(_File):
    def read_all(self):
        """Yield all records, and learn where they are."""
        lengths = []
        records = tf.data.TFRecordDataset(self.path).batch(_AT_ONCE).with_options(untuned())
        try:
            for part in records.as_numpy_iterator():
                lengths.append(np.fromiter(map(len, part), np.int64, len(part)))
                yield from part
        except tf.errors.DataLossError as error:
            raise self.damaged(error.message) from None
        self._lengths = np.concatenate([*lengths, np.zeros(0, np.int64)])
        ends = np.cumsum(self._lengths + _HEADER + _FOOTER)
        self._starts = ends - self._lengths - _FOOTER

    def __len__(self):
        return len(self._lengths)

    def read(self, number):
        """Return a record; where it is was learned with its check sum, which need not be again."""
        length, start = int(self._lengths[number]), int(self._starts[number])
        try:
            file = os.open(self.path, os.O_RDONLY)
            try:
                self.check_same(os.fstat(file))
                return os.pread(file, length, start)
            finally:
                os.close(file)
        except OSError as error:
            raise _unreadable(self.path, error) from None


class _ArrayRecords(_File):
    def __init__(self, path):
        super().__init__(path)
        try:
            self._count = len(_source(path, self._state))
        except ImportError:
            raise UserError(
                f"record file {path} is an ArrayRecord file, which needs `pip install "
                "array_record`; or give TFRecord files."
            ) from None
        except (RuntimeError, ValueError) as error:
            raise self.damaged(error) from None

    def read_all(self):
        """Yield all records."""
        for number in range(len(self)):
            yield self.read(number)

    def __len__(self):
        return self._count

    def read(self, number):
        """Return a record."""
        try:
            self.check_same(os.stat(self.path))
            return _source(self.path, self._state)[number]
        except OSError as error:
            raise _unreadable(self.path, error) from None
        except (RuntimeError, ValueError, IndexError) as error:
            raise self.damaged(error) from None


@functools.lru_cache(maxsize=200)  # files; a large set has more than a process may open
def _source(path, state):
    """Return the reader of an ArrayRecord file in a state."""
    from array_record.python.array_record_data_source import ArrayRecordDataSource

    return ArrayRecordDataSource([path])
