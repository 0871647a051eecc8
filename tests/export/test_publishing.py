"""Versions appear whole and go whole, with many writers at once and with writers that are killed.

The writers are forked from a process that knows nothing of TensorFlow, so there can be many.
"""

import json
import os
import time

import pytest
from helpers import hidden_files, python

from dtp_tf.export import publishing
from dtp_tf.export.publishing import ABANDONED, publish

FILES = ["assets/labels.txt", "saved_model.pb", "variables/variables.index"]

WRITERS = """
import json, os, pathlib, signal, sys
from dtp_tf.export import publishing

FILES = json.loads(sys.argv[1])

def write(path):
    for name in FILES:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text("whole")

def child(work):
    pid = os.fork()
    if not pid:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return pid

def ended(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""

RACE = WRITERS + """
home, count, keep = sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])

def work():
    for _ in range(count):
        os.write(1, publishing.publish(home, write, keep).name.encode() + b" ")

assert [ended(pid) for pid in [child(work) for _ in range(4)]] == [0] * 4
"""

# Kills a writer at its first step on the disk, another at its second, and so on.
KILLED = WRITERS + """
folder, careless = pathlib.Path(sys.argv[2]), json.loads(sys.argv[3])

def kill_at(point):
    steps = 0
    def look(event, args):
        nonlocal steps
        step = event.split(".")[0] in ("os", "shutil", "pathlib") or (
            event == "open" and str(folder) in str(args[0])
        )
        steps += step
        if step and steps == point:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(look)

def publish(home, keep):
    if careless:
        write(home / "4")
    else:
        publishing.publish(home, write, keep)

point, code = 0, -signal.SIGKILL
while code == -signal.SIGKILL:
    point += 1
    home = folder / str(point)
    for version in "123":
        write(home / version)
    def work():
        kill_at(point)
        publish(home, 2)
    code = ended(child(work))
assert code == 0
print(point)
"""


def write(path, text="whole"):
    for name in FILES:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)


def versions(home):
    """Return the numbers that a server sees in a folder."""
    return sorted(int(name) for name in os.listdir(home) if name.isdecimal())


def incomplete(home):
    """Return the versions that a server would find incomplete."""
    return [
        version
        for version in versions(home)
        if not all(
            (home / str(version) / name).is_file()
            and (home / str(version) / name).read_text() == "whole"
            for name in FILES
        )
    ]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folders of versions after a writer was killed at each of its steps, in order."""
    folder = tmp_path_factory.mktemp("killed")
    steps = int(python("-c", KILLED, json.dumps(FILES), folder, "false", cwd=folder))
    return [folder / str(step) for step in range(1, steps + 1)]


@pytest.mark.slow
def test_a_writer_killed_at_any_step_leaves_no_half_version_to_see(killed):
    assert len(killed) > 20
    assert [home for home in killed if incomplete(home)] == []
    for home in killed:
        # 1 and 2 go only when 4 is there.
        assert versions(home) in ([1, 2, 3], [1, 2, 3, 4], [2, 3, 4], [3, 4]), home
    found = {tuple(versions(home)) for home in killed}
    assert len(found) == 4  # it was killed before, between and after all that can be seen
    assert versions(killed[-1]) == [3, 4]  # nobody killed that one


@pytest.mark.slow
def test_a_careless_writer_would_have_been_noticed(tmp_path):
    steps = int(python("-c", KILLED, json.dumps(FILES), tmp_path, "true", cwd=tmp_path))
    assert any(incomplete(tmp_path / str(step)) for step in range(1, steps + 1))


def test_what_killed_writers_leave_is_removed_by_the_next(killed, monkeypatch):
    left = {path.name.split("-")[0] for home in killed for path in hidden_files(home)}
    assert left == {".writing", ".removing"}
    later = time.time() + ABANDONED + 60
    monkeypatch.setattr(time, "time", lambda: later)
    for home in killed:
        highest = versions(home)[-1]
        assert publish(home, write) == home / str(highest + 1)
        assert not hidden_files(home)
        assert not incomplete(home)


@pytest.mark.parametrize("keep", [None, 1, 3])
@pytest.mark.slow
def test_writers_at_once_get_a_version_each(tmp_path, keep):
    home = tmp_path / "model"
    words = ("-c", RACE, json.dumps(FILES), home, 15, json.dumps(keep))
    got = sorted(map(int, python(*words, cwd=tmp_path).split()))
    assert got == list(range(1, 61))
    assert not incomplete(home)
    assert not hidden_files(home)
    if keep is None:
        assert versions(home) == got
    else:
        assert versions(home)[-keep:] == got[-keep:]


