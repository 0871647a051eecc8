"""Reading files up to a limit, and writing them so that nobody ever sees half of one."""

import contextlib
import copy
import errno
import json
import os
import pathlib
import re
import shutil
import stat
import uuid
import zipfile

from dtp_tf.errors import UserError
from dtp_tf.schema import ANYTHING, parse_json

#: Bytes that are read at most: of a JSON or CSV file of ours, and of a JSON entry in an archive.
MAX_TEXT, MAX_ENTRY = 1_000_000_000, 100_000_000


def read_bytes(path, limit=MAX_TEXT):
    """Return the content of a file, which must be a regular one: a pipe or a device may never end.

    Args:
        path: of the file.
        limit: bytes that it may have.

    Raises:
        OSError: it cannot be read, is no regular file, or is larger; `strerror` says it in words.
    """
    path = os.fspath(path)
    if "\0" in path:
        raise OSError(errno.EINVAL, "a path cannot have a NUL in it", path)
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is a pipe, a socket or a device, and no file", path)
    with open(path, "rb") as file:
        content = file.read(limit + 1) if found.st_size <= limit else b""
    size = max(found.st_size, len(content))
    if size > limit:
        reason = f"it has {size:,} bytes, which is above the limit of {limit:,}"
        raise OSError(errno.EFBIG, reason, path)
    return content


def read_entry(archive, name, limit=MAX_ENTRY):
    """Return the bytes of an entry of a `zipfile.ZipFile`, whatever size the archive says.

    Raises:
        KeyError: there is no such entry.
        zipfile.BadZipFile: the entry is larger than `limit` bytes, or not what the archive says.
    """
    said = archive.getinfo(name)
    entry, content = copy.copy(said), b""
    entry.file_size = limit + 1  # or `zipfile` would stop at the stated size and hide the rest
    if said.file_size <= limit:
        with archive.open(entry) as file:
            content = file.read(limit + 1)
    size = max(said.file_size, len(content))
    if size > limit:
        raise zipfile.BadZipFile(
            f"its {name} has {size:,} bytes or more, which is above the limit of {limit:,}"
        )
    if len(content) != said.file_size:
        raise zipfile.BadZipFile(f"its {name} has not the size that it states")
    return content


@contextlib.contextmanager
def written(path):
    """Yield a temporary path in the same folder, which becomes `path` if the block succeeds.

    Raises:
        UserError: the folder cannot be written (full disk, no permission); nothing is left behind.
    """
    path = pathlib.Path(path)
    # The suffix stays: Keras and matplotlib choose the format by it.
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(cannot_write(path, error)) from error
    finally:
        with contextlib.suppress(OSError):
            if temporary.is_dir():
                shutil.rmtree(temporary)
            else:
                temporary.unlink(missing_ok=True)


def remove_half_written(folder):
    """Remove the temporary files of `written` that a killed process left in a folder."""
    for path in pathlib.Path(folder).iterdir():
        if path.is_file() and re.fullmatch(r"\..+-[0-9a-f]{8}(\.\w+)?", path.name):
            with contextlib.suppress(OSError):
                path.unlink()


def cannot_write(path, error):
    """Return the sentence for an `OSError` while writing `path`."""
    reason = error.strerror or " ".join(str(error).split())[:160]
    return f"cannot write {path}: {reason}; free some space or choose another folder."


def make_folder(path):
    """Create a folder with its parents; it may be there already.

    Raises:
        UserError: it cannot be created, or has a name that TensorFlow could not write to.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UserError(
            f"cannot write {path}: its name has bytes that are no UTF-8; choose another folder."
        ) from None
    try:
        pathlib.Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(cannot_write(path, error)) from error


def write_text(path, text):
    """Write a text file in one step; of names, what is no UTF-8 is written as an escape."""
    with written(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path, content):
    """Write a JSON file in one step; NaN and infinity are refused, for JSON has neither."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path, schema=ANYTHING):
    """Return the content of a JSON file.

    Args:
        path: the file.
        schema: what it must look like, see `dtp_tf.schema`.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        data = read_bytes(path)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}.") from None
    return parse_json(data, path, schema)
