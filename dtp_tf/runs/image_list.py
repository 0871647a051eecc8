"""Which images a run was trained on: `images.csv`, a row for each file of its folder."""

import csv
import io
import os

from dtp_tf.errors import UserError
from dtp_tf.files import read_bytes, write_text
from dtp_tf.schema import DamagedError, decoded

COLUMNS = ("split", "class", "bytes", "sha256", "path")


def rows(data):
    """Return the rows of `ImageData` from a folder, sorted by path: dicts of text."""
    found = [
        {
            "split": file.split,
            "class": data.class_names[file.label],
            "bytes": str(file.bytes),
            "sha256": file.sha256,
            # Paths may have bytes that are no UTF-8.
            "path": os.fsencode(file.path.relative_to(data.folder.path)).decode(
                "utf-8", "backslashreplace"
            ),
        }
        for file in data.folder.files
    ]
    return sorted(found, key=lambda row: row["path"])


def write_images(path, data):
    """Write the list of the images of a folder."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(data))
    write_text(path, text.getvalue())


def read_images_list(path):
    """Return the rows that `write_images` wrote.

    Raises:
        UserError: the file cannot be read or is damaged.
    """
    try:
        text = decoded(read_bytes(path))
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        found = list(reader)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}.") from None
    except (ValueError, csv.Error) as error:
        raise DamagedError(path, " ".join(str(error).split())) from None
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise DamagedError(path, f"its columns are not {', '.join(COLUMNS)}")
    if any(None in row or None in row.values() for row in found):
        raise DamagedError(path, f"a row has not {len(COLUMNS)} values")
    return found


def differences(before, now):
    """Say in a clause in what the images of a folder differ from those before; "" if they do not.

    Args:
        before, now: rows, see `rows`.
    """
    old, new = ({row["path"]: row["sha256"] for row in some} for some in (before, now))
    added, removed = sorted(new.keys() - old.keys()), sorted(old.keys() - new.keys())
    changed = sorted(path for path in old.keys() & new.keys() if old[path] != new[path])
    renamed, of_hash = [], {}
    for path in removed:
        of_hash.setdefault(old[path], []).append(path)
    for path in added:
        if of_hash.get(new[path]):
            renamed.append((of_hash[new[path]].pop(), path))
    added = [path for path in added if path not in {to for _, to in renamed}]
    removed = [path for path in removed if path not in {was for was, _ in renamed}]
    parts = [
        f"{len(paths):,} {what} ({_examples(paths)})"
        for what, paths in (
            ("added", added),
            ("removed", removed),
            ("changed", changed),
            ("renamed", [f"{was} to {to}" for was, to in renamed]),
        )
        if paths
    ]
    return ", ".join(parts)


def _examples(paths):
    return ", ".join(paths[:2]) + (", ..." if len(paths) > 2 else "")
