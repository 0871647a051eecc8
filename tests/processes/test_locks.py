"""Locks: one holder at a time, and none that outlives its process."""

import subprocess
import sys

from helpers import environment

from dtp_tf.processes.locks import locked, try_lock


def test_a_lock_has_one_holder_at_a_time(tmp_path):
    first = try_lock(tmp_path / "lock")
    assert first is not None
    assert try_lock(tmp_path / "lock") is None
    first.close()
    second = try_lock(tmp_path / "lock")
    assert second is not None
    second.close()


def test_a_block_holds_the_lock_until_its_end_even_after_an_error(tmp_path):
    try:
        with locked(tmp_path / "lock"):
            assert try_lock(tmp_path / "lock") is None
            raise KeyError
    except KeyError:
        pass
    try_lock(tmp_path / "lock").close()


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    code = (
        "import sys, time; from dtp_tf.processes.locks import try_lock\n"
        "lock = try_lock(sys.argv[1]); print('held', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "lock"], env=environment(), stdout=subprocess.PIPE
    )
    try:
        assert process.stdout.readline() == b"held\n"
        assert try_lock(tmp_path / "lock") is None
    finally:
        process.kill()
        process.communicate()
    try_lock(tmp_path / "lock").close()
