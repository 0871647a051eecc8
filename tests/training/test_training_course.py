"""A training run takes the course of its recipe, and ends well or badly without a loss."""

import json
import math
import os
import signal

import keras
import pytest
from helpers import (
    TINY,
    At,
    StopAfter,
    digits,
    hidden_files,
    invoke,
    killed_at_the_end,
    log_rows,
    refusal,
    start,
    train,
    trained,
    wait_for,
)

import dtp_tf
from dtp_tf.data.sets import load_data
from dtp_tf.errors import DivergedError, SettingError, UserError
from dtp_tf.evaluating.evaluation import evaluate
from dtp_tf.network.network import DTPNetwork
from dtp_tf.processes.stopping import stoppable
from dtp_tf.runs.models import load_model
from dtp_tf.training.building import build_network, build_rule
from dtp_tf.training.resuming import refuse_changes, refuse_other_data

STEPS = 1150 // TINY["batch_size"]  # the digits have 1,150 training images


class Recorder(keras.callbacks.Callback):
    """Counts the calls and keeps the trainable weights from before the training."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def on_train_begin(self, logs=None):
        self.calls.append("train begin")
        self.before = [variable.numpy() for variable in self.model.trainable_variables]

    def on_train_end(self, logs=None):
        self.calls.append("train end")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(f"epoch {epoch} begin")

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(f"epoch {epoch} end")
        self.logs = dict(logs)

    def on_train_batch_begin(self, batch, logs=None):
        self.calls.append(f"batch {batch} begin")

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(f"batch {batch} end")


# -- how it trains ---------------------------------------------------------------------------------


VARIANTS = {
    "parallel": ({"flip": True, "crop": 1, "noise_decay_epochs": 1.0}, 1, 1),
    "alternating": ({"optimizer": "rmsprop-graves", "inverse_optimizer": "rmsprop-graves"}, 2, 1),
    "inverse-first": ({"inverse_steps": 3, "learning_rate_schedule": "constant"}, 1, 3),
}


@pytest.mark.slow
@pytest.mark.parametrize("schedule", VARIANTS)
def test_every_schedule_moves_every_weight_and_drives_callbacks(tmp_path, schedule):
    settings, passes, inverse_steps = VARIANTS[schedule]
    recorder = Recorder()
    _, history = train(
        tmp_path / "run", schedule=schedule, epochs=1, callbacks=[recorder], **settings
    )
    network = load_model(tmp_path / "run" / "last.keras").model

    assert len(recorder.before) == 8  # kernels and biases of f_1, f_2, f_3 and g_2
    for before, after in zip(recorder.before, network.trainable_variables, strict=True):
        assert (before != after.numpy()).mean() > 0.5, after.path

    assert int(network.step) == STEPS * passes
    assert int(network.optimizer.iterations) == STEPS
    assert int(network.inverse_optimizer.iterations) == STEPS * inverse_steps
    rate = float(network.optimizer.learning_rate)
    cosine = settings.get("learning_rate_schedule") != "constant"
    assert rate == pytest.approx(0 if cosine else 0.03, abs=1e-8)

    batches = [
        f"batch {i} {what}" for i in range(STEPS * passes) for what in ("begin", "end")
    ]
    assert recorder.calls == [
        "train begin", "epoch 0 begin", *batches, "epoch 0 end", "train end"
    ]  # fmt: skip
    assert recorder.params["epochs"] == 1
    assert recorder.params["steps"] == STEPS * passes
    assert recorder.logs == {name: values[0] for name, values in history.history.items()}
    for name in ("local_loss_1", "local_loss_2", "inverse_loss_2", "val_reconstruction_error_2"):
        assert history.history[name][0] > 0


@pytest.mark.slow
def test_augmentation_reaches_the_training(tmp_path):
    _, history = train(tmp_path / "run", epochs=2, flip=True, crop=2)
    plain = float(log_rows(trained()[0])[0]["loss"])  # the same but for flip and crop
    assert history.history["loss"][0] > plain + 0.02


@pytest.mark.parametrize("schedule", VARIANTS)
def test_decaying_noise_is_half_after_the_given_epochs_of_every_schedule(schedule):
    recipe = dtp_tf.recipe(
        "digits", schedule=schedule, noise=0.5, noise_decay_epochs=3.0, batch_size=64
    )
    network = build_network(recipe, digits())
    steps_of_an_epoch = STEPS * len(network.rule.passes)
    for epochs, expected in ((0, 0.5), (3, 0.25), (6, 0.5 / 3)):
        assert float(network.rule.noise(steps_of_an_epoch * epochs)) == pytest.approx(expected)


def test_constant_noise_is_the_number_of_the_recipe():
    assert build_rule(dtp_tf.recipe("digits", noise=0.125), steps=10).noise == 0.125


def test_noise_of_each_layer_decays_from_its_own_value():
    recipe = dtp_tf.recipe("digits", noise=(0.5, 0.25), noise_decay_epochs=3.0)
    noise = build_rule(recipe, steps=10).noise
    assert [float(one(0)) for one in noise] == [0.5, 0.25]
    assert [float(one(30)) for one in noise] == pytest.approx([0.25, 0.125])
    assert build_rule(recipe.replace(noise_decay_epochs=None), steps=10).noise == (0.5, 0.25)


@pytest.mark.slow
def test_validation_chooses_and_early_stopping_ends_the_training(tmp_path):
    def spoil(network):
        kernel = network.output_pair.forward_layer.kernel
        kernel.assign(-kernel)

    spoilers = [At(epoch, STEPS - 1, spoil) for epoch in range(1, 9)]
    model, history = train(
        tmp_path / "run", epochs=9, early_stopping=2, batch_size=64, callbacks=spoilers
    )
    accuracies = history.history["val_accuracy"]
    assert accuracies[0] > 0.5 > max(accuracies[1:])
    assert history.metrics["best_epoch"] == 1
    assert history.metrics["epochs"] == len(accuracies) == 3
    assert history.metrics["interrupted"] is False
    best = load_model(tmp_path / "run" / "best.keras")
    assert len(best.about["history"]) == 1
    assert len(load_model(tmp_path / "run" / "last.keras").about["history"]) == 3
    for network in (model, best.model):
        assert int(network.step) == STEPS
        again = evaluate(network, digits().test, digits().class_names)
        assert again["accuracy"] == history.metrics["test"]["accuracy"] > 0.5


@pytest.mark.slow
def test_a_callback_may_stop_the_training(tmp_path):
    recorder = Recorder()
    _, history = train(tmp_path / "run", epochs=9, callbacks=[StopAfter(1), recorder])
    assert history.metrics["epochs"] == 1
    assert history.metrics["interrupted"] is False
    assert recorder.calls[-2:] == ["epoch 0 end", "train end"]


@pytest.mark.slow
def test_data_without_their_test_split_are_trained_on_and_nothing_else(tmp_path):
    recipe = dtp_tf.recipe("digits", **{**TINY, "epochs": 1})
    data = load_data(recipe, test=False)
    network, history = train(tmp_path / "run", data=data, epochs=1)
    assert isinstance(network, DTPNetwork)
    assert history.metrics == {"interrupted": False} and history.export_path is None
    assert len(history.epoch) == len(log_rows(tmp_path / "run")) == 1
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "config.json", "versions.json", "last.keras", "best.keras", "log.csv", "tensorboard"
    }  # fmt: skip


# -- bad ends --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_training_that_diverges_stops_and_keeps_the_best_checkpoint(tmp_path):
    def poison(network):
        kernel = network.pairs[0].forward_layer.kernel
        kernel.assign(kernel * math.nan)

    with pytest.raises(DivergedError) as caught:
        train(tmp_path / "run", epochs=5, callbacks=[At(1, 3, poison)])
    text = str(caught.value)
    assert text.startswith("training diverged in epoch 2: ")
    assert f"the best checkpoint, of epoch 1, is kept in {tmp_path / 'run' / 'best.keras'}" in text
    assert "lower `learning_rate`" in text
    assert len(log_rows(tmp_path / "run")) == 1
    best = load_model(tmp_path / "run" / "best.keras").model
    assert evaluate(best, digits().test, digits().class_names)["accuracy"] > 0.5
    assert not hidden_files(tmp_path)


@pytest.mark.slow
def test_divergence_in_the_first_epoch_says_that_there_is_nothing_to_keep(tmp_path):
    result = invoke(
        "train", "--learning-rate", "1e20", "--units", "8,8", "--run-dir", tmp_path / "run",
        "--export-dir", tmp_path / "exported",
    )
    text = refusal(result, 1)
    assert "training diverged in epoch 1: " in text
    assert "no epoch was finished" in text
    assert sorted(os.listdir(tmp_path / "run")) == ["config.json", "tensorboard", "versions.json"]
    assert not (tmp_path / "exported").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_in_the_first_epoch_leaves_a_run_that_can_be_continued(tmp_path, number):
    before = signal.getsignal(number)
    stop = At(0, 2, lambda network: os.kill(os.getpid(), number))
    recorder = Recorder()
    with pytest.raises(UserError, match="stopped before the first epoch") as caught:
        train(tmp_path / "run", callbacks=[stop, recorder])
    assert f"--resume {tmp_path / 'run'}" in str(caught.value)
    assert recorder.calls[-2:] == ["batch 2 end", "train end"]
    assert signal.getsignal(number) is before
    if number == signal.SIGINT:
        _, history = train(None, resume=tmp_path / "run")
        assert history.metrics["epochs"] == TINY["epochs"]


def test_a_second_ctrl_c_stops_at_once():
    with pytest.raises(KeyboardInterrupt):
        with stoppable() as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop.is_set()
            signal.raise_signal(signal.SIGINT)


@pytest.mark.slow
def test_ctrl_c_is_a_normal_end_that_leaves_a_usable_run(tmp_path):
    run = tmp_path / "run"
    words = ["train", "digits", "--units", "16,12", "--batch-size", "8", "--epochs", "500"]
    process = start(
        *words, "--run-dir", run, "--export-dir", tmp_path / "exported", cwd=tmp_path
    )
    with killed_at_the_end(process):
        wait_for(lambda: len(log_rows(run)) >= 2, process)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr
    metrics = json.loads((run / "metrics.json").read_text())
    done = metrics["epochs"]
    assert metrics["interrupted"] is True
    assert f"interrupted after epoch {done}; --resume {run} continues" in stdout
    assert (tmp_path / "exported" / "digits" / "1" / "saved_model.pb").exists()
    assert not hidden_files(tmp_path)

    _, history = train(None, resume=run, callbacks=[StopAfter(done + 1)])
    assert [row["epoch"] for row in log_rows(run)] == [str(i + 1) for i in range(done + 1)]
    assert history.metrics["interrupted"] is False
    assert history.metrics["conditions"]["recipe"]["epochs"] == 500


def test_settings_are_refused_before_anything_is_made(tmp_path):
    with pytest.raises(SettingError, match="`epochs` must be at least 1, got 0"):
        train(tmp_path / "run", epochs=0)
    with pytest.raises(SettingError, match="unknown setting 'epoch'"):
        train(tmp_path / "run", epoch=3)
    assert not list(tmp_path.iterdir())


def test_a_changed_setting_is_refused_by_name_and_the_same_value_is_not():
    recipe = dtp_tf.recipe("digits", epochs=4, units=(8, 8))
    assert refuse_changes(recipe, {"epochs": 4, "units": "8,8", "recipe": "digits"}) is None
    for name, value in (("epochs", 5), ("units", (8, 9)), ("recipe", "mnist"), ("noise", 0)):
        with pytest.raises(SettingError, match=f"`{name}` is .* in the run, got"):
            refuse_changes(recipe, {"batch_size": recipe.batch_size, name: value})


def test_other_data_are_refused_by_what_differs():
    data = digits()
    about = {"data": {"name": data.name, "training_images": 7}}
    with pytest.raises(UserError, match="training_images was 7, is 1150; resume with the same"):
        refuse_other_data(about, data)


@pytest.mark.slow
def test_an_error_in_a_callback_is_not_swallowed(tmp_path):
    with pytest.raises(ZeroDivisionError):
        train(tmp_path / "run", callbacks=[At(0, 1, lambda network: 1 / 0)])
