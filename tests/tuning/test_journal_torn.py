"""Half a record at the end of a study's journal is cut off, and the search goes on."""

import threading

import pytest
from helpers import full_disk

from dtp_tf.errors import UserError
from dtp_tf.tuning.journal import Journal
from dtp_tf.tuning.search_space import make_search
from dtp_tf.tuning.shared_study import SharedStudy

BASE, SPACE = make_search("digits")


@pytest.fixture
def study(tmp_path):
    """A study with a finished trial."""
    made = SharedStudy.create(tmp_path, BASE, SPACE)
    made.take(9).finish(0.5, {})
    return made


RECORD = b'{"op_code":6,"worker_id":"x","trial_id":0,"step":1,"intermediate_value":0.25}'


@pytest.mark.parametrize("length", range(1, len(RECORD), 7))
@pytest.mark.parametrize("end", [b"", b"\n", b"\0" * 600])
def test_half_a_record_is_cut_off_and_the_search_goes_on(length, end, study, tmp_path, capsys):
    path = tmp_path / "journal.log"
    before = path.read_bytes()
    torn = RECORD[:length] + end
    path.write_bytes(before + torn)
    Journal(path)
    assert path.read_bytes() == before
    said = capsys.readouterr().err
    assert said == (
        f"{path}: its last record was not written whole ({len(torn)} bytes) and was cut off; the "
        "search goes on without it.\n"
    )
    again = SharedStudy.create(tmp_path, BASE, SPACE)
    assert [entry.value for entry in again.entries().values()] == [0.5]
    again.take(9).finish(0.75, {})
    ends = [entry.value for entry in SharedStudy(tmp_path).entries().values()]
    assert ends == [0.5, 0.75]
    assert not capsys.readouterr().err


def test_a_journal_of_half_a_record_begins_afresh(tmp_path):
    SharedStudy.create(tmp_path, BASE, SPACE)
    (tmp_path / "journal.log").write_bytes(RECORD[:20])
    assert not SharedStudy(tmp_path).entries()


def test_half_a_record_that_comes_while_the_search_goes_on_does_no_harm(study, tmp_path):
    trial = study.take(9)
    with open(tmp_path / "journal.log", "ab") as file:
        file.write(RECORD[:30])  # of a process that was killed
    trial.report(1, 0.5)
    trial.finish(0.75, {})
    ends = [entry.value for entry in SharedStudy(tmp_path).entries().values()]
    assert ends == [0.5, 0.75]


@pytest.mark.parametrize(
    "damage",
    [b"nonsense", b"nonsense\n", RECORD[:30] + b"\n" + RECORD + b"\n", b"\0\0\n{}\n", b"[]\n"],
)
def test_other_damage_is_left_as_it_is_and_has_its_sentence(damage, study, tmp_path):
    path = tmp_path / "journal.log"
    content = path.read_bytes() + damage
    path.write_bytes(content)
    with pytest.raises(UserError, match="journal.log is damaged: .*choose another --out"):
        SharedStudy(tmp_path)
    assert path.read_bytes() == content


def test_a_full_disk_is_one_sentence_and_leaves_whole_records_alone(study, tmp_path):
    path = tmp_path / "journal.log"
    trial = study.take(9)
    before = path.read_bytes()
    with full_disk(len(before) + 50):
        with pytest.raises(UserError, match="cannot write .*journal.log: File too large; free"):
            trial.report(1, 0.5)
    assert path.read_bytes() == before
    trial.report(1, 0.5)
    trial.finish(0.75, {})
    assert SharedStudy(tmp_path).done() == 2


def test_nothing_is_cut_off_while_another_process_writes(study, tmp_path):
    """The half of a record that is there may be one that is being written."""
    path = tmp_path / "journal.log"
    whole = path.read_bytes()
    lock = Journal(path)._lock
    lock.acquire()
    with open(path, "ab") as file:
        file.write(RECORD[:30])
        file.flush()
        opened = threading.Thread(target=Journal, args=(path,))
        opened.start()
        opened.join(0.3)
        assert opened.is_alive()
        file.write(RECORD[30:] + b"\n")
    lock.release()
    opened.join(30)
    assert path.read_bytes() == whole + RECORD + b"\n"
