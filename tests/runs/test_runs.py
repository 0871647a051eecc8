"""The folder of a run: how it is made, opened, and put right after a kill."""

import datetime
import filecmp
import json
import os
import shutil

import pytest
from helpers import hidden_files, log_rows, trained

import dtp_tf
from dtp_tf.errors import UserError
from dtp_tf.files import read_json, write_json
from dtp_tf.runs import folder as runs
from dtp_tf.runs.folder import Run, best_epoch
from dtp_tf.runs.models import load_model, save_model
from dtp_tf.sharing.opening import open_model

RECIPE = dtp_tf.recipe("digits", units=(3, 4), epochs=2)


@pytest.fixture
def stopped_clock(monkeypatch):
    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2031, 5, 6, 7, 8, 9)

    monkeypatch.setattr(runs.datetime, "datetime", Clock)


@pytest.fixture
def run(tmp_path):
    """A copy of the shared run."""
    return Run(shutil.copytree(trained()[0], tmp_path / "run"))


# create


def test_a_run_is_named_by_time_and_recipe(tmp_path, stopped_clock):
    made = Run.create(RECIPE, parent=tmp_path / "runs")
    assert made.path == tmp_path / "runs" / "20310506-070809-digits"
    assert made.path.is_dir()


def test_runs_of_one_second_get_names_of_their_own(tmp_path, stopped_clock):
    names = [Run.create(RECIPE, parent=tmp_path).path.name for _ in range(3)]
    first = "20310506-070809-digits"
    assert names == [first, f"{first}-2", f"{first}-3"]


def test_a_run_folder_is_exactly_the_one_given(tmp_path):
    assert Run.create(RECIPE, tmp_path / "a" / "b").path == tmp_path / "a" / "b"


def test_an_empty_folder_may_become_a_run(tmp_path):
    assert Run.create(RECIPE, tmp_path).config.exists()


def test_a_new_run_holds_its_resolved_recipe(tmp_path):
    made = Run.create(RECIPE, tmp_path / "run")
    assert read_json(made.config) == RECIPE.to_dict()
    assert made.recipe() == RECIPE
    assert os.listdir(made.path) == ["config.json"]


def test_a_folder_that_holds_a_run_is_not_taken_for_another(tmp_path):
    made = Run.create(RECIPE, tmp_path / "run")
    with pytest.raises(UserError) as caught:
        Run.create(RECIPE.replace(epochs=9), made.path)
    assert f"already holds a run; continue it with --resume {made.path}" in str(caught.value)
    assert made.recipe() == RECIPE


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("Dear reader")
    with pytest.raises(UserError, match="is not empty; choose another --run-dir"):
        Run.create(RECIPE, tmp_path)
    assert os.listdir(tmp_path) == ["letter.txt"]


@pytest.mark.parametrize("where", [{"path": "file/run"}, {"parent": "file/runs"}])
def test_a_folder_that_cannot_be_made_is_said_in_one_sentence(tmp_path, where):
    (tmp_path / "file").touch()
    where = {name: tmp_path / path for name, path in where.items()}
    with pytest.raises(UserError, match="cannot write .*: Not a directory"):
        Run.create(RECIPE, **where)


def test_a_file_where_the_run_should_be_is_left_alone(tmp_path):
    (tmp_path / "run").write_text("a letter")
    with pytest.raises(UserError, match="cannot write .*run: File exists"):
        Run.create(RECIPE, tmp_path / "run")
    assert (tmp_path / "run").read_text() == "a letter"


# open


def test_an_open_run_has_the_recipe_that_it_was_started_with(tmp_path):
    made = Run.create(RECIPE, tmp_path / "run")
    assert Run.open(str(made.path)).recipe() == RECIPE


def test_a_missing_folder_is_no_run(tmp_path):
    with pytest.raises(UserError, match="is no run folder: it has no config.json"):
        Run.open(tmp_path / "missing")


def test_a_folder_of_other_things_is_no_run(tmp_path):
    with pytest.raises(UserError, match="is no run folder"):
        Run.open(tmp_path)


def test_a_damaged_config_is_said_in_one_sentence(tmp_path):
    made = Run.create(RECIPE, tmp_path / "run")
    made.config.write_text("{")
    with pytest.raises(UserError, match="config.json is damaged"):
        Run.open(made.path).recipe()


@pytest.mark.parametrize("change", [{"momentum": 0.9}, {"epochs": 0}])
def test_a_config_that_does_not_fit_names_the_setting(tmp_path, change):
    made = Run.create(RECIPE, tmp_path / "run")
    write_json(made.config, {**RECIPE.to_dict(), **change})
    with pytest.raises(UserError) as caught:
        made.recipe()
    assert "config.json does not fit this version" in str(caught.value)
    assert next(iter(change)) in str(caught.value)


def test_a_run_without_an_epoch_has_no_model_and_no_checkpoint(tmp_path):
    made = Run.create(RECIPE, tmp_path / "run")
    assert made.load_checkpoint() is None
    with pytest.raises(UserError, match="no trained network yet: no epoch was finished"):
        open_model(made.path)


