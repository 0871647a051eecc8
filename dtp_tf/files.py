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

LOCK = ".lock"  # in a folder that a process works in; see `dtp_tf.processes.locks`


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
        for file in [temporary, *temporary.rglob("*")]:
            if file.is_file():
                _to_disk(file)
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(cannot_write(path, error)) from error
    finally:
        with contextlib.suppress(OSError):
            if temporary.is_dir():
                shutil.rmtree(temporary)
            else:
                temporary.unlink(missing_ok=True)


def _to_disk(path):
    """Wait until a file is on the disk: a rename may get there before what it renames."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def remove_half_written(folder, name=None):
    """Remove the files and folders of `written` that a killed process left in a folder.

    Args:
        folder: of which no other process writes anything, or not what is called `name`.
        name: of the file or folder that was to be written; any by default.
    """
    for path in pathlib.Path(folder).iterdir():
        if _is_half_written(path, name):
            with contextlib.suppress(OSError):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def _is_half_written(path, name=None):
    stem, suffix = (r".+", r"(\.\w+)?")
    if name is not None:
        whole = pathlib.Path(name)
        stem, suffix = re.escape(whole.stem), re.escape(whole.suffix)
    return re.fullmatch(rf"\.{stem}-[0-9a-f]{{8}}{suffix}", path.name) is not None


def is_empty(folder):
    """Whether a folder has nothing in it but what a process of ours left that is, or was, there."""
    paths = pathlib.Path(folder).iterdir()
    return all(path.name == LOCK or _is_half_written(path) for path in paths)


def refuse_links_out(folder):
    """Raise `UserError` if a link in a folder leads out of it.

    A folder may come from a stranger: nothing is read, written or deleted through such a link. The
    folder itself may be a link, for it was named by the user.
    """
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            refuse_link_out(folder, pathlib.Path(parent, name))


def refuse_link_out(folder, path):
    """Raise `UserError` if `path`, below a folder, is a link that leads out of it."""
    if not path.is_symlink():
        return
    try:
        inside = path.resolve().is_relative_to(pathlib.Path(folder).resolve())
    except (OSError, RuntimeError):  # links in a circle
        inside = False
    if not inside:
        raise UserError(
            f"{path} is a link that leads out of {folder}; nothing is read or written through it: "
            "put what it leads to in its place (cp -rL), or remove it."
        )


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
    """Write a JSON file in one step; see `json_text`."""
    write_text(path, json_text(content))


def json_text(content):
    """Return the text of a JSON file; NaN and infinity are refused, for JSON has neither."""
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


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
