"""`dtp_tf.train` drives Keras's callbacks as `fit` does, or refuses them by name."""

import csv
import math

import keras
import pytest
from helpers import At, StopAfter, train
from keras import callbacks as kit

import dtp_tf
from dtp_tf.errors import DivergedError, SettingError
from dtp_tf.training.callbacks import find_callbacks

SETTINGS = {"batch_size": 384, "learning_rate_schedule": "constant", "units": (8, 6)}
HOOKS = [
    name for name in dir(kit.Callback)
    if name.startswith("on_") and "predict" not in name and name.count("_batch_") == (
        name.startswith(("on_train_batch", "on_test_batch")))
]  # fmt: skip


class Recorder(kit.Callback):
    """Keeps which hooks are called, in order, and whether they have logs."""

    def __init__(self):
        super().__init__()
        self.calls = []


def _recorded(name):
    def hook(self, *arguments, logs=None):
        *number, given = arguments if len(arguments) > 1 else (*arguments, logs)
        self.calls.append((name, *number))
        self.logs = given

    def of_whole(self, logs=None):
        self.calls.append((name,))

    return of_whole if name.endswith(("train_begin", "train_end", "test_begin", "test_end")) else (
        hook
    )


for _name in HOOKS:
    setattr(Recorder, _name, _recorded(_name))


def driven_by_fit(steps, validation_steps):
    """The calls that Keras makes in an epoch of a stock model with as many batches."""
    model, recorder = keras.Sequential([keras.layers.Dense(1)]), Recorder()
    model.compile("sgd", "mse", run_eagerly=True)
    x = keras.ops.ones((steps, 1))
    validation = keras.ops.ones((validation_steps, 1))
    model.fit(
        x, x, batch_size=1, epochs=2, verbose=0, callbacks=[recorder],
        validation_data=(validation, validation), validation_batch_size=1,
    )  # fmt: skip
    return recorder.calls


class Logs(kit.Callback):
    def __init__(self):
        super().__init__()
        self.batches, self.tests, self.epochs = [], [], []

    def on_train_batch_end(self, batch, logs=None):
        self.batches.append(dict(logs))

    def on_test_end(self, logs=None):
        self.tests.append(dict(logs))

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(dict(logs))

    def on_train_end(self, logs=None):
        self.last = dict(logs)


@pytest.mark.slow
def test_the_hooks_and_their_logs_are_those_of_fit(tmp_path):
    recorder, seen = Recorder(), Logs()
    train(tmp_path / "run", callbacks=(recorder, seen), **SETTINGS)
    counts = [sum(name == of for name, *_ in recorder.calls) // 2
              for of in ("on_train_batch_end", "on_test_batch_end")]
    assert recorder.calls == driven_by_fit(*counts)
    names = {"loss", "accuracy", "local_loss_1", "local_loss_2", "inverse_loss_2"}
    assert all(set(logs) == names for logs in seen.batches)
    per_epoch = len(seen.batches) // 2
    for number, logs in enumerate(seen.epochs, start=1):
        assert seen.batches[number * per_epoch - 1] == {name: logs[name] for name in names}
        validated = {f"val_{name}": value for name, value in seen.tests[number - 1].items()}
        assert validated == {name: logs[name] for name in logs if name.startswith("val_")}
    assert seen.last == seen.epochs[-1]


class StopAtOnce(kit.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        self.begun = batch
        self.model.stop_training = batch == 1


@pytest.mark.slow
def test_rates_files_and_stops_work_as_in_fit(tmp_path):
    found, stop = [], StopAtOnce()

    def keep(epoch, logs):
        rates = optimizers[0].learning_rate, optimizers[1].learning_rate
        found.append([float(rate) for rate in rates])

    def begin(logs):
        optimizers[:] = [one for one, _ in keeping.model.optimized()]

    optimizers = []
    keeping = kit.LambdaCallback(on_epoch_end=keep, on_train_begin=begin)
    _, history = train(
        tmp_path / "run", schedule="alternating",
        callbacks=[
            kit.LearningRateScheduler(lambda epoch, rate: rate / 2),
            kit.CSVLogger(tmp_path / "log.csv"),
            kit.ModelCheckpoint(tmp_path / "best.keras", save_best_only=True),
            [keeping],
        ],
        **SETTINGS,
    )  # fmt: skip
    assert found == [pytest.approx([0.015, 0.005]), pytest.approx([0.0075, 0.0025])]
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert set(history.history) | {"learning_rate", "inverse_learning_rate"} <= set(rows[0])
    for name, values in history.history.items():
        assert [float(row[name]) for row in rows] == pytest.approx(values)
    assert keras.saving.load_model(tmp_path / "best.keras").built

    _, history = train(tmp_path / "stopped", schedule="alternating", callbacks=stop, **SETTINGS)
    assert stop.begun == 1 and len(history.history["val_loss"]) == 1


@pytest.mark.slow
def test_a_loss_that_is_not_a_number_ends_the_training_at_its_batch(tmp_path):
    class Count(kit.Callback):
        batches = 0

        def on_train_batch_end(self, batch, logs=None):
            self.batches += 1

    def poison(network):
        kernel = network.pairs[0].forward_layer.kernel
        kernel.assign(kernel * math.nan)

    count, spoil = Count(), At(0, 1, poison)
    with pytest.raises(DivergedError, match="diverged in epoch 1: "):
        train(tmp_path / "run", callbacks=[kit.TerminateOnNaN(), count, spoil], **SETTINGS)
    assert count.batches == 2


REFUSED = {
    "BackupAndRestore": (lambda: kit.BackupAndRestore("backup"), "checkpoints.*give `resume`"),
    "SwapEMAWeights": (lambda: kit.SwapEMAWeights(), "has `weight_ema`.*no averages; use `fit`"),
    "ReduceLROnPlateau": (lambda: kit.ReduceLROnPlateau(), "`learning_rate_schedule` cosine sets"),
    "a word": (lambda: "early", "must be Keras callbacks, got 'early'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_place_is_refused_by_name_before_anything_is_made(tmp_path, name):
    make, text = REFUSED[name]
    with pytest.raises(SettingError, match=text) as caught:
        train(tmp_path / "run", callbacks=[StopAfter(1), make()])
    assert name in str(caught.value) or name == "a word"
    assert not list(tmp_path.iterdir())


def test_one_a_list_and_none_are_taken():
    recipe, one = dtp_tf.recipe("digits"), StopAfter(1)
    assert find_callbacks(None, recipe) == find_callbacks([None, []], recipe) == []
    for given in (one, [one], (one,), [[one]], kit.CallbackList([one])):
        assert find_callbacks(given, recipe) == [one]
