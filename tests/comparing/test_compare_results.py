"""A comparison makes no run twice, and its tables and pictures say what the runs say."""

import csv
import json
import shutil
import signal
import statistics
import sys
import threading
import time
import types

import pytest
from compare_support import SMALL, fixture_runs  # noqa: F401
from helpers import (
    StopAfter,
    flags,
    invoke,
    jobs_by,
    killed_at_the_end,
    log_rows,
    refusal,
    start,
    succeeded,
    wait_for,
)
from PIL import Image

import dtp_tf
from dtp_tf.comparing import comparison
from dtp_tf.comparing.pictures import Drawn
from dtp_tf.comparing.plan import folder_name, make_plan
from dtp_tf.comparing.results import Result, draw_comparison, show_table, summarize
from dtp_tf.comparing.run_job import run_job
from dtp_tf.console.tables import make_console
from dtp_tf.errors import UserError
from dtp_tf.files import read_json, write_json
from dtp_tf.recipes.recipe import RULES

pytestmark = pytest.mark.slow  # they share four trained runs

RULE_FLAGS = flags(SMALL)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(folder, standard output) of a comparison of bp and dtp with two seeds. Tests copy it."""
    folder = tmp_path_factory.mktemp("compared") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "run_jobs", jobs_by(lambda job, stop: run_job(job)))
        words = "--rules", "bp,dtp", "--seeds", 2, "--out", folder, "--json"
        return folder, succeeded(invoke("compare", "digits", *words, *RULE_FLAGS))


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the finished comparison's folder."""
    return shutil.copytree(finished[0], tmp_path / "out")


def compare(out, rules, **settings):
    """Compare on the digits from Python, quietly."""
    quiet = make_console(quiet=True)
    return dtp_tf.compare("digits", rules, out=out, console=quiet, **{**SMALL, **settings})


