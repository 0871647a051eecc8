"""A resumed run finds all that it needs, repeats nothing, and refuses to be changed."""

import contextlib
import json
import os
import shutil

import keras
import pytest
from helpers import (
    TINY,
    At,
    StopAfter,
    arrays,
    assert_same_arrays,
    digits,
    flags,
    full_disk,
    hidden_files,
    invoke,
    log_rows,
    refusal,
    succeeded,
    train,
    trained,
)
from resume_support import check_log

import dtp_tf
from dtp_tf.errors import SettingError, UserError
from dtp_tf.files import read_json, write_json
from dtp_tf.runs.models import load_model, save_model

# -- what a resumed run finds ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run of four epochs that was stopped after the second."""
    run = tmp_path_factory.mktemp("stopped") / "run"
    train(run, epochs=4, callbacks=[StopAfter(2)])
    return run


@pytest.fixture
def copy(stopped, tmp_path):
    """A copy of that run."""
    return shutil.copytree(stopped, tmp_path / "run")


def files(folder):
    return {p: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.slow
def test_the_best_so_far_is_remembered(copy):
    """A best checkpoint from before the stop stays the best if nothing better comes."""
    last = load_model(copy / "last.keras")
    history = [{**logs, "val_accuracy": 0.99 - i / 10} for i, logs in
               enumerate(last.about["history"])]  # fmt: skip
    save_model(last.model, copy / "last.keras", {**last.about, "history": history})
    before = (copy / "best.keras").read_bytes()
    _, found = train(None, resume=copy, callbacks=[StopAfter(3)])
    assert found.metrics["best_epoch"] == 1
    assert found.metrics["epochs"] == 3
    assert (copy / "best.keras").read_bytes() == before


@pytest.mark.slow
def test_early_stopping_counts_the_epochs_before_the_stop(copy):
    config = {**read_json(copy / "config.json"), "early_stopping": 1}
    write_json(copy / "config.json", config)
    last = load_model(copy / "last.keras")
    history = [
        {**logs, "val_accuracy": 1 - i / 10, "val_loss": 0.0}  # the first cannot be bettered
        for i, logs in enumerate(last.about["history"])
    ]
    save_model(last.model, copy / "last.keras", {**last.about, "history": history})
    before = arrays(copy / "last.keras")
    _, found = train(None, resume=copy)
    assert found.metrics["epochs"] == 2
    assert_same_arrays(arrays(copy / "last.keras"), before)


@pytest.fixture(scope="module")
def mended(stopped, tmp_path_factory):
    """A copy of that run with the traces of a kill, continued by one epoch."""
    run = shutil.copytree(stopped, tmp_path_factory.mktemp("mended") / "run")
    (run / "log.csv").write_text("epoch,loss\n1,0.")
    for name in (".last-0123abcd.keras", ".log-0123abcd.csv"):
        (run / name).write_text("half")
    train(None, resume=run, callbacks=[StopAfter(3)])
    return run


@pytest.mark.slow
def test_a_log_that_was_cut_is_made_whole(stopped, mended):
    assert log_rows(mended)[:2] == log_rows(stopped)
    check_log(mended, 3)


@pytest.mark.slow
def test_what_a_kill_left_half_written_is_removed(mended):
    assert not hidden_files(mended)


@pytest.mark.slow
def test_tensorboard_has_no_gaps_or_repeats_after_a_resume(mended):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(mended / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Tensors("loss")] == [1, 2, 3]


@pytest.mark.slow
def test_the_settings_of_the_run_may_be_repeated(mended, tmp_path):
    run = shutil.copytree(mended, tmp_path / "run")
    result = invoke(
        "train", "digits", "--resume", run, "--config", run / "config.json",
        *flags({**TINY, "epochs": 4}), "--no-export",
    )
    text = succeeded(result)
    assert "resumed after epoch 3 of 4" in text
    assert "epoch 4/4  loss" in text
    assert "epoch 3/4" not in text


@pytest.mark.slow
def test_a_finished_run_is_reported_again_without_more_training(tmp_path):
    run = shutil.copytree(trained()[0], tmp_path / "run")
    before = arrays(run / "last.keras")
    metrics = read_json(run / "metrics.json")
    os.remove(run / "metrics.json")
    os.remove(run / "curves.png")
    text = succeeded(invoke("train", "--resume", run, "--no-export", pictures=True))
    assert "resumed after epoch 2 of 2" in text
    assert "images/s" not in text
    assert read_json(run / "metrics.json") == metrics
    assert (run / "curves.png").exists()
    assert_same_arrays(arrays(run / "last.keras"), before)
    check_log(run, 2)


# -- refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        ("--epochs", "5"),
        ("--units", "16,13"),
        ("--seed", "1"),
        ("--deterministic",),
        ("--dataset", "mnist"),
        ("--target-step", "0.2"),
        ("--noise", "0.1,0.2"),
        ("--rule", "bp"),
        ("--rule", "drl"),
    ],
    ids=lambda change: change[0],
)
def test_a_changed_setting_is_refused_by_name_and_changes_nothing(stopped, change):
    before = files(stopped)
    text = refusal(invoke("train", "--resume", stopped, *change), 2)
    assert f"`{change[0][2:].replace('-', '_')}` is " in text
    assert files(stopped) == before


