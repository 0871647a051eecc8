"""Keras's callbacks act on both paths, and find all that they look for."""

import csv

import keras
import pytest
from contract_support import arrays, examples, fit, moved, network, same, twins
from keras.callbacks import (
    BackupAndRestore,
    Callback,
    CallbackList,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    SwapEMAWeights,
    TensorBoard,
    TerminateOnNaN,
)
from keras.optimizers import SGD, LossScaleOptimizer, MultiOptimizer
from keras.optimizers.schedules import CosineDecay

from dtp_tf.rules import DRL, DTP


def rates(made):
    """The learning rates of the forward layers and of the inverses."""
    optimizers = [optimizer for optimizer, _ in made.optimized()]
    return [float(one.learning_rate) for one in optimizers]


def on_plateau():
    return ReduceLROnPlateau("loss", factor=0.1, patience=1, min_delta=100, min_lr=0.004)


# -- learning rates -------------------------------------------------------------------------------


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.slow
def test_a_plateau_lowers_both_rates_and_its_logs_have_both(scaled):
    wrapped = LossScaleOptimizer if scaled else (lambda optimizer: optimizer)
    made = network(optimizer=wrapped(SGD(0.5)), inverse_optimizer=wrapped(SGD(0.1)))
    logs = fit(made, epochs=4, callbacks=on_plateau())
    assert rates(made) == pytest.approx([0.004, 0.0008])
    assert logs["learning_rate"] == pytest.approx([0.5, 0.5, 0.05, 0.005])
    assert logs["inverse_learning_rate"] == pytest.approx([0.1, 0.1, 0.01, 0.001])


@pytest.mark.slow
def test_a_scheduler_sets_the_forward_rate_and_keeps_the_ratio():
    made = network()
    logs = fit(made, epochs=3, callbacks=[LearningRateScheduler(lambda epoch: 0.2 * epoch)])
    assert logs["learning_rate"] == pytest.approx([0.0, 0.2, 0.4])
    assert logs["inverse_learning_rate"] == pytest.approx([0.0, 0.04, 0.08])  # after a rate of 0


@pytest.mark.slow
def test_the_rates_of_every_inverse_optimizer_follow():
    made = network(DRL(schedule="parallel"), inverse_optimizer=[SGD(0.1), SGD(0.3)])
    logs = fit(made, epochs=1, callbacks=LearningRateScheduler(lambda epoch, rate: rate / 2))
    assert rates(made) == pytest.approx([0.25, 0.05, 0.15])
    assert logs["inverse_learning_rate_1"] == pytest.approx([0.05])
    assert logs["inverse_learning_rate_2"] == pytest.approx([0.15])


class Halving(Callback):
    """Sets the rate as a user's own callback does, on each batch."""

    def on_train_batch_begin(self, batch, logs=None):
        self.model.optimizer.learning_rate = float(self.model.optimizer.learning_rate) / 2
        self.found.append(rates(self.model))

    def on_train_begin(self, logs=None):
        self.found = []


def test_rates_follow_within_an_epoch():
    made, halving = network(), Halving()
    fit(made, epochs=1, callbacks=halving)
    assert halving.found == [pytest.approx([0.25, 0.1]), pytest.approx([0.125, 0.05])]
    assert rates(made) == pytest.approx([0.125, 0.025])


@pytest.mark.slow
def test_a_schedule_of_an_inverse_optimizer_is_left_to_it():
    made = network(inverse_optimizer=SGD(CosineDecay(0.1, 100)))
    logs = fit(made, epochs=2, callbacks=on_plateau())
    assert float(made.optimizer.learning_rate) == pytest.approx(0.05)
    assert "inverse_learning_rate" not in logs


@pytest.mark.slow
def test_a_rate_that_a_callback_sets_itself_begins_a_new_ratio():
    def own(epoch, logs):
        if epoch == 1:
            made.inverse_optimizer.learning_rate = 1.0

    made = network()
    scheduler = LearningRateScheduler(lambda epoch: [0.5, 0.5, 0.25][epoch])
    fit(made, epochs=3, callbacks=[scheduler, LambdaCallback(on_epoch_begin=own)])
    assert rates(made) == pytest.approx([0.25, 0.5])


@pytest.mark.slow
def test_rates_of_optimizers_of_several_follow_the_first():
    def several(*all_rates):
        one, other = (SGD(rate) for rate in all_rates)
        return MultiOptimizer(lambda variable: one if "kernel" in variable.path else other)

    made = network(optimizer=several(0.5, 0.2), inverse_optimizer=several(0.1, 0.01))
    fit(made, epochs=2, callbacks=on_plateau())
    found = [one.learning_rate for of in made.optimized() for one in of[0].optimizers]
    assert [float(one) for one in found] == pytest.approx([0.05, 0.02, 0.01, 0.001])


# -- averages -------------------------------------------------------------------------------------


def averaging(rate):
    return SGD(rate, use_ema=True, ema_momentum=0.9)


@pytest.mark.slow
def test_swapped_averages_are_evaluated_as_in_a_stock_model():
    ours, stock = twins(lambda: averaging(0.5))
    logs, expected = (
        fit(model, validation_data=examples(), callbacks=[SwapEMAWeights()])
        for model in (ours, stock)
    )
    assert logs["val_loss"] == pytest.approx(expected["val_loss"], rel=1e-5)
    same(arrays(ours.forward_variables), arrays(stock.trainable_variables))