@pytest.mark.slow
def test_a_run_is_opened_by_its_best_network(run):
    chosen, best = open_model(run.path), load_model(run.best)
    assert chosen.about == best.about
    assert int(chosen.model.step) == int(best.model.step)


@pytest.mark.slow
def test_a_file_is_opened_as_it_is(run):
    assert open_model(run.last).about == load_model(run.last).about


# checkpoints


def history(*accuracies, losses=()):
    losses = losses or [1.5] * len(accuracies)
    return [
        {"loss": 1.5, "val_accuracy": accuracy, "val_loss": loss}
        for accuracy, loss in zip(accuracies, losses, strict=True)
    ]


def test_the_best_epoch_has_the_highest_validation_accuracy():
    assert best_epoch(history(0.1)) == 1
    assert best_epoch(history(0.1, 0.3, 0.2, losses=[1.0, 3.0, 2.0])) == 2


def test_among_epochs_of_the_same_accuracy_the_best_has_the_lowest_validation_loss():
    assert best_epoch(history(0.3, 0.3, 0.3, losses=[3.0, 1.0, 2.0])) == 2
    assert best_epoch(history(0.1, 0.3, 0.3)) == 2  # the first of equals


@pytest.mark.slow
def test_the_best_network_changes_only_when_it_is_told(run):
    saved = load_model(run.last)
    before = run.best.read_bytes()
    run.save_checkpoint(saved.model, {**saved.about, "history": history(0.5, 0.4)}, False)
    assert run.best.read_bytes() == before
    assert load_model(run.last).about["history"] == history(0.5, 0.4)
    run.save_checkpoint(saved.model, {**saved.about, "history": history(0.5, 0.6)}, True)
    assert filecmp.cmp(run.best, run.last, shallow=False)
    assert not hidden_files(run.path)


@pytest.mark.slow
def test_a_later_checkpoint_does_not_change_the_best_network_by_its_back(run):
    saved = load_model(run.last)
    run.save_checkpoint(saved.model, {**saved.about, "history": history(0.5)}, True)
    run.save_checkpoint(saved.model, {**saved.about, "history": history(0.5, 0.4)}, False)
    assert load_model(run.best).about["history"] == history(0.5)


def test_a_file_system_without_links_gets_a_copy(run, monkeypatch):
    def refuse(*paths):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(runs.os, "link", refuse)
    saved = load_model(run.last)
    run.save_checkpoint(saved.model, {**saved.about, "history": history(0.7)}, True)
    assert filecmp.cmp(run.best, run.last, shallow=False)
    assert not hidden_files(run.path)


@pytest.mark.slow
def test_a_run_killed_between_its_last_and_its_best_checkpoint_is_put_right(run):
    saved = load_model(run.last)
    save_model(saved.model, run.last, {**saved.about, "history": history(0.5, 0.6)})
    assert load_model(run.best).about["history"] != history(0.5, 0.6)
    assert run.load_checkpoint().about["history"] == history(0.5, 0.6)
    assert load_model(run.best).about["history"] == history(0.5, 0.6)


@pytest.mark.slow
def test_a_last_epoch_that_was_not_the_best_does_not_become_it(run):
    saved = load_model(run.last)
    before = run.best.read_bytes()
    save_model(saved.model, run.last, {**saved.about, "history": history(0.5, 0.4)})
    run.load_checkpoint()
    assert run.best.read_bytes() == before


def test_a_model_that_is_no_checkpoint_cannot_be_continued(run):
    shutil.copy(run.classifier, run.last)
    with pytest.raises(UserError, match="last.keras is no checkpoint of a training run"):
        run.load_checkpoint()


# log.csv


def test_the_log_has_a_row_for_each_epoch(tmp_path):
    made = Run.create(RECIPE, tmp_path / "run")
    made.write_log([{"loss": 1.5, "val_accuracy": accuracy} for accuracy in (0.25, 0.5, 0.75)])
    text = made.log.read_text()
    assert text == "epoch,loss,val_accuracy\n1,1.5,0.25\n2,1.5,0.5\n3,1.5,0.75\n"


def test_what_is_measured_in_some_epochs_only_leaves_empty_places_in_the_log(tmp_path):
    made = Run.create(RECIPE, tmp_path / "run")
    made.write_log([{"loss": 1.5}, {"loss": 1.25, "angle_bp_1": 30.0}])
    assert made.log.read_text() == "epoch,loss,angle_bp_1\n1,1.5,\n2,1.25,30.0\n"


@pytest.mark.parametrize("left", ["", "epoch,loss", "epoch,loss\n1,1.5\n3,0.2\n3,0.2\n7,"])
def test_the_log_is_written_again_from_the_checkpoint_without_gaps_or_repeats(run, left):
    rows = log_rows(run.path)
    run.log.write_text(left)
    run.write_log(run.load_checkpoint().about["history"])
    assert log_rows(run.path) == rows
    assert [row["epoch"] for row in rows] == ["1", "2"]


def test_the_log_has_every_digit_of_the_numbers(run):
    logs = run.load_checkpoint().about["history"]
    run.write_log(logs)
    for row, expected in zip(log_rows(run.path), logs, strict=True):
        assert {name: float(row[name]) for name in expected} == expected
    json.dumps(logs, allow_nan=False)
