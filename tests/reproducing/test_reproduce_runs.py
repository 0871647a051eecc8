"""A reproduction trains what is missing, and its table says what the runs say."""

import csv
import json
import re
import shutil
import signal

import psutil
import pytest
from helpers import (
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
from reproduce_support import fixture_runs, write_table  # noqa: F401

import dtp_tf
from dtp_tf.comparing import comparison
from dtp_tf.comparing.results import Result
from dtp_tf.comparing.run_job import run_job
from dtp_tf.console.tables import make_console
from dtp_tf.errors import UserError
from dtp_tf.files import read_json, write_json
from dtp_tf.reproducing.picture import draw_reproduction
from dtp_tf.reproducing.report import read_report
from dtp_tf.schema import DamagedError

pytestmark = pytest.mark.slow  # they share four trained runs

QUIET = make_console(quiet=True)
ROWS = ["dtp", "bp", "codes", "classifier"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(table, folder, standard output) of a reproduction with a seed. Tests copy it."""
    home = tmp_path_factory.mktemp("reproduced")
    table = write_table(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "run_jobs", jobs_by(lambda job, stop: run_job(job)))
        said = succeeded(invoke("reproduce", table, "--out", home / "out", "--json"))
    return table, home / "out", said


@pytest.fixture
def table(finished):
    return finished[0]


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the finished folder: elsewhere, which a row that begins with another must bear."""
    return shutil.copytree(finished[1], tmp_path / "out")


def rows(content):
    return {row["row"]: row for row in content["rows"]}


# -- the table -------------------------------------------------------------------------------------


def test_the_json_is_alone_on_stdout_and_is_the_file(finished):
    _, folder, said = finished
    content = json.loads(said)
    assert content == read_report(folder / "reproduction.json")
    assert content["complete"] is True
    assert [run["folder"] for run in content["runs"]] == [f"{row}-0" for row in ROWS]


def test_published_stands_beside_measured(finished):
    _, folder, said = finished
    found = rows(json.loads(said))
    assert list(found) == ["dtp", "dtp-ours", "bp", "codes", "classifier"]
    accuracy = read_json(folder / "bp-0/metrics.json")["test"]["accuracy"]
    bp = found["bp"]
    assert (bp["measure"], bp["published"], bp["verdict"]) == ("accuracy", 99.0, "worse")
    assert bp["measured"] == pytest.approx(100 * accuracy)
    assert bp["standard_error"] == pytest.approx(100 * (accuracy * (1 - accuracy) / 360) ** 0.5)
    dtp = found["dtp"]
    error = 1 - read_json(folder / "dtp-0/metrics.json")["test"]["accuracy"]
    assert (dtp["measured"], dtp["verdict"]) == (pytest.approx(100 * error), "better")
    assert dtp["not_as_published"] == [
        "epochs 2 (published: 100)",
        "chosen_by validation accuracy (published: best test error)",
    ]
    assert found["codes"]["verdict"] is None and found["codes"]["published"] is None
    assert found["dtp-ours"]["measured"] is None and found["dtp-ours"]["published"] == 99.0
    assert found["dtp-ours"]["not_as_published"][0] == "batch_size 64 (published: 128)"


def test_the_csv_has_a_line_per_row_with_points_in_its_numbers(finished):
    _, folder, said = finished
    with open(folder / "reproduction.csv", newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    for line, row in zip(found, json.loads(said)["rows"], strict=True):
        assert line["row"] == row["row"]
        assert line["measured"] == ("" if row["measured"] is None else repr(row["measured"]))
        assert line["not_as_published"] == "; ".join(row["not_as_published"])


def test_the_runs_have_a_line_each_with_what_a_preset_is_chosen_by(finished):
    _, folder, said = finished
    with open(folder / "runs.csv", newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    for line, run in zip(found, json.loads(said)["runs"], strict=True):
        assert (line["row"], line["recipe"], line["seed"]) == (run["row"], "digits", "0")
        assert float(line["validation_accuracy"]) == run["validation_accuracy"]


def test_a_row_begins_with_the_weights_of_anothers_run(finished):
    _, folder, _ = finished
    config = read_json(folder / "classifier-0/config.json")
    assert config["init"] == str(folder / "codes-0")
    assert read_json(folder / "codes-0/config.json")["init"] is None


def test_the_picture_is_light_and_grows_with_its_rows(copy, tmp_path):
    content = read_report(copy / "reproduction.json")
    with Image.open(copy / "reproduction.png") as picture:
        assert picture.convert("RGB").getpixel((3, 3)) == (255, 255, 255)
        height = picture.size[1]
    more = {**content, "rows": content["rows"] * 2}
    draw_reproduction(more, tmp_path / "more.png")
    with Image.open(tmp_path / "more.png") as picture:
        assert picture.size[1] > height
    nothing = [{**row, "published": None, "measured": None} for row in content["rows"]]
    draw_reproduction({**content, "rows": nothing}, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_a_damaged_table_is_refused_when_it_is_read_back(copy):
    path = copy / "reproduction.json"
    content = read_json(path)
    content["rows"][0]["verdict"] = "good"
    write_json(path, content)
    with pytest.raises(DamagedError, match=r"rows\[0\].verdict must be one of better, level"):
        read_report(path)


# -- what is trained -------------------------------------------------------------------------------


def test_finished_runs_are_not_repeated_and_other_rows_and_seeds_join(table, copy, runs):
    dtp_tf.reproduce(table, out=copy, console=QUIET)
    assert runs == []
    content = dtp_tf.reproduce(table, "bp,dtp-ours", 2, out=copy, console=QUIET)
    assert runs == ["dtp-ours-0", "dtp-ours-1", "bp-1"]
    found = rows(content)
    assert found["bp"]["seeds"] == [0, 1] and found["dtp"]["seeds"] == [0]
    assert found["bp"]["deviation"] is not None and found["dtp"]["deviation"] is None
    assert found["classifier"]["measured"] is not None  # from the folder


def test_a_dry_run_trains_and_writes_nothing_and_says_what_it_would(table, copy, runs):
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*")}
    words = "reproduce", table, "--rows", "bp", "--seeds", 2, "--out", copy, "--dry-run"
    said = succeeded(invoke(*words))
    assert "bp: digits, rule bp: 1 of 2 run(s) to train, 2 epochs each, about" in said
    assert "1 of 2 runs are done; the same command without --dry-run trains the others" in said
    said = succeeded(invoke(*words[:2], "--out", copy.with_name("none"), "--dry-run"))
    assert "bp: digits, rule bp: 1 of 1 run(s) to train, 2 epochs each, time not known" in said
    assert runs == [] and not copy.with_name("none").exists()
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*")} == before


def test_changed_settings_are_refused_by_name(table, copy, tmp_path, runs):
    settings = {"units": [12], "epochs": 2, "batch_size": 128, "learning_rate": 0.5}
    other = write_table(tmp_path, bp={"settings": settings})
    said = refusal(invoke("reproduce", other, "--rows", "bp", "--out", copy), 1)
    assert "bp-0 was made with `learning_rate` 0.004, asked for is 0.5; choose another" in said
    said = succeeded(invoke("reproduce", other, "--rows", "dtp", "--out", copy))
    assert "left out   " in said and "its `learning_rate` is 0.004, the row's is 0.5" in said
    assert runs == []
    said = refusal(invoke("reproduce", table, "--quick", "--rows", "bp", "--out", copy), 1)
    assert "was made with `epochs` 2, asked for is 1" in said


def test_a_quick_table_says_so_in_every_line(table, tmp_path, runs, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = succeeded(invoke("reproduce", table, "--quick", "--rows", "bp"))
    assert runs == ["bp-0"] and (tmp_path / "reproductions/tiny-quick/bp-0").is_dir()
    content = read_report(tmp_path / "reproductions/tiny-quick/reproduction.json")
    assert all(row["quick"] for row in content["rows"])
    for row in content["rows"]:
        assert f"{row['row']} (quick)" in said
    assert "epochs 1 (published: 2)" in rows(content)["bp"]["not_as_published"]
    text = (tmp_path / "reproductions/tiny-quick/reproduction.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith(("| `", "- `"))]
    assert all("(quick)`" in line for line in lines)
    for row in content["rows"]:
        assert text.count(f"| `{row['row']} (quick)` |") == 1


def test_what_is_not_as_published_stands_below_the_table_for_each_row_that_was_run(copy):
    table, _, said = (copy / "reproduction.md").read_text(encoding="utf-8").partition("\n\n")
    assert "published: " not in table
    assert "- `dtp`: not as published: epochs 2 (published: 100)" in said
    assert "`dtp-ours`" in table and "`dtp-ours`" not in said


def test_a_row_of_which_nothing_is_published_is_measured_as_the_table_says(copy):
    found = rows(read_report(copy / "reproduction.json"))
    metrics = {row: read_json(copy / f"{row}-0/metrics.json") for row in ("codes", "dtp")}
    accuracy = {row: 100 * one["test"]["accuracy"] for row, one in metrics.items()}
    assert found["codes"]["measured"] == pytest.approx(accuracy["codes"])
    assert found["dtp"]["measured"] == pytest.approx(100 - accuracy["dtp"])


# -- what does not end well ------------------------------------------------------------------------


def test_runs_that_diverged_or_are_unfinished_are_named_and_part_of_no_figure(table, copy, runs):
    shutil.rmtree(copy / "classifier-0")
    (copy / "codes-0/metrics.json").unlink()
    write_json(Result.marker(copy / "codes-0"), {"message": "its loss is nan."})
    (copy / "bp-0/metrics.json").unlink()
    said = succeeded(
        invoke("reproduce", table, "--rows", "classifier", "--seeds", 1, "--out", copy)
    )
    assert runs == []
    assert f"waits      {copy}/classifier-0: {copy}/codes-0 is not finished" in said
    assert "codes: diverged: codes-0" in said
    assert "bp: unfinished: bp-0 after 2 epoch(s)" in said
    found = rows(read_report(copy / "reproduction.json"))
    assert [found[name]["measured"] for name in ("codes", "bp", "classifier")] == [None] * 3
    assert found["classifier"]["not_run"] == ["classifier-0"]


def test_a_row_that_begins_with_another_is_finished_in_a_folder_that_has_moved(table, copy, runs):
    (copy / "classifier-0/metrics.json").unlink()
    content = dtp_tf.reproduce(table, "classifier", out=copy, console=QUIET)
    assert runs == ["classifier-0"] and content["complete"] is True


def test_rows_with_other_splits_are_no_changed_data_but_rows_with_the_same_are(table, copy):
    metrics = read_json(copy / "bp-0/metrics.json")
    metrics["conditions"]["data"]["training_images"] = 1
    write_json(copy / "bp-0/metrics.json", metrics)
    with pytest.raises(UserError, match="bp-0 differ from those of .*dtp-0: training_images"):
        dtp_tf.reproduce(table, out=copy, console=QUIET)
    config = read_json(copy / "bp-0/config.json")
    write_json(copy / "bp-0/config.json", {**config, "validation_fraction": 0.5})
    settings = {"units": [12], "epochs": 2, "batch_size": 128, "validation_fraction": 0.5}
    other = write_table(copy, bp={"settings": settings})
    assert dtp_tf.reproduce(other, out=copy, console=QUIET)["complete"] is True


def test_a_killed_reproduction_goes_on_within_its_epoch(tmp_path):
    settings = {"units": [12], "epochs": 1, "batch_size": 2}
    table = write_table(tmp_path, bp={"settings": settings})
    run = tmp_path / "out" / "bp-0"
    words = "reproduce", table, "--rows", "bp", "--out", tmp_path / "out", "--checkpoint-every", 50

    process = start(*words, cwd=tmp_path)
    with killed_at_the_end(process):
        wait_for((run / "unfinished.keras").exists, process)
        training = psutil.Process(process.pid).children()
        for one in (process, *training):  # nobody has the time to end in order
            one.send_signal(signal.SIGKILL)
        psutil.wait_procs(training)
    assert not (run / "metrics.json").exists() and not log_rows(run)

    process = start(*words, cwd=tmp_path)
    with killed_at_the_end(process):
        said, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert re.search(r"resumed after epoch 0 of 1, in epoch 1 after \d+ of 575 batches", said)
    assert len(log_rows(run)) == 1 and Result.of(run) is not None
