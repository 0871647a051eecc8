"""A run has one process at a time, and a checkpoint is whole before it takes another's place."""

import os
import shutil
import zipfile

import keras
import pytest
from helpers import (
    DETERMINISTIC,
    TINY,
    StopAfter,
    flags,
    full_disk,
    hidden_files,
    invoke,
    jobs_by,
    killed_at_the_end,
    refusal,
    sentence,
    start,
    succeeded,
    train,
    trained,
    wait_for,
)

from dtp_tf.comparing.comparison import compare
from dtp_tf.errors import UserError
from dtp_tf.recipes.recipe import recipe
from dtp_tf.runs import models
from dtp_tf.runs.folder import Run
from dtp_tf.runs.models import load_model, save_model

pytestmark = pytest.mark.slow  # they train, some in two processes


@pytest.fixture
def run(tmp_path):
    """The folder of a run that is not finished."""
    train(tmp_path / "run", callbacks=[StopAfter(1)], **TINY)
    return tmp_path / "run"


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_that_is_being_trained_is_not_resumed_and_stays_as_it_is(run):
    with Run(run).alone():
        before = content(run)
        text = refusal(invoke("train", "--resume", run), 1)
        assert f"another process ({os.getpid()} on " in text
        assert f"is at work in {run}; " in text
        assert content(run) == before
    succeeded(invoke("train", "--resume", run, "--no-export"))
    assert not hidden_files(run)


def test_two_trainings_in_one_new_folder_are_one(tmp_path):
    (tmp_path / "run").mkdir()
    with Run(tmp_path / "run").alone():
        text = refusal(invoke("train", "--run-dir", tmp_path / "run", *flags(TINY)), 1)
    assert "is at work in" in text
    assert not list((tmp_path / "run").iterdir())


def test_whoever_only_reads_needs_no_lock(run, tmp_path):
    with Run(run).alone():
        succeeded(invoke("evaluate", run))
        succeeded(invoke("export", run, "--export-dir", tmp_path / "exported"))


def test_a_lock_or_half_a_file_that_a_kill_left_is_no_hindrance(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".lock").write_text("1 on elsewhere")
    (folder / ".config-0123abcd.json").write_text("{")
    train(folder, callbacks=[StopAfter(1)], **TINY)
    assert not hidden_files(folder)
    (folder / ".lock").write_text("1 on elsewhere")
    train(None, resume=folder)
    assert not hidden_files(folder)


def test_a_comparison_has_one_process_and_waits_for_the_run_of_a_dead_one(tmp_path, monkeypatch):
    from dtp_tf.comparing import comparison
    from dtp_tf.console.tables import make_console
    from dtp_tf.processes.locks import alone

    folder = tmp_path / "comparison"
    shutil.copytree(trained()[0], folder / "dtp-0")
    settings = recipe("digits", **TINY)
    with alone(folder / ".lock", folder):
        with pytest.raises(UserError, match=f"at work in {folder}; "):
            compare(settings, ["dtp"], 1, out=folder)
    compare(settings, ["dtp"], 1, out=folder, console=make_console(quiet=True))
    assert not hidden_files(folder)

    (folder / "dtp-0" / "metrics.json").unlink()
    monkeypatch.setattr(comparison, "PATIENCE", 0.5)
    monkeypatch.setattr(comparison, "run_jobs", jobs_by(lambda *_: {"error": "it was held."}))
    with Run(folder / "dtp-0").alone():
        with pytest.raises(UserError, match="it was held"):
            compare(settings, ["dtp"], 1, out=folder, console=make_console(quiet=True))


def test_of_two_processes_that_resume_a_run_one_goes_on_and_one_is_refused(tmp_path):
    settings = flags({**DETERMINISTIC, "epochs": 40})
    run = tmp_path / "run"
    first = start("train", "digits", *settings, "--run-dir", run, "--no-export", cwd=tmp_path)
    with killed_at_the_end(first):
        wait_for((run / "best.keras").exists, first)
        second = start("train", "--resume", run, "--no-export", cwd=tmp_path)
        stdout, stderr = second.communicate(timeout=300)
        assert second.returncode == 1
        assert f"another process ({first.pid} on " in sentence(stderr, stdout)
        assert first.poll() is None  # nothing has disturbed it
        first.kill()
        first.wait()
    for name in ("last.keras", "best.keras"):
        assert "history" in load_model(run / name).about
    succeeded(invoke("train", "--resume", run, "--no-export"))


# -- a checkpoint is whole -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stock():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-40])


def one_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def our_entry_alone(path):
    """What `zipfile` makes where the file has gone before it appends."""
    path.unlink()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(models.ENTRY, "{}")


@pytest.mark.parametrize("damage", [cut_off, one_byte, our_entry_alone])
def test_a_checkpoint_that_the_disk_does_not_give_back_takes_no_others_place(
    damage, stock, tmp_path, monkeypatch
):
    path = tmp_path / "m.keras"
    save_model(stock, path, {"kept": 1})
    before, check = path.read_bytes(), models._check_archive

    def damaged(temporary, entries):
        damage(temporary)
        check(temporary, entries)

    monkeypatch.setattr(models, "_check_archive", damaged)
    with pytest.raises(UserError, match="m.keras: the disk does not give back what was written"):
        save_model(stock, path, {"kept": 2})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m.keras"]


@pytest.mark.parametrize("size", [0, 1, 100, 5000, 11000])
def test_a_full_disk_at_any_byte_leaves_the_old_checkpoint(size, stock, tmp_path):
    path = tmp_path / "m.keras"
    save_model(stock, path, {"kept": 1})
    whole = path.stat().st_size
    assert whole > 11000
    with full_disk(size), pytest.raises(UserError, match="cannot write .*m.keras: File too large"):
        save_model(stock, path, {"kept": 2})
    assert load_model(path).about == {"kept": 1}
    assert os.listdir(tmp_path) == ["m.keras"]


def test_no_file_is_written_to_disk_by_hdf5(stock, tmp_path, monkeypatch):
    """Where the disk is full, it may end the process with a segmentation fault."""
    import h5py

    made = h5py.File.__init__

    def noted(self, name, *rest, **more):
        assert hasattr(name, "write"), f"HDF5 writes to {name}"
        made(self, name, *rest, **more)

    monkeypatch.setattr(h5py.File, "__init__", noted)
    monkeypatch.setattr("keras.src.saving.saving_lib.is_memory_sufficient", lambda model: False)
    save_model(stock, tmp_path / "m.keras", {})
