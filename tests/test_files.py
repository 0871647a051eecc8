"""Files appear whole or not at all, and what cannot be written or read is said in one sentence."""

import json
import os

import pytest
from helpers import full_disk, hidden_files

from dtp_tf.errors import UserError
from dtp_tf.files import (
    cannot_write,
    make_folder,
    read_json,
    remove_half_written,
    write_json,
    write_text,
    written,
)


def test_a_written_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "a.txt"
    with written(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_the_temporary_name_is_hidden_in_the_same_folder_and_keeps_the_suffix(tmp_path):
    with written(tmp_path / "best.keras") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".keras"
        assert temporary.name.startswith(".best-")
        temporary.touch()


def test_two_writers_of_one_path_have_two_temporary_names(tmp_path):
    with written(tmp_path / "a") as first, written(tmp_path / "a") as second:
        assert first != second
        first.touch()
        second.touch()


def test_an_error_in_the_block_keeps_the_old_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        with written(path) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_an_interrupt_in_the_block_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        with written(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_a_half_written_folder_is_removed_too(tmp_path):
    with pytest.raises(UserError, match="no space"):
        with written(tmp_path / "model") as temporary:
            temporary.mkdir()
            (temporary / "part").write_text("half")
            raise OSError(28, "no space")
    assert os.listdir(tmp_path) == []


def test_what_a_killed_writer_left_can_be_removed_and_nothing_else_is(tmp_path):
    kept = [".hidden", ".last-draft.keras", "last-0123abcd.keras", "last.keras", "log.csv"]
    for name in [*kept, ".last-0123abcd.keras", ".config-ffffffff.json"]:
        (tmp_path / name).touch()
    (tmp_path / ".folder-0123abcd" / "deeper").mkdir(parents=True)
    remove_half_written(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(kept)


def test_an_os_error_becomes_a_sentence_with_the_path_the_reason_and_a_remedy(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(UserError) as caught:
        with written(path):
            raise OSError(28, "No space left on device")
    text = str(caught.value)
    assert text.startswith(f"cannot write {path}: No space left on device; ")
    assert text.endswith("choose another folder.")


def test_an_os_error_without_a_reason_of_the_system_is_said_in_its_own_words():
    text = cannot_write("a.h5", OSError("file write\nfailed: errno = 28"))
    assert "file write failed: errno = 28" in text
    assert "\n" not in text
    assert len(cannot_write("a.h5", OSError("x" * 1000))) < 300


def test_a_full_disk_keeps_the_old_file(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with full_disk(1000), pytest.raises(UserError, match="cannot write .*a.txt: File too large"):
        write_text(tmp_path / "a.txt", "new" * 1000)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_below_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="Not a directory"):
        make_folder(tmp_path / "file" / "folder")


def test_a_folder_is_made_with_its_parents_and_may_be_there(tmp_path):
    for _ in range(2):
        make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_file_where_the_folder_is_missing_cannot_be_written(tmp_path):
    with pytest.raises(UserError, match="No such file or directory"):
        write_text(tmp_path / "missing" / "a.txt", "text")


def test_text_is_written_as_utf_8(tmp_path):
    write_text(tmp_path / "a.txt", "Größe 数")
    assert (tmp_path / "a.txt").read_bytes().decode("utf-8") == "Größe 数"


def test_json_comes_back_as_it_was(tmp_path):
    content = {"a": [1, 2.5, None], "b": {"ü": True}}
    write_json(tmp_path / "a.json", content)
    assert read_json(tmp_path / "a.json") == content
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == content


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_have_are_refused_before_anything_is_written(tmp_path, number):
    write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"new": number})
    assert read_json(tmp_path / "a.json") == {"old": 1}
    assert not hidden_files(tmp_path)


def test_missing_json_is_said_in_one_sentence(tmp_path):
    with pytest.raises(UserError) as caught:
        read_json(tmp_path / "a.json")
    assert str(caught.value) == f"cannot read {tmp_path / 'a.json'}: No such file or directory."


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe\x00"])
def test_damaged_json_is_said_in_one_sentence(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UserError, match="a.json is damaged"):
        read_json(tmp_path / "a.json")