def test_another_recipe_is_refused_by_name(stopped):
    assert "`recipe` is digits in the run, got mnist" in refusal(
        invoke("train", "mnist", "--resume", stopped), 2
    )


def test_a_config_file_with_another_value_is_refused_by_name(stopped, tmp_path):
    write_json(tmp_path / "config.json", {**read_json(stopped / "config.json"), "noise": 0.5})
    text = refusal(
        invoke("train", "--resume", stopped, "--config", tmp_path / "config.json"), 2
    )
    assert "`noise` is " in text


def test_a_changed_setting_is_refused_from_python_too(stopped):
    with pytest.raises(SettingError, match="`epochs` is 4 in the run, got 5"):
        dtp_tf.train(resume=stopped, epochs=5)
    with pytest.raises(SettingError, match="`recipe` is digits in the run, got mnist"):
        dtp_tf.train("mnist", resume=stopped)
    recipe = dtp_tf.recipe("digits", **{**TINY, "epochs": 4, "batch_size": 7})
    with pytest.raises(SettingError, match="`batch_size` is 64 in the run, got 7"):
        dtp_tf.train(recipe, resume=stopped)


def test_a_run_folder_and_a_run_to_resume_exclude_each_other(stopped, tmp_path):
    text = refusal(invoke("train", "--resume", stopped, "--run-dir", tmp_path / "other"), 2)
    assert "--run-dir and --resume exclude each other" in text
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_other_data_are_refused_and_change_nothing(copy, monkeypatch):
    data = digits()
    fewer = data.train.take(list(range(100)))
    monkeypatch.setattr(
        "dtp_tf.training.train.load_data",
        lambda recipe, data_dir, download, in_memory: type(data)(
            data.name, fewer, data.validation, data.test, data.class_names, data.test_origin
        ),
    )
    before = files(copy)
    text = refusal(invoke("train", "--resume", copy), 1)
    assert "the data differ from the run's: training_images was 1150, is 100" in text
    assert files(copy) == before


@pytest.mark.parametrize("share", [0, 0.5])
def test_a_damaged_checkpoint_is_said_in_one_sentence_and_left_as_it_is(copy, share):
    path = copy / "last.keras"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    before = files(copy)
    text = refusal(invoke("train", "--resume", copy), 1)
    assert f"model {path} is damaged or no Keras model" in text
    assert files(copy) == before


def test_a_checkpoint_of_another_make_is_refused(copy):
    shutil.copy(copy / "classifier.keras", copy / "last.keras")
    text = refusal(invoke("train", "--resume", copy), 1)
    assert "last.keras is no checkpoint of a training run" in text


def test_a_folder_that_is_no_run_cannot_be_resumed(tmp_path):
    text = refusal(invoke("train", "--resume", tmp_path / "missing"), 1)
    assert "is no run folder: it has no config.json" in text
    assert not list(tmp_path.iterdir())


def test_a_damaged_config_is_said_in_one_sentence(copy):
    (copy / "config.json").write_text('{"recipe": ')
    assert "config.json is damaged" in refusal(invoke("train", "--resume", copy), 1)


class FullDiskAtTheStart(keras.callbacks.Callback):
    """Fills the disk before the training begins."""

    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    def set_model(self, model):
        self.limit.enter_context(full_disk(400))


@pytest.mark.slow
@pytest.mark.parametrize("what", ["tensorboard", "last.keras"])
def test_a_disk_that_becomes_full_loses_no_checkpoint(copy, what):
    checkpoints = {name: (copy / name).read_bytes() for name in ("last.keras", "best.keras")}
    with contextlib.ExitStack() as limit:
        if what == "tensorboard":
            fill = FullDiskAtTheStart(limit)
        else:
            fill = At(2, 0, lambda network: limit.enter_context(full_disk(400)))
        with pytest.raises(UserError) as caught:
            train(None, resume=copy, callbacks=[fill])
    text = str(caught.value)
    assert text.startswith(f"cannot write {copy / what}: File too large; free some space")
    assert "\n" not in text
    assert {name: (copy / name).read_bytes() for name in checkpoints} == checkpoints
    check_log(copy, 2)
    assert not hidden_files(copy)


@pytest.mark.slow
def test_a_resumed_run_with_nothing_to_resume_to_starts_from_the_beginning(tmp_path):
    recipe = dtp_tf.recipe("digits", **{**TINY, "epochs": 1})
    (tmp_path / "run").mkdir()
    write_json(tmp_path / "run" / "config.json", recipe.to_dict())
    _, found = train(None, resume=tmp_path / "run")
    assert found.metrics["epochs"] == 1
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == found.metrics


@pytest.mark.slow
def test_a_run_without_the_best_checkpoint_says_so(copy):
    last = load_model(copy / "last.keras")
    history = [
        {**logs, "val_accuracy": 1 - i / 10, "val_loss": 0.0}  # the first cannot be bettered
        for i, logs in enumerate(last.about["history"])
    ]
    save_model(last.model, copy / "last.keras", {**last.about, "history": history})
    os.remove(copy / "best.keras")
    with pytest.raises(UserError, match="best.keras does not exist"):
        train(None, resume=copy, callbacks=[StopAfter(3)])
