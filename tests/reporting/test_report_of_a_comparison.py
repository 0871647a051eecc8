"""The page of a comparison has its table, its curves, and in what the rules' settings differ."""

import json
import shutil

import pytest
from helpers import _folder, invoke, refusal
from report_support import comparison, parts_of

import dtp_tf
from dtp_tf.comparing.results import Result, summarize


@pytest.fixture(scope="module")
def page():
    return parts_of(dtp_tf.report(comparison(), _folder() / "page.html"))


def test_each_rule_has_its_mean_and_deviation(page):
    results = [Result.of(path) for path in sorted(comparison().glob("*-?"))]
    for one in summarize(results):
        mean, deviation = one["test_accuracy"], one["test_accuracy_std"]
        assert f"{100 * mean:.2f} ± {100 * deviation:.2f} %" in page.words


def test_curves_times_and_angles_are_drawn_with_words(page):
    for what in ("validation accuracy over the epochs", "training loss over the epochs",
                 "validation accuracy over the training time", "angles to backpropagation"):
        assert any(alt.startswith(what) for alt in page.alts), what


def test_settings_that_differ_stand_side_by_side_and_others_do_not(page):
    differing = page.words.split("Settings that differ between the rules")[1]
    differing = differing.split("What all rules share")[0]
    assert "inverse_learning_rate" in differing and "batch_size" not in differing
    assert "batch_size" in page.words.split("What all rules share")[1]


def test_each_run_has_its_command(page):
    assert page.words.count("python cli.py train digits --rule") >= 4


@pytest.mark.slow
def test_runs_that_are_missing_or_diverged_are_said(tmp_path):
    copy = shutil.copytree(comparison(), tmp_path / "comparison")
    shutil.rmtree(copy / "bp-1")
    (copy / "dtp-1" / "metrics.json").unlink()
    (copy / "dtp-1" / "diverged.json").write_text('{"message": "too fast <b>"}')
    page = parts_of(dtp_tf.report(copy))
    assert "Left out, for their folders are missing or not done: bp with seed 1" in page.words
    assert "Runs that diverged are part of no mean: dtp (1)" in page.words


def test_a_damaged_comparison_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "comparison.json").write_text(json.dumps({"complete": True, "runs": [{"rule": 3}]}))
    assert "damaged" in refusal(invoke("report", tmp_path), 1)