class Seen(Callback):
    def __init__(self):
        super().__init__()
        self.at = {}

    def keep(self, when):
        self.at.setdefault(when, []).append(arrays(self.model.trainable_variables))

    def on_train_batch_end(self, batch, logs=None):
        self.keep("batch")

    def on_test_batch_begin(self, batch, logs=None):
        self.keep("test")

    def on_epoch_end(self, epoch, logs=None):
        self.keep("epoch")


@pytest.mark.parametrize("on_epoch", [False, True])
@pytest.mark.slow
def test_averages_of_forward_layers_and_inverses_change_places_with_their_own_weights(on_epoch):
    made, seen = network(optimizer=averaging(0.5), inverse_optimizer=averaging(0.1)), Seen()
    swap = SwapEMAWeights(swap_on_epoch=on_epoch)
    fit(made, epochs=2, callbacks=[swap, seen], validation_data=examples())
    means = seen.at["batch"][0]
    for number, now in enumerate(seen.at["batch"]):
        means = [0.9 * one + 0.1 * other for one, other in zip(means, now, strict=True)]
        if number == 1:
            same(seen.at["test"][0], means)
            same(seen.at["epoch"][0], means if on_epoch else seen.at["batch"][1])
    same(arrays(made.trainable_variables), means)


@pytest.mark.slow
def test_averages_change_places_when_a_network_is_evaluated_by_itself():
    made, seen = network(optimizer=averaging(0.5), inverse_optimizer=averaging(0.1)), Seen()
    for _ in range(2):
        made.train_on_batch(*examples())
    now = arrays(made.trainable_variables)
    made.evaluate(*examples(), verbose=0, callbacks=[SwapEMAWeights(), seen])
    assert all(moved(seen.at["test"][0], now))
    same(arrays(made.trainable_variables), now)


@pytest.mark.slow
def test_averages_that_have_not_begun_are_the_weights():
    made, seen = network(DTP(schedule="alternating"), optimizer=averaging(0.5)), Seen()
    before = arrays(made.forward_variables)
    fit(made, epochs=1, callbacks=[SwapEMAWeights(), seen], validation_data=examples())
    same(arrays(made.forward_variables), before)
    assert not any(moved(seen.at["test"][0], arrays(made.trainable_variables)))


# -- logs, files, ends ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["parallel", "alternating"])
@pytest.mark.parametrize("validated", [False, True])
def test_a_csv_file_has_every_column_in_both_schedules(tmp_path, schedule, validated):
    made = network(DTP(schedule=schedule))
    settings = {"validation_data": examples()} if validated else {}
    logs = fit(made, callbacks=CSVLogger(tmp_path / "log.csv"), **settings)
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert set(logs) | {"epoch"} <= set(rows[0])
    assert {"local_loss_1", "local_loss_2", "inverse_loss_2"} <= set(logs)
    for name, values in logs.items():
        found = [float(row[name]) for row in rows if row[name] != "NA"]
        assert found == pytest.approx(values), name


@pytest.mark.slow
def test_a_list_of_callbacks_that_keras_has_made_is_driven_once():
    made = network(DTP(schedule="alternating"))
    made_list = CallbackList([on_plateau()], add_history=True, model=made, epochs=2)
    logs = fit(made, callbacks=made_list, validation_data=examples())
    assert logs["inverse_learning_rate"] == pytest.approx([0.1, 0.1])
    assert rates(made) == pytest.approx([0.05, 0.01])


@pytest.mark.slow
def test_a_backup_restores_all_that_training_needs(tmp_path):
    def new():
        return network(
            DTP(schedule="alternating"),
            keras.layers.Dropout(0.5, seed=1),
            optimizer=keras.optimizers.Adam(0.1, use_ema=True),
            inverse_optimizer=[keras.optimizers.Adam(0.1)],
        )

    class Stop(Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    whole, first, second = new(), new(), new()
    fit(whole, epochs=4)
    with pytest.raises(KeyboardInterrupt):
        fit(first, epochs=4, callbacks=[BackupAndRestore(tmp_path / "backup"), Stop()])
    fit(second, epochs=4, callbacks=[BackupAndRestore(tmp_path / "backup")])
    same(arrays(second.weights), arrays(whole.weights), atol=0)


@pytest.mark.slow
def test_the_other_callbacks_do_their_work(tmp_path):
    made = network()
    callbacks = [
        EarlyStopping("val_loss", patience=1, min_delta=100, restore_best_weights=True),
        ModelCheckpoint(tmp_path / "best.keras", save_best_only=True),
        ModelCheckpoint(tmp_path / "{epoch}.weights.h5", save_weights_only=True),
        TensorBoard(tmp_path / "board", histogram_freq=1, update_freq=1),
        TerminateOnNaN(),
    ]
    logs = fit(made, epochs=5, callbacks=callbacks, validation_data=examples())
    assert len(logs["loss"]) == 2
    first = network()
    first.load_weights(tmp_path / "1.weights.h5")
    same(arrays(made.trainable_variables), arrays(first.trainable_variables), atol=0)
    assert keras.saving.load_model(tmp_path / "best.keras").built
    assert list((tmp_path / "board").rglob("events.*"))
