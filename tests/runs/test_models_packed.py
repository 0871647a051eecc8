"""A model's file: how much of it is unpacked, and what is no file at all."""

import json
import os
import shutil
import zipfile

import pytest
from helpers import python, trained

from dtp_tf import files
from dtp_tf.errors import UserError
from dtp_tf.files import MAX_ENTRY, MAX_PACKED, read_entry
from dtp_tf.runs.models import ENTRY, load_model


def repacked(path, entries, kind=zipfile.ZIP_DEFLATED):
    """Write a model's file again, with some entries replaced; return its path."""
    with zipfile.ZipFile(trained()[0] / "best.keras") as old:
        content = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w", kind) as new:
        for name, data in {**content, **entries}.items():
            new.writestr(name, data)
    return path


def lie(path, size, states):
    """Let every header in a zip file state another size of its entry."""
    content = path.read_bytes()
    old, new = (number.to_bytes(4, "little") for number in (size, states))
    assert content.count(old) >= 2  # beside the entry, and in the list at the end
    path.write_bytes(content.replace(old, new))


def refused(path):
    with pytest.raises(UserError) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_model_that_somebody_packed_is_read(tmp_path):
    path = repacked(tmp_path / "a.keras", {})
    assert path.stat().st_size < (trained()[0] / "best.keras").stat().st_size
    assert load_model(path).class_names == [str(i) for i in range(10)]


@pytest.mark.parametrize("name", [ENTRY, "config.json"])
@pytest.mark.slow
def test_an_entry_of_spaces_is_refused_by_its_size(tmp_path, name):
    path = repacked(tmp_path / "a.keras", {name: b" " * 50_000_000})
    assert path.stat().st_size < 500_000
    said = f"its {name} has 50,000,000 bytes or more, which is above the limit of 10,000,000"
    assert said in refused(path)


@pytest.mark.slow
def test_a_size_that_is_a_lie_does_not_help(tmp_path):
    size = 50_000_123
    path = repacked(tmp_path / "a.keras", {ENTRY: b"{}" + b" " * (size - 2)})
    lie(path, size, 2)
    assert f"its {ENTRY} has 10,000,001 bytes or more" in refused(path)
    path = repacked(tmp_path / "a.keras", {ENTRY: b"{}" + b" " * 5_000_000})
    lie(path, 5_000_002, 2)
    assert "has not the size that it states" in refused(path) or "CRC" in refused(path)


@pytest.mark.slow
def test_packed_weights_that_grow_a_thousandfold_are_refused(tmp_path):
    path = repacked(tmp_path / "a.keras", {"model.weights.h5": bytes(MAX_ENTRY + 1)})
    assert "its model.weights.h5 has 100,000,001 bytes packed into" in refused(path)


MEASURE = """
import resource, sys, zipfile
from dtp_tf.files import read_entry
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    with zipfile.ZipFile(sys.argv[1]) as archive:
        read_entry(archive, "dtp_tf.json")
except zipfile.BadZipFile as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("states", [2, 300_000_000])
def test_little_of_a_large_entry_comes_into_memory(tmp_path, states):
    path, size = tmp_path / "a.zip", 300_000_000
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(ENTRY, "w") as entry:
            for _ in range(size // 1_000_000):
                entry.write(b" " * 1_000_000)
    if states != size:
        lie(path, size, states)
    said, kilobytes = python("-c", MEASURE, path, cwd=tmp_path).splitlines()
    assert "above the limit of 10,000,000" in said
    assert int(kilobytes) < 100_000


def test_what_is_not_packed_may_be_larger(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_ENTRY", MAX_PACKED + 2)
    for size in (MAX_PACKED + 1, MAX_PACKED + 3):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("a", json.dumps("x" * (size - 2)))
        with zipfile.ZipFile(tmp_path / "a.zip") as archive:
            if size <= files.MAX_ENTRY:
                assert len(read_entry(archive, "a")) == size
            else:
                with pytest.raises(zipfile.BadZipFile, match="limit of 10,000,002"):
                    read_entry(archive, "a")


@pytest.mark.timeout(60)
def test_a_pipe_or_a_device_is_no_model(tmp_path):
    os.mkfifo(tmp_path / "a.keras")
    for path in (tmp_path / "a.keras", "/dev/zero"):
        assert refused(path) == (
            f"model {path} cannot be read: it is a pipe, a socket or a device, and no file."
        )
    run = shutil.copytree(trained()[0], tmp_path / "run")
    (run / "best.keras").unlink()
    os.mkfifo(run / "best.keras")
    assert "it is a pipe" in refused(run / "best.keras")
