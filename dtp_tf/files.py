"""Writing files so that nobody ever sees half of one."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import uuid

from dtp_tf.errors import UserError
from dtp_tf.schema import ANYTHING, parse_json


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
    """Create a folder with its parents; it may be there already."""
    try:
        pathlib.Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(cannot_write(path, error)) from error


def write_text(path, text):
    """Write a text file in one step."""
    with written(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


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
        data = pathlib.Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}.") from None
    return parse_json(data, path, schema)
