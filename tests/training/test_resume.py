"""Runs that are killed and continued: nothing is lost, repeated or changed."""

import contextlib
import json
import os
import random
import shutil
import signal
import time

import keras
import pytest
from helpers import (
    DETERMINISTIC,
    TINY,
    At,
    StopAfter,
    arrays,
    assert_same_arrays,
    deterministic_history,
    deterministic_run,
    digits,
    flags,
    full_disk,
    hidden_files,
    invoke,
    killed_at_the_end,
    log_rows,
    refusal,
    start,
    succeeded,
    train,
    trained,
    wait_for,
    without_times,
)

import dtp_tf
from dtp_tf.errors import SettingError, UserError
from dtp_tf.files import read_json, write_json
from dtp_tf.runs.models import load_model, save_model


class StateAtTheStart(keras.callbacks.Callback):
    """Saves the network as it is before the first step."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_train_begin(self, logs=None):
        self.model.save(self.path)


def last_epoch(run):
    """Return the number of epochs in a run's last checkpoint, 0 without one."""
    if not (run / "last.keras").exists():
        return 0
    return len(load_model(run / "last.keras").about["history"])


def kill(run, moment, *words):
    """Start a training, kill it with SIGKILL, and return the epochs that were saved.

    `moment` is the number of epochs in log.csv to wait for, and seconds after that; or None: the
    moment in which a checkpoint is written.
    """
    process = start("train", *words, "--no-export", cwd=run.parent)
    with killed_at_the_end(process):
        if moment is None:
            wait_for(lambda: any(".last-" in path.name for path in hidden_files(run)), process)
        else:
            epochs, seconds = moment
            wait_for((run / "tensorboard").exists, process)
            wait_for(lambda: len(log_rows(run)) >= epochs, process)
            time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL  # it was still at work
    return last_epoch(run)


def check_log(run, epochs):
    """Check that log.csv has every epoch once, as in the last checkpoint."""
    rows = log_rows(run)
    assert [row["epoch"] for row in rows] == [str(i + 1) for i in range(epochs)]
    history = load_model(run / "last.keras").about["history"]
    for row, logs in zip(rows, history, strict=True):
        assert {name: float(row[name]) for name in logs} == logs


# -- killed at any moment --------------------------------------------------------------------------


@pytest.mark.slow
def test_a_deterministic_run_that_was_killed_ends_bit_identical_to_one_that_was_not(tmp_path):
    chance = random.Random(2015)
    run = tmp_path / "run"
    first = ["digits", *flags(DETERMINISTIC), "--run-dir", run]
    again = ["--resume", run]
    kill(run, (0, chance.uniform(0, 2)), *first)  # while it is traced, or in the first epoch
    saved = [kill(run, (chance.randint(2, 3), chance.uniform(0, 0.2)), *again)]
    saved.append(kill(run, None, *again))
    assert 0 < saved[0] <= saved[1] < DETERMINISTIC["epochs"]
    succeeded(invoke("train", "--resume", run, "--no-export"))

    whole = deterministic_run()
    for name in ("last.keras", "best.keras", "classifier.keras"):
        assert_same_arrays(arrays(run / name), arrays(whole / name))
    check_log(run, DETERMINISTIC["epochs"])
    for ours, theirs in zip(log_rows(run), log_rows(whole), strict=True):
        assert without_times(ours) == without_times(theirs)
    ours, theirs = read_json(run / "metrics.json"), read_json(whole / "metrics.json")
    for name in ("test", "validation", "best_epoch", "epochs", "interrupted"):
        assert ours[name] == theirs[name]
    assert not hidden_files(run)


