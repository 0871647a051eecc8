"""Records are read by their numbers over all files, and only from files that stay as they are."""

import gzip
import os

import pytest
from records_support import write

from dtp_tf.data.record_files import RecordFiles
from dtp_tf.errors import UserError

NAMES = ("records.tfrecord", "records.array_record")


@pytest.fixture
def noted():
    """(a function for `RecordFiles`, what it was called with)."""
    found = []
    return lambda *one: found.append(one), found


def test_numbers_go_on_from_file_to_file_of_either_kind(tmp_path, noted):
    note, found = noted
    contents = [[b"a", b"", b"ccc"], [b"dd"], [b"e" * 70_000, b"f"]]
    names = ("1.tfrecord", "2.array_record", "3.tfrecord")
    paths = [write(tmp_path / name, part) for name, part in zip(names, contents, strict=True)]
    files = RecordFiles(paths, note)
    everything = [record for part in contents for record in part]
    assert len(files) == 6
    assert [files[number] for number in range(6)] == everything
    assert [files[number] for number in (5, 0, 3)] == [b"f", b"a", b"dd"]
    assert files.place(4) == f"record 0 of {paths[2]}"
    assert found == [
        (str(path), number, record)
        for path, part in zip(paths, contents, strict=True)
        for number, record in enumerate(part)
    ]


def test_a_file_without_records_is_passed_over(tmp_path, noted):
    paths = [write(tmp_path / name, part) for name, part in (("1.tfrecord", []), ("2", [b"a"]))]
    files = RecordFiles([*paths, paths[0]], noted[0])
    assert len(files) == 1 and files[0] == b"a"
    assert files.place(0) == f"record 0 of {paths[1]}"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("change", ["replaced", "longer", "touched"])
def test_a_file_that_has_changed_since_it_was_opened_is_refused(tmp_path, noted, name, change):
    path = write(tmp_path / name, [b"a", b"b"])
    files = RecordFiles([path], noted[0])
    if change == "replaced":
        os.replace(write(tmp_path / f"other-{name}", [b"c", b"d"]), path)
    elif change == "longer":
        write(path, [b"a", b"b", b"c"])
    else:
        os.utime(path, ns=(0, 0))
    with pytest.raises(UserError, match="has changed since it was opened"):
        files[1]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_gone_is_named(tmp_path, noted, name):
    path = write(tmp_path / name, [b"a"])
    files = RecordFiles([path], noted[0])
    path.unlink()
    with pytest.raises(UserError, match="cannot be read: No such file"):
        files[0]
    with pytest.raises(UserError, match="cannot be read: No such file"):
        RecordFiles([path], noted[0])


@pytest.mark.parametrize("name", NAMES)
def test_a_compressed_file_is_called_so(tmp_path, noted, name):
    path = write(tmp_path / name, [b"a" * 100] * 3)
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(UserError, match="is compressed, .*; unpack it"):
        RecordFiles([path], noted[0])


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_was_cut_is_damaged(tmp_path, noted, name):
    path = write(tmp_path / name, [b"a" * 100] * 3)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(UserError, match="is damaged or no file of records"):
        RecordFiles([path], noted[0])
