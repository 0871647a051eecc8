"""Plain Keras drives a `DTPNetwork`, on several devices too; what it cannot be is refused."""

import csv

import keras
import numpy as np
import pytest
from network_support import CLASSES, INPUTS, build, examples, preprocessed_network, run

import dtp_tf
from dtp_tf.errors import SettingError


def separable(count=120):
    """Three clouds of points that a classifier can tell apart."""
    rng = np.random.default_rng(2)
    y = np.arange(count) % CLASSES
    return (2 * np.eye(INPUTS)[y] + 0.3 * rng.normal(size=(count, INPUTS))).astype("float32"), y


# -- plain Keras ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_fit_learns_with_the_standard_callbacks(tmp_path):
    keras.utils.set_random_seed(0)
    network = dtp_tf.DTPNetwork([dtp_tf.DensePair(8), dtp_tf.DensePair(8)], classes=CLASSES)
    network.compile(
        optimizer=keras.optimizers.Adam(0.02), inverse_optimizer=keras.optimizers.Adam(0.01)
    )
    x, y = separable()
    history = network.fit(
        x,
        y,
        batch_size=30,
        epochs=15,
        validation_split=0.25,
        verbose=0,
        callbacks=[
            keras.callbacks.EarlyStopping("val_loss", patience=3),
            keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", save_best_only=True),
            keras.callbacks.ReduceLROnPlateau("val_loss", patience=1),
            keras.callbacks.TerminateOnNaN(),
            keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        ],
    ).history

    names = ["loss", "accuracy", "local_loss_1", "local_loss_2", "inverse_loss_2"]
    validation = ["val_loss", "val_accuracy", "val_reconstruction_error_2"]
    assert set(names + validation) <= set(history)
    assert history["val_accuracy"][-1] > 0.9
    assert history["inverse_loss_2"][-1] < history["inverse_loss_2"][0] / 2

    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(history["loss"])
    assert float(rows[-1]["val_loss"]) == pytest.approx(history["val_loss"][-1])

    best = keras.saving.load_model(tmp_path / "best.keras")
    evaluated = best.evaluate(x[90:], y[90:], verbose=0, return_dict=True)
    assert evaluated["loss"] == pytest.approx(min(history["val_loss"]), 1e-5)
    assert set(evaluated) == {"loss", "accuracy", "reconstruction_error_2"}


@pytest.mark.slow
def test_callbacks_can_stop_training_and_lower_the_learning_rate():
    network = build()
    history = network.fit(
        *examples(),
        epochs=9,
        verbose=0,
        callbacks=[
            # No improvement is large enough for them.
            keras.callbacks.EarlyStopping("loss", patience=2, min_delta=100),
            keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=100, factor=0.1),
        ],
    ).history
    assert len(history["loss"]) == 3
    assert float(network.optimizer.learning_rate) == pytest.approx(0.5 * 0.1**2)
    assert float(network.inverse_optimizer.learning_rate) == pytest.approx(0.5 * 0.1**2)


@pytest.mark.slow
def test_a_loss_that_is_not_a_number_ends_training():
    network, (x, y) = build(), examples()
    x[3] = np.nan
    history = network.fit(
        x, y, epochs=5, verbose=0, callbacks=[keras.callbacks.TerminateOnNaN()]
    ).history
    assert len(history["loss"]) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["parallel", "inverse-first"])
def test_the_logs_of_an_epoch_are_the_means_over_its_batches(schedule):
    network, (x, y) = build(schedule=schedule, noise=0), examples()
    for optimizer in (network.optimizer, network.inverse_optimizer):
        optimizer.learning_rate = 0.0
    whole, parts = (
        network.fit(x, y, batch_size=size, epochs=1, verbose=0, shuffle=False).history
        for size in (8, 4)
    )
    expected = {"loss", "accuracy", "inverse_loss_2", "inverse_loss_3"}
    assert set(whole) == expected | {f"local_loss_{i}" for i in (1, 2, 3)}
    assert set(parts) == set(whole)
    for name in whole:
        assert parts[name] == pytest.approx(whole[name], rel=1e-5)