def test_a_new_version_is_one_above_the_highest_and_old_ones_stay(tmp_path):
    for taken in ("7", "not-a-number", ".99", "8.5", "²"):
        (tmp_path / taken).mkdir()
    assert publish(tmp_path, write) == tmp_path / "8"
    assert sorted(os.listdir(tmp_path)) == sorted(["7", "8", "not-a-number", ".99", "8.5", "²"])


def test_a_version_that_appears_meanwhile_is_left_alone(tmp_path):
    def slow(path):
        write(path)
        write(tmp_path / "1", "theirs")

    assert publish(tmp_path, slow) == tmp_path / "2"
    assert (tmp_path / "1" / FILES[0]).read_text() == "theirs"


def test_a_version_lost_in_the_last_moment_is_not_overwritten(tmp_path, monkeypatch):
    rename = os.rename

    def race(source, target):
        if not (tmp_path / "1").exists():
            write(tmp_path / "1", "theirs")
        return rename(source, target)

    monkeypatch.setattr(os, "rename", race)
    assert publish(tmp_path, write) == tmp_path / "2"
    assert (tmp_path / "1" / FILES[0]).read_text() == "theirs"
    assert (tmp_path / "2" / FILES[0]).read_text() == "whole"


@pytest.mark.parametrize(
    ("keep", "kept"), [(1, [9]), (2, [7, 9]), (3, [3, 7, 9]), (9, [1, 3, 7, 9])]
)
def test_the_highest_versions_are_kept(tmp_path, keep, kept):
    for version in (1, 3, 7):
        write(tmp_path / str(version))
    others = [".hidden", "notes", "8.5", "1a"]
    for name in others:
        (tmp_path / name).mkdir()
    (tmp_path / "8").write_text("a file is no version")
    publish(tmp_path, write, keep)
    assert versions(tmp_path) == sorted([*kept, 8])
    assert set(others) < set(os.listdir(tmp_path))


def test_a_version_published_meanwhile_costs_no_other_more_than_asked(tmp_path, monkeypatch):
    give_number = publishing._give_number

    def and_another_after(hidden, home):
        path = give_number(hidden, home)
        write(home / "5")
        return path

    write(tmp_path / "3")
    monkeypatch.setattr(publishing, "_give_number", and_another_after)
    assert publish(tmp_path, write, keep=1) == tmp_path / "4"
    assert versions(tmp_path) == [4, 5]  # the new one is never removed


def test_a_version_goes_in_one_step(tmp_path, monkeypatch):
    write(tmp_path / "1")
    seen = []

    def look(path, **options):
        if path.exists():
            seen.append((versions(tmp_path), sorted(os.listdir(path))))

    monkeypatch.setattr(publishing.shutil, "rmtree", look)
    publish(tmp_path, write, keep=1)
    whole = sorted({name.split("/")[0] for name in FILES})
    assert seen == [([2], whole)]  # out of sight, and still whole


def test_a_writer_at_work_is_left_alone(tmp_path):
    for age, name in [(0, ".writing-new"), (2 * ABANDONED, ".writing-old")]:
        write(tmp_path / name)
        for path in [tmp_path / name, *(tmp_path / name).rglob("*")]:
            os.utime(path, (time.time() - age,) * 2)
    # An old folder, but somebody writes to a file in it.
    write(tmp_path / ".writing-slow")
    for path in [tmp_path / ".writing-slow", *(tmp_path / ".writing-slow").glob("*")]:
        os.utime(path, (time.time() - 2 * ABANDONED,) * 2)
    publish(tmp_path, write)
    assert sorted(os.listdir(tmp_path)) == [".writing-new", ".writing-slow", "1"]


def test_an_error_while_writing_publishes_nothing_and_leaves_nothing(tmp_path):
    def fail(path):
        write(path)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        publish(tmp_path / "models" / "one", fail)
    assert not (tmp_path / "models" / "one").exists()
    publish(tmp_path / "one", write)
    with pytest.raises(ZeroDivisionError):
        publish(tmp_path / "one", fail, keep=1)
    assert os.listdir(tmp_path / "one") == ["1"]


def test_a_writer_whose_folder_was_taken_for_abandoned_fails_cleanly(tmp_path, monkeypatch):
    def slow(path):
        write(path)
        with monkeypatch.context() as patch:
            patch.setattr(publishing, "ABANDONED", -1)
            publish(tmp_path, write)

    with pytest.raises(FileNotFoundError):
        publish(tmp_path, slow)
    assert os.listdir(tmp_path) == ["1"]
    assert not incomplete(tmp_path)
