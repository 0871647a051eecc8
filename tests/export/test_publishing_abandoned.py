"""What a killed export of this machine leaves is removed by the next; what is alive stays."""

import os
import signal
import socket
import subprocess
import sys

import pytest
from helpers import environment, hidden_files

from dtp_tf.export import publishing
from dtp_tf.export.publishing import publish

WRITE = """
import os, pathlib, sys, time
from dtp_tf.export.publishing import publish

def write(path):
    path.mkdir()
    (path / "half").write_text("half")
    print("writing", flush=True)
    time.sleep(600)

publish(sys.argv[1], write)
"""


@pytest.fixture
def writer(tmp_path):
    """A process in the middle of an export to `tmp_path/model`."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE, tmp_path / "model"], env=environment(), stdout=subprocess.PIPE
    )
    try:
        assert process.stdout.readline() == b"writing\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_live_exports_folder_stays_and_a_killed_ones_goes_at_once(writer, tmp_path):
    home = tmp_path / "model"
    publish(home, lambda path: path.mkdir())
    assert len(hidden_files(home)) == 2  # its folder and its lock
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    publish(home, lambda path: path.mkdir())
    assert sorted(os.listdir(home)) == ["1", "2"]


def test_that_of_another_machine_stays_for_an_hour(tmp_path, monkeypatch):
    (tmp_path / ".writing-0123abcd").mkdir()
    (tmp_path / ".writing-0123abcd.lock").write_text(f"not-{socket.gethostname()}")
    publish(tmp_path, lambda path: path.mkdir())
    assert (tmp_path / ".writing-0123abcd").is_dir()


def test_where_there_are_no_locks_an_export_is_published_all_the_same(tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    publish(tmp_path, lambda path: path.mkdir())
    assert os.listdir(tmp_path) == ["1"]
    assert publishing.ABANDONED == 3600
