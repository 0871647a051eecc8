"""Presets on a full disk, by two processes at once, and after a kill: whole or not at all."""

import os
import signal
import subprocess
import sys

import pytest
from helpers import environment, full_disk, hidden_files, invoke, refusal, succeeded, trained

from dtp_tf.errors import UserError
from dtp_tf.presets.folder import SHIPPED
from dtp_tf.presets.writing import save_preset
from dtp_tf.processes.locks import alone
from dtp_tf.sharing.opening import load_preset

NAMES = list("0123456789")


@pytest.fixture(scope="module")
def network():
    return load_preset(SHIPPED / "digits_mlp_dtp").model


@pytest.mark.slow
@pytest.mark.parametrize("size", [0, 500, 2000, 3000, 5000, 50_000, 100_000])
@pytest.mark.parametrize("float16", [False, True])
def test_a_full_disk_at_any_byte_is_one_sentence_and_leaves_nothing(
    size, float16, network, tmp_path
):
    with full_disk(size), pytest.raises(UserError, match="cannot write .*/out: File too large;"):
        save_preset(network, tmp_path / "out", {"class_names": NAMES}, float16)
    assert not list(tmp_path.iterdir())


FULL = """
import resource
from dtp_tf.commands.main import main
from dtp_tf.presets import writing

def full(*rest):
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, -1))
    return write(*rest)

write, writing._write = writing._write, full
main()
"""


@pytest.mark.slow
def test_the_command_on_a_full_disk_ends_with_a_sentence_and_no_signal(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, "save-preset", trained()[0], tmp_path / "out"],
        env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "Error: cannot write" in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_two_processes_do_not_write_one_preset(tmp_path):
    folder = tmp_path / "out"
    with alone(tmp_path / ".out.lock", folder):
        text = refusal(invoke("save-preset", trained()[0], folder), 1)
    assert f"another process ({os.getpid()} on " in text and f"is at work in {folder}; " in text
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_presets_side_by_side_are_written_at_once(tmp_path, network):
    with alone(tmp_path / ".other.lock", tmp_path / "other"):
        (tmp_path / ".other-0123abcd").mkdir()  # what that process is writing
        save_preset(network, tmp_path / "out", {"class_names": NAMES})
    assert (tmp_path / ".other-0123abcd").is_dir()


KILL = """
import os, sys
from dtp_tf import files
from dtp_tf.presets import writing
from dtp_tf.presets.folder import SHIPPED
from dtp_tf.sharing.opening import load_preset

def kill(*rest):
    os.kill(os.getpid(), 9)

network = load_preset(SHIPPED / "digits_mlp_dtp").model
files.os.replace = kill  # what is written is to get its name
writing.save_preset(network, sys.argv[1], {"class_names": list("0123456789")})
"""


@pytest.mark.slow
def test_what_a_kill_leaves_of_a_preset_is_removed_by_the_next(tmp_path, network):
    done = subprocess.run(
        [sys.executable, "-c", KILL, tmp_path / "out"], env=environment(), capture_output=True
    )
    assert done.returncode == -signal.SIGKILL
    assert len(hidden_files(tmp_path)) == 2  # half a preset, and a lock that nobody holds
    assert not (tmp_path / "out").exists()
    succeeded(invoke("save-preset", trained()[0], tmp_path / "out"))
    assert os.listdir(tmp_path) == ["out"]