def rows(folder):
    with open(folder / "comparison.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def contents(folder):
    """Every file of the runs in a folder, with its bytes and its time."""
    files = [path for path in folder.glob("*-*/**/*") if path.is_file()]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


# -- the table -------------------------------------------------------------------------------------


def test_the_rows_say_what_the_runs_say(finished):
    folder, _ = finished
    found = rows(folder)
    assert [(row["rule"], row["seed"]) for row in found] == [
        ("bp", "0"), ("bp", "1"), ("dtp", "0"), ("dtp", "1")
    ]
    for row in found:
        metrics = read_json(folder / f"{row['rule']}-{row['seed']}" / "metrics.json")
        conditions = metrics["conditions"]
        assert float(row["test_accuracy"]) == metrics["test"]["accuracy"]
        assert float(row["validation_accuracy"]) == metrics["validation"]["accuracy"]
        assert float(row["seconds"]) == metrics["seconds"]
        assert float(row["seconds_per_epoch"]) == metrics["seconds"] / metrics["epochs"]
        assert int(row["best_epoch"]) == metrics["best_epoch"]
        assert int(row["epochs"]) == metrics["epochs"] == 1
        assert row["split"] == "1150/287/360"
        for name in ("device", "keras", "tensorflow", "python", "dtp_tf"):
            assert row[name] == conditions[name]
        for name in ("schedule", "noise", "target_step", "learning_rate", "batch_size"):
            value = conditions["recipe"][name]
            assert row[name] == ("" if value is None else str(value))
        assert row["command"].startswith(f"python cli.py train digits --rule {row['rule']}")


def test_the_json_is_alone_on_stdout_and_is_the_file(finished):
    folder, text = finished
    content = json.loads(text)
    assert content == read_json(folder / "comparison.json")
    assert content["complete"] is True
    assert content["held_equal"]["units"] == [16, 12]
    assert [one["rule"] for one in content["summary"]] == ["bp", "dtp"]
    for row, text_row in zip(content["runs"], rows(folder), strict=True):
        assert {k: "" if v is None else str(v) for k, v in row.items()} == text_row


def test_the_summary_is_mean_and_sample_deviation_over_the_seeds(finished):
    folder, text = finished
    for one in json.loads(text)["summary"]:
        mine = [row for row in rows(folder) if row["rule"] == one["rule"]]
        a, b = (float(row["test_accuracy"]) for row in mine)
        assert one["test_accuracy"] == pytest.approx((a + b) / 2)
        assert one["test_accuracy_std"] == pytest.approx(abs(a - b) / 2**0.5)
        assert one["test_error"] == pytest.approx(1 - (a + b) / 2)
        times = [float(row["seconds_per_epoch"]) for row in mine]
        assert one["seconds_per_epoch"] == pytest.approx(statistics.fmean(times))
        assert (one["seeds"], one["diverged"]) == (2, 0)


def test_the_picture_is_a_png_of_a_readable_size(finished):
    with Image.open(finished[0] / "comparison.png") as picture:
        assert picture.format == "PNG"
        picture.load()
        assert min(picture.size) > 400


def test_the_printed_table_has_percents_and_a_dash_for_what_one_seed_cannot_tell(capsys):
    one = dict(
        rule="dtp", schedule=None, seeds=1, diverged=1, test_accuracy=0.9312,
        test_accuracy_std=None, test_error=0.0688, validation_accuracy=0.95,
        seconds_per_epoch=0.1234, best_epoch=12.5,
    )
    show_table(make_console(), [one])
    head, line = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["rule", "schedule", "seeds"]
    assert line.split() == "dtp - 1 (1 diverged) 93.12 - 6.88 95.00 0.123 12.5".split()


def test_the_runs_of_a_comparison_are_ordinary_runs(copy):
    result = json.loads(succeeded(invoke("evaluate", copy / "dtp-1", "--json")))
    assert result["accuracy"] == float(rows(copy)[3]["test_accuracy"])


# -- no run twice ----------------------------------------------------------------------------------


def test_finished_runs_are_not_repeated(copy, runs):
    before, table = contents(copy), rows(copy)
    compare(copy, "bp,dtp", seeds=2)
    assert not runs
    assert contents(copy) == before
    assert rows(copy) == table


def test_other_rules_and_seeds_join_the_table(copy, runs):
    before = contents(copy)
    content = compare(copy, "fa", seeds=1)
    assert runs == ["fa-0"]
    assert before.items() <= contents(copy).items()
    assert {one["rule"]: one["seeds"] for one in content["summary"]} == {"fa": 1, "bp": 2, "dtp": 2}


def test_runs_with_other_conditions_are_left_out_and_said_so(copy, runs, capsys):
    config = read_json(copy / "dtp-1" / "config.json")
    write_json(copy / "dtp-1" / "config.json", {**config, "epochs": 5})
    config = read_json(copy / "bp-1" / "config.json")
    write_json(copy / "bp-1" / "config.json", {**config, "learning_rate": 0.5})
    content = dtp_tf.compare("digits", "bp,dtp", 1, out=copy, **SMALL)
    said = capsys.readouterr().out
    assert not runs
    assert {one["rule"]: one["seeds"] for one in content["summary"]} == {"bp": 1, "dtp": 1}
    assert "dtp-1: its `epochs` is 5, here 1" in said
    here = dtp_tf.recipe("digits").learning_rate
    assert f"bp-1: its `learning_rate` is 0.5, here {here}" in said


def test_a_run_with_other_settings_is_refused_by_name(copy, runs):
    words = "--rules", "bp,fa", "--seeds", 1, "--out", copy, *flags({**SMALL, "epochs": 3})
    error = refusal(invoke("compare", "digits", *words), 1)
    assert f"{copy / 'bp-0'} was made with `epochs` 1, asked for is 3" in error
    assert "choose another --out, or delete that folder" in error
    assert not runs


def test_a_folder_that_is_no_run_is_not_written_into(tmp_path, runs):
    (tmp_path / "bp-0").mkdir()
    (tmp_path / "bp-0" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="bp-0 is no run folder"):
        compare(tmp_path, "bp", seeds=1)
    assert not runs


def test_an_unfinished_run_is_resumed(tmp_path, runs):
    path = tmp_path / "dtp-0"
    settings = {**SMALL, "epochs": 2}
    recipe = make_plan("digits", "dtp", 1, **settings).recipes[0]
    dtp_tf.train(
        recipe, run_dir=path, export_dir=None, callbacks=[StopAfter(1)],
        console=make_console(quiet=True),
    )
    first = (path / "log.csv").read_text().splitlines()[:2]
    metrics = read_json(path / "metrics.json")
    write_json(path / "metrics.json", {**metrics, "interrupted": True})  # as Ctrl-C leaves it
    content = compare(tmp_path, "dtp", seeds=1, **settings)
    assert runs == ["dtp-0"]
    assert content["runs"][0]["epochs"] == 2
    assert (path / "log.csv").read_text().splitlines()[:2] == first


def test_a_stop_ends_the_comparison_writes_the_table_and_says_how_to_go_on(
    copy, monkeypatch, capsys
):
    def stopped(job, stop):
        stop.set()
        return {"error": "stopped before the first epoch was finished."}

    monkeypatch.setattr(comparison, "run_jobs", jobs_by(stopped))
    content = dtp_tf.compare("digits", "bp,fa,dfa", 1, out=copy, **SMALL)
    assert content["complete"] is False
    assert len(content["runs"]) == 4  # those that were there
    assert "stopped: 1 of 3 runs are done; the same command goes on" in capsys.readouterr().out


def test_a_diverged_run_is_listed_not_repeated_and_has_no_accuracy(tmp_path, runs):
    # ReLUs have no bound, so a huge step overflows.
    wild = {"learning_rate": 1e30, "optimizer": "sgd", "activation": "relu"}
    content = compare(tmp_path, "fa", seeds=1, **wild)
    (row,), (one,) = content["runs"], content["summary"]
    assert row["status"] == "diverged"
    assert row["test_accuracy"] is None and row["validation_accuracy"] is None
    assert row["split"] is None and row["tensorflow"]
    assert (one["seeds"], one["diverged"], one["test_accuracy"]) == (0, 1, None)
    assert "training diverged in epoch 1" in read_json(tmp_path / "fa-0/diverged.json")["message"]
    assert not (tmp_path / "comparison.png").exists()
    again = compare(tmp_path, "fa", seeds=1, **wild)
    assert again == content
    assert runs == ["fa-0"]


def test_an_error_of_a_run_ends_the_comparison_in_one_sentence(tmp_path, monkeypatch):
    failed = {"error": "no such data."}
    monkeypatch.setattr(comparison, "run_jobs", jobs_by(lambda job, stop: failed))
    words = "--rules", "bp", "--out", tmp_path
    assert "no such data." in refusal(invoke("compare", *words), 1)


def test_rules_of_ones_own_have_folders_of_their_own():
    assert folder_name("dtp", 2) == "dtp-2"
    assert folder_name("some/where/mine.py:Mine", 0) == "mine_Mine-0"


# -- processes -------------------------------------------------------------------------------------


def test_a_killed_or_stopped_comparison_leaves_no_process_behind_and_goes_on(tmp_path):
    run = tmp_path / "out" / "bp-0"
    words = "compare", "digits", "--rules", "bp", "--seeds", 1, "--out", tmp_path / "out"
    words += *flags({**SMALL, "epochs": 4000}),

    def epochs():
        return len(log_rows(run))

    process = start(*words, cwd=tmp_path)
    with killed_at_the_end(process):
        wait_for(epochs, process)
    # The training hears that nobody waits for it, and stops as it does after Ctrl-C.
    end = time.monotonic() + 120
    while not (run / "metrics.json").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    assert read_json(run / "metrics.json")["interrupted"] is True
    assert Result.of(run) is None

    before = epochs()
    process = start(*words, cwd=tmp_path)
    with killed_at_the_end(process):
        wait_for(lambda: epochs() > before, process)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert f"resumed after epoch {before} of 4000" in said  # the run's own words
    assert "stopped: 0 of 1 runs are done; the same command goes on" in said
    assert before < epochs() < 4000


def test_a_run_whose_process_dies_is_told_in_one_sentence(tmp_path, monkeypatch, runs):
    monkeypatch.undo()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    job = {"run_dir": "x/bp-0", "stream": None}
    [(_, outcome)] = comparison.run_jobs(comparison.RUN_JOB, iter([job]), threading.Event())
    assert outcome == {
        "error": "the training process of x/bp-0 failed; the same command goes on."
    }


# -- curves ----------------------------------------------------------------------------------------


def with_angles(copy, angles):
    """Return the results in a folder, their logs with columns of angles."""
    results = [Result.of(path) for path in sorted(copy.glob("*-?"))]
    for result in results:
        result.history = [{**result.history[0], **one} for one in angles]
    return results


def test_angles_get_a_panel_where_they_were_measured(copy, tmp_path):
    def width(results):
        draw_comparison(results, tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as picture:
            return picture.size[0]

    without = width(with_angles(copy, [{}]))
    measured = [{"angle_bp_1": 80.0, "angle_bp_2": 40.0}, {"angle_bp_1": None, "angle_bp_2": None}]
    assert width(with_angles(copy, measured)) > 1.3 * without
    assert width(with_angles(copy, [{"angle_bp_1": None}, {"angle_bp_1": None}])) == without
    assert width(with_angles(copy, [{"angle_bp_3": 0.0}])) == without  # the output layer's


def test_empty_cells_of_a_log_were_not_measured(copy):
    log = copy / "bp-0" / "log.csv"
    log.write_text("epoch,loss,val_accuracy,angle_bp_1,seconds\n1,2.0,0.5,,3.0\n")
    assert Result.of(copy / "bp-0").history[0]["angle_bp_1"] is None


def test_runs_of_different_lengths_are_drawn_and_summarized(copy, tmp_path):
    results = with_angles(copy, [{}, {}])
    results[0].history = results[0].history[:1]
    draw_comparison(results, tmp_path / "a.png")
    assert [one["seeds"] for one in summarize(results)] == [2, 2]


def test_no_two_rules_have_the_same_colour():
    def result(rule):
        recipe = types.SimpleNamespace(rule=rule)
        return types.SimpleNamespace(recipe=recipe, diverged=False, history=[{"epoch": 1}])

    every = ["a.py:Rule", *RULES, "b.py:Rule", "c.py:Rule"]
    colors = {rule: look["color"] for rule, look in Drawn(map(result, every)).looks.items()}
    assert len(set(colors.values())) == len(every)
    # A rule looks the same whatever is compared with it.
    assert Drawn([result("fa")]).looks["fa"]["color"] == colors["fa"]