@pytest.mark.slow
def test_a_run_that_was_killed_continues_from_the_very_state_of_its_checkpoint(tmp_path):
    chance = random.Random(1412)
    run = tmp_path / "run"
    settings = {
        **TINY,
        "batch_size": 16,
        "epochs": 8,
        "schedule": "alternating",
        "optimizer": "rmsprop-graves",
        "learning_rate": 0.003,
        "inverse_optimizer": "rmsprop-graves",
    }
    done = kill(
        run, (1, chance.uniform(0, 0.4)), "digits", *flags(settings), "--run-dir", run
    )
    assert 1 <= done < settings["epochs"]
    done_again = kill(run, (done + 1, chance.uniform(0, 0.4)), "--resume", run)
    assert done < done_again < settings["epochs"]

    checkpoint = arrays(run / "last.keras")
    for optimizer in ("optimizer", "inverse_optimizer"):
        assert checkpoint[f"{optimizer}/vars/0"] == done_again * (1150 // 16)  # its updates
    before = log_rows(run)
    _, history = train(
        None, resume=run, callbacks=[StateAtTheStart(tmp_path / "state.keras")]
    )
    assert_same_arrays(arrays(tmp_path / "state.keras"), checkpoint)
    check_log(run, settings["epochs"])
    assert log_rows(run)[: len(before)] == before
    assert history.metrics["epochs"] == settings["epochs"]
    assert int(load_model(run / "last.keras").model.step) == 2 * 8 * (1150 // 16)


def test_two_deterministic_runs_of_one_seed_are_bit_identical():
    _, history = deterministic_history()
    for name in ("last.keras", "best.keras", "classifier.keras"):
        assert_same_arrays(arrays(history.run_dir / name), arrays(deterministic_run() / name))
    assert log_rows(history.run_dir)[0]["seconds"] != log_rows(deterministic_run())[0]["seconds"]


# Rules without inverses, with maps in their place, and with an optimizer of each inverse.
RULES = {
    "bp": {},
    "ddtp_linear": {"noise_decay_epochs": 2.0},
    "drl": {
        "inverse_learning_rate": (0.01, 0.02), "inverse_learning_rate_schedule": "cosine",
        "inverse_steps": (2, 1), "noise": (0.1, 0.2), "noise_decay_epochs": 2.0,
    },
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_a_deterministic_run_of_every_kind_of_rule_is_resumed_bit_by_bit(tmp_path, rule):
    settings = {"rule": rule, "epochs": 3, "deterministic": True, **RULES[rule]}
    _, whole = train(tmp_path / "whole", **settings)
    train(tmp_path / "run", callbacks=[StopAfter(1)], **settings)
    _, resumed = train(None, resume=tmp_path / "run")
    for name in ("last.keras", "best.keras"):
        assert_same_arrays(arrays(tmp_path / "run" / name), arrays(tmp_path / "whole" / name))
    for ours, theirs in zip(
        log_rows(tmp_path / "run"), log_rows(tmp_path / "whole"), strict=True
    ):
        assert without_times(ours) == without_times(theirs)
    assert resumed.metrics["test"] == whole.metrics["test"]


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


def test_a_log_that_was_cut_is_made_whole(stopped, mended):
    assert log_rows(mended)[:2] == log_rows(stopped)
    check_log(mended, 3)


def test_what_a_kill_left_half_written_is_removed(mended):
    assert not hidden_files(mended)


def test_tensorboard_has_no_gaps_or_repeats_after_a_resume(mended):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(mended / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Tensors("loss")] == [1, 2, 3]


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


def test_a_finished_run_is_reported_again_without_more_training(tmp_path):
    run = shutil.copytree(trained()[0], tmp_path / "run")
    before = arrays(run / "last.keras")
    metrics = read_json(run / "metrics.json")
    os.remove(run / "metrics.json")
    os.remove(run / "curves.png")
    text = succeeded(invoke("train", "--resume", run, "--no-export"))
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


def test_other_data_are_refused_and_change_nothing(copy, monkeypatch):
    data = digits()
    fewer = data.train.take(list(range(100)))
    monkeypatch.setattr(
        "dtp_tf.training.train.load_data",
        lambda recipe, data_dir: type(data)(
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


def test_a_resumed_run_with_nothing_to_resume_to_starts_from_the_beginning(tmp_path):
    recipe = dtp_tf.recipe("digits", **{**TINY, "epochs": 1})
    (tmp_path / "run").mkdir()
    write_json(tmp_path / "run" / "config.json", recipe.to_dict())
    _, found = train(None, resume=tmp_path / "run")
    assert found.metrics["epochs"] == 1
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == found.metrics


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
