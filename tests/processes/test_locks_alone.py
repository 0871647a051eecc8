"""A folder has one process at work in it; others are told which, and a dead one is no hindrance."""

import os
import subprocess
import sys

import pytest
from helpers import environment

from dtp_tf.errors import UserError
from dtp_tf.processes import locks
from dtp_tf.processes.locks import alone, locked, try_lock

HOLD = """
import sys, time
from dtp_tf.processes.locks import alone
with alone(sys.argv[1], "the folder"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock `.lock` in `tmp_path`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / ".lock"], env=environment(), stdout=subprocess.PIPE
    )
    try:
        assert process.stdout.readline() == b"held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_second_process_is_told_where_the_first_is_at_work_and_its_number(holder, tmp_path):
    with pytest.raises(UserError) as caught:
        with alone(tmp_path / ".lock", tmp_path):
            pass
    text = str(caught.value)
    assert text.startswith(f"another process ({holder.pid} on ")
    assert f"is at work in {tmp_path}; wait" in text
    assert (tmp_path / ".lock").exists()  # it is the other's


def test_what_a_killed_process_held_is_free(holder, tmp_path):
    holder.kill()
    holder.wait()
    assert (tmp_path / ".lock").exists()
    with alone(tmp_path / ".lock", tmp_path):
        pass


def test_nothing_is_left_behind_after_an_error_either(tmp_path):
    with pytest.raises(KeyError):
        with alone(tmp_path / ".lock", tmp_path):
            assert (tmp_path / ".lock").exists()
            raise KeyError
    assert not list(tmp_path.iterdir())


def test_two_blocks_of_one_process_exclude_each_other_too(tmp_path):
    with alone(tmp_path / ".lock", tmp_path):
        with pytest.raises(UserError, match=f"another process .{os.getpid()} on "):
            with alone(tmp_path / ".lock", tmp_path):
                pass


def test_a_lock_that_its_holder_removes_meanwhile_is_made_afresh(tmp_path, monkeypatch):
    """Otherwise two processes would hold two files of one name."""
    flock, path = locks.fcntl.flock, tmp_path / ".lock"

    def late(file, operation):
        monkeypatch.setattr(locks.fcntl, "flock", flock)
        path.unlink()  # between opening and locking
        flock(file, operation)

    monkeypatch.setattr(locks.fcntl, "flock", late)
    with alone(path, tmp_path):
        with pytest.raises(UserError):
            with alone(path, tmp_path):
                pass


def test_what_stands_in_a_strangers_lock_is_not_printed(tmp_path):
    with open(tmp_path / ".lock", "w") as file:
        file.write("\x1b[2J1 on x")
    with try_lock(tmp_path / ".lock"):
        with pytest.raises(UserError, match="^another process is at work"):
            with alone(tmp_path / ".lock", tmp_path):
                pass


@pytest.mark.parametrize("use", [lambda path: alone(path, path), locked, try_lock])
def test_no_lock_is_made_through_a_link(tmp_path, use):
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises((UserError, OSError)):
        with use(tmp_path / "lock"):
            pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(UserError, match="cannot write .*missing.*: No such file or directory"):
        with alone(tmp_path / "missing" / ".lock", tmp_path):
            pass


def test_a_file_system_without_locks_is_said_and_used(tmp_path, monkeypatch, capsys):
    def refuse(file, operation):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with alone(tmp_path / ".lock", tmp_path):
        pass
    said = capsys.readouterr().err
    assert said.startswith(f"warning: the file system of {tmp_path} has no locks")
    assert not list(tmp_path.iterdir())


def test_the_lock_of_a_folder_that_was_put_in_the_place_of_another_is_left_alone(tmp_path):
    mine, other = tmp_path / "work", tmp_path / "other"
    mine.mkdir()
    with alone(mine / ".lock", mine) as is_here:
        assert is_here()
        mine.rename(other)
        assert not is_here()
        mine.mkdir()
        (mine / ".lock").write_bytes(b"1 on elsewhere")
        assert not is_here()
    assert (mine / ".lock").read_bytes() == b"1 on elsewhere"


@pytest.mark.parametrize("replacement", [None, "a file", "a link"])
def test_a_lock_in_a_folder_that_is_gone_is_not_there(tmp_path, replacement):
    folder = tmp_path / "work"
    folder.mkdir()
    with alone(folder / ".lock", folder) as is_here:
        folder.rename(tmp_path / "moved")
        if replacement == "a file":
            folder.write_text("")
        elif replacement == "a link":
            folder.symlink_to(tmp_path / "nowhere")
        assert not is_here()