def test_the_preprocessing_comes_first():
    images = np.random.default_rng(0).integers(0, 256, size=(6, 4, 4, 1), dtype="uint8")
    network = preprocessed_network()
    probabilities = network(images).numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    plain = dtp_tf.DTPNetwork(network.pairs, CLASSES)
    plain.build((None, 16))
    for own, other in zip(
        plain.output_pair.forward_variables, network.output_pair.forward_variables, strict=True
    ):
        own.assign(other)
    flat = images.reshape(6, 16).astype("float32") / 255
    np.testing.assert_allclose(plain(flat), probabilities, rtol=1e-5)


# -- replicas -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_replicas_learn_what_one_learns(tmp_path):
    # A process of its own, for the number of devices is fixed when TensorFlow starts.
    run(
        """
        import keras
        import numpy as np
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        replica = tf.config.LogicalDeviceConfiguration()
        tf.config.set_logical_device_configuration(cpu, [replica, replica])

        import dtp_tf

        def train(strategy):
            keras.utils.set_random_seed(0)
            with strategy.scope():
                network = dtp_tf.DTPNetwork(
                    [dtp_tf.DensePair(6), dtp_tf.DensePair(4)],
                    classes=3,
                    rule=dtp_tf.rules.DTP(target_step=0.5, noise=0.0),
                )
                network.build((None, 5))
                network.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5))
            start = network.get_weights()
            x = np.random.default_rng(0).normal(size=(16, 5)).astype("float32")
            weights = np.linspace(0.5, 2, 16).astype("float32")
            logs = network.fit(
                x, np.arange(16) % 3, sample_weight=weights, batch_size=8, shuffle=False, verbose=0
            ).history
            return start, network.get_weights(), logs

        start, one, one_logs = train(tf.distribute.get_strategy())
        _, two, two_logs = train(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
        for before, single, mirrored in zip(start, one, two, strict=True):
            assert np.any(single != before)
            np.testing.assert_allclose(mirrored, single, rtol=1e-5, atol=1e-6)
        assert set(one_logs) == set(two_logs)
        for name in one_logs:
            np.testing.assert_allclose(two_logs[name], one_logs[name], rtol=1e-5, err_msg=name)
        """,
        tmp_path,
    )


# -- refusals -------------------------------------------------------------------------------------


def test_an_empty_list_of_pairs_is_refused():
    with pytest.raises(SettingError, match="`pairs`.*empty"):
        dtp_tf.DTPNetwork([], CLASSES)


@pytest.mark.parametrize("classes", [1, 0, -3, 2.5, True, "3"])
def test_an_impossible_number_of_classes_is_refused(classes):
    with pytest.raises(SettingError, match=f"`classes`.*got {classes!r}"):
        dtp_tf.DTPNetwork([dtp_tf.DensePair(2)], classes)


def test_a_rule_by_name_is_refused_with_what_to_pass():
    with pytest.raises(SettingError, match=r"`rule`.*DTP\(\).*got 'dtp'"):
        dtp_tf.DTPNetwork([dtp_tf.DensePair(2)], CLASSES, rule="dtp")


def test_one_optimizer_for_both_paths_is_refused():
    optimizer = keras.optimizers.SGD(0.1)
    with pytest.raises(SettingError, match="`optimizer` and `inverse_optimizer`"):
        build().compile(optimizer, optimizer)


def test_dense_layers_take_images_as_they_are_but_not_of_unknown_size():
    network = dtp_tf.DTPNetwork([dtp_tf.DensePair(2)], CLASSES)
    assert network(np.zeros((4, 8, 8, 3), "float32")).shape == (4, CLASSES)
    with pytest.raises(ValueError, match="whose sizes are known, got \\(None, None, 8, 3\\)"):
        dtp_tf.DTPNetwork([dtp_tf.DensePair(2)], CLASSES).build((None, None, 8, 3))
