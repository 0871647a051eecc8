"""A training leaves a page of its own accord, and never fails because of it."""

import io

import pytest
from helpers import invoke, quickly, succeeded, train, trained
from report_support import parts_of

from dtp_tf.console.tables import PlainConsole
from dtp_tf.reporting.automatic import report_at_the_end


def test_a_training_leaves_a_page_and_names_it_in_its_last_line():
    run, result = trained()
    assert result.stdout.splitlines()[-1] == f"report     {run / 'report.html'}"
    page = parts_of(run / "report.html")
    assert "Report of a training run" in page.words
    assert f"python cli.py serve digits --export-dir {run.parent / 'exported'}" in page.words
    assert any("answered" in alt for alt in page.alts)


@pytest.mark.slow
def test_a_training_writes_no_page_where_none_is_wanted(tmp_path):
    words = ("train", "digits", "--epochs", 1, "--units", "4", "--no-export", "--no-report")
    said = succeeded(invoke(*words, "--run-dir", tmp_path / "run", pictures=True))
    assert not (tmp_path / "run" / "report.html").exists() and "report " not in said


def test_trainings_of_tests_write_pages_only_where_a_test_asks_for_it(tmp_path):
    with quickly():
        train(tmp_path / "run", epochs=1)
    assert not (tmp_path / "run" / "report.html").exists()


def test_a_page_that_cannot_be_made_is_said_in_one_sentence_and_is_no_failure(tmp_path):
    def write():
        raise ZeroDivisionError("no such\nluck.")

    said = io.StringIO()
    report_at_the_end(write, tmp_path, PlainConsole(file=said, width=400))
    assert said.getvalue() == (
        f"warning: the report could not be made (no such luck); python cli.py report {tmp_path} "
        "tries it again\n"
    )
