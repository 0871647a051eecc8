"""`DTPNetwork`: learning is local, plain Keras drives it, and it can be saved and continued."""

import csv
import os
import pathlib
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf

import dtp_tf
from dtp_tf.errors import SettingError
from dtp_tf.network.batch import Batch
from dtp_tf.rules import DTP
from dtp_tf.rules.base import FORWARD, INVERSE

SCHEDULES = ("parallel", "alternating", "inverse-first")
INPUTS, WIDTHS, CLASSES, BATCH = 5, (6, 4, 7), 3, 8


def build(
    widths=WIDTHS,
    optimizer=None,
    inverse_optimizer=None,
    loss="sparse_categorical_crossentropy",
    run_eagerly=True,
    **settings,
):
    """A small network with steps large enough to see. Eager, for tracing takes a second."""
    keras.utils.set_random_seed(0)
    network = dtp_tf.DTPNetwork(
        [dtp_tf.DensePair(units) for units in widths],
        CLASSES,
        rule=DTP(**{"target_step": 0.5, **settings}),
    )
    network.build((None, INPUTS))
    network.compile(
        optimizer=optimizer or keras.optimizers.SGD(0.5),
        inverse_optimizer=inverse_optimizer or keras.optimizers.SGD(0.5),
        loss=loss,
        run_eagerly=run_eagerly,
    )
    return network


def examples(count=BATCH, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, INPUTS)).astype("float32")
    return x, np.arange(count) % CLASSES


def separable(count=120):
    """Three clouds of points that a classifier can tell apart."""
    rng = np.random.default_rng(2)
    y = np.arange(count) % CLASSES
    return (2 * np.eye(INPUTS)[y] + 0.3 * rng.normal(size=(count, INPUTS))).astype("float32"), y


def arrays(variables):
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def step(network, *data):
    """One training step; the updates of the forward and of the inverse weights."""
    before = arrays(network.forward_variables), arrays(network.inverse_variables)
    network.train_step(tuple(tf.constant(part) for part in data))
    after = arrays(network.forward_variables), arrays(network.inverse_variables)
    return tuple(
        [now - old for now, old in zip(*pair, strict=True)]
        for pair in zip(after, before, strict=True)
    )


def fixed_noise(monkeypatch, rows=slice(None)):
    """Every example keeps its own noise, whatever the batch it is in."""

    def normal(like, seed, step, layer, k, draw):
        noise = np.random.default_rng((layer, draw)).normal(size=(BATCH, like.shape[1]))[rows]
        return tf.constant(noise, "float32")

    monkeypatch.setattr("dtp_tf.network.trainer.gaussian", normal)


def moved(updates):
    """Whether each variable moved at all."""
    return [bool(np.any(update != 0)) for update in updates]


def equal(found, expected):
    return all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def near(found, expected):
    """Equal up to rounding."""
    for one, other in zip(found, expected, strict=True):
        atol = 1e-5 * np.abs(other).max()
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


def different(found, expected):
    """Whether each array differs by more than rounding."""
    return [
        bool(np.abs(one - other).max() > 1e-3 * np.abs(other).max())
        for one, other in zip(found, expected, strict=True)
    ]


# -- locality -------------------------------------------------------------------------------------


def test_a_local_loss_has_a_gradient_in_its_own_layer_only():
    network, (x, y) = build(), examples()
    batch = Batch(network, tf.constant(x), tf.constant(y))
    with batch.tape:
        # Any constants serve as targets.
        losses = [tf.reduce_sum((output - 0.5) ** 2) for output in batch.outputs]
    for i, loss in enumerate([*losses, batch.loss]):
        own = min(i, 3)  # the last layer's h is the logits, which the loss C is made of, too
        inverse = batch.tape.gradient(loss, network.inverse_variables)
        assert all(gradient is None for gradient in inverse)
        for j, layer in enumerate(network.layers_up):
            for gradient in batch.tape.gradient(loss, layer.forward_variables):
                if j == own:
                    assert np.all(gradient != 0)
                else:
                    assert gradient is None


def test_what_a_rule_reads_of_a_batch_is_constant():
    network, (x, y) = build(), examples()
    batch = Batch(network, tf.constant(x), tf.constant(y))
    with batch.tape:
        read = [*batch.h, batch.probabilities, batch.labels]
        total = tf.add_n([tf.reduce_sum(one) for one in read])
    gradients = batch.tape.gradient(total, network.trainable_variables)
    assert all(gradient is None for gradient in gradients)


def test_a_batch_holds_the_activations_the_probabilities_and_the_labels():
    network, (x, y) = build(), examples()
    one_hot = np.eye(CLASSES, dtype="float32")[y]
    for labels in (y, y[:, None], one_hot):
        given = tf.constant(labels)
        if labels is one_hot:
            network.compile("sgd", "sgd", loss="categorical_crossentropy", run_eagerly=True)
        batch = Batch(network, tf.constant(x), given)
        near(batch.h, network.activations(tf.constant(x)))
        near(batch.outputs, batch.h[1:])
        near([batch.probabilities, batch.scores], [network(x)] * 2)
        assert np.array_equal(batch.labels, one_hot)


def test_the_targets_of_an_example_do_not_depend_on_the_size_or_the_weights_of_its_batch():
    network, (x, y) = build(), examples()
    weights = np.linspace(0, 2, BATCH).astype("float32")
    whole = Batch(network, tf.constant(x), tf.constant(y))
    weighted = Batch(network, tf.constant(x), tf.constant(y), tf.constant(weights))
    half = Batch(network, tf.constant(x[:4]), tf.constant(y[:4]))
    for gradient in ("output_gradient", "top_gradient"):
        expected = getattr(whole, gradient)()
        near([getattr(weighted, gradient)()], [expected])
        near([getattr(half, gradient)()], [expected[:4]])
    # p - onehot
    near([whole.output_gradient()], [whole.probabilities - whole.labels])


def test_hidden_layers_with_targets_at_their_activations_stay_exactly_where_they_are():
    # Inverses that give 0 for everything leave all targets but the top one at the activations:
    # only a gradient that leaks from the layers above could move the lower layers.
    network = build()
    for variable in network.inverse_variables:
        variable.assign(tf.zeros_like(variable))
    forward, _ = step(network, *examples())
    assert moved(forward) == [False] * 4 + [True] * 4


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_inverse_phase_moves_every_inverse_and_no_forward_weight(schedule):
    network = build(schedule=schedule)
    network.set_phase((INVERSE,))
    forward, inverse = step(network, *examples())
    assert not any(moved(forward))
    assert all(moved(inverse))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_forward_phase_moves_every_forward_weight_and_no_inverse(schedule):
    network = build(schedule=schedule)
    network.set_phase((FORWARD,))
    forward, inverse = step(network, *examples())
    assert all(moved(forward))
    assert not any(moved(inverse))


def test_the_top_hidden_and_the_output_layer_learn_without_any_inverse():
    forward, _ = step(build(), *examples())
    network = build()
    for variable in network.inverse_variables:
        variable.assign(2 * variable)
    other, _ = step(network, *examples())
    near(other[4:], forward[4:])
    assert all(different(other[:4], forward[:4]))


def test_the_inverses_learn_without_the_layers_above_them():
    _, inverse = step(build(), *examples())
    network = build()
    for variable in (*network.output_pair.forward_variables, *network.inverse_variables[2:]):
        variable.assign(variable + 1)
    for variable in network.pairs[2].forward_variables:
        variable.assign(2 * variable)
    _, other = step(network, *examples())
    near(other[:2], inverse[:2])
    assert all(different(other[2:], inverse[2:]))


def test_the_inverses_learn_without_the_labels():
    x, y = examples()
    forward, inverse = step(build(), x, y)
    other_forward, other_inverse = step(build(), x, (y + 1) % CLASSES)
    near(other_inverse, inverse)
    assert all(different(other_forward, forward))


# -- what moves, and when -------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_trainable_variable_moves_in_one_epoch(schedule):
    network = build(schedule=schedule)
    before = arrays(network.trainable_variables)
    network.fit(*examples(), batch_size=4, epochs=len(network.rule.passes), verbose=0)
    after = arrays(network.trainable_variables)
    assert len(after) == 2 * 3 + 2 * 2 + 2
    assert all(moved([now - old for now, old in zip(after, before, strict=True)]))


def test_each_trainable_variable_belongs_to_exactly_one_of_the_two_optimizers():
    network = build()
    owned = [variable.path for variable in network.forward_variables + network.inverse_variables]
    assert sorted(owned) == sorted(variable.path for variable in network.trainable_variables)


def test_the_first_pair_has_no_inverse():
    network = build()
    assert [pair.inverse for pair in network.pairs] == [False, True, True]


class Weights(keras.callbacks.Callback):
    """Keeps the weights at the end of every epoch."""

    def on_train_begin(self, logs=None):
        self.forward, self.inverse = [], []
        self.on_epoch_end(None)

    def on_epoch_end(self, epoch, logs=None):
        self.forward.append(arrays(self.model.forward_variables))
        self.inverse.append(arrays(self.model.inverse_variables))

    def changes(self):
        """For each epoch, what moved."""
        return [
            [
                name
                for name, kept in (("inverse", self.inverse), ("forward", self.forward))
                if not equal(kept[epoch], kept[epoch + 1])
            ]
            for epoch in range(len(self.forward) - 1)
        ]


@pytest.mark.parametrize("run_eagerly", [True, False], ids=["eager", "compiled"])
def test_alternating_fits_inverses_and_forward_layers_in_turns(run_eagerly):
    network, weights = build(schedule="alternating", run_eagerly=run_eagerly), Weights()
    history = network.fit(*examples(), epochs=4, verbose=0, callbacks=[weights])
    assert weights.changes() == [["inverse"], ["forward"], ["inverse"], ["forward"]]
    assert len(history.history["inverse_loss_2"]) == len(history.history["local_loss_2"]) == 2


def test_alternating_continues_with_the_turn_of_the_initial_epoch():
    network, weights = build(schedule="alternating"), Weights()
    network.fit(*examples(), initial_epoch=1, epochs=3, verbose=0, callbacks=weights)
    assert weights.changes() == [["forward"], ["inverse"]]


def test_parallel_fits_both_in_every_epoch():
    network, weights = build(), Weights()
    network.fit(*examples(), epochs=2, verbose=0, callbacks=[weights])
    assert weights.changes() == [["inverse", "forward"]] * 2


def test_a_single_hidden_layer_learns_without_inverses():
    network = build(widths=(6,))
    forward, inverse = step(network, *examples())
    assert inverse == []
    assert all(moved(forward))


def test_noise_differs_between_steps_but_not_between_runs():
    def inverse_updates():
        network = build(optimizer=keras.optimizers.SGD(0.0))
        network.inverse_optimizer.learning_rate = 1e-6  # nothing but the noise changes
        return [step(network, *examples())[1][2] for _ in range(2)]

    (first, second), again = inverse_updates(), inverse_updates()
    near(again, [first, second])
    assert all(different([first], [second]))


def test_the_seed_chooses_the_noise():
    one, other = build(), build()
    other.seed = 1
    assert all(different(step(one, *examples())[1], step(other, *examples())[1]))


# -- batches, weights, labels ---------------------------------------------------------------------


def test_a_batch_moves_the_weights_by_the_mean_of_its_parts(monkeypatch):
    x, y = examples()
    updates = []
    for rows in (slice(0, 8), slice(0, 4), slice(4, 8)):
        fixed_noise(monkeypatch, rows)
        updates.append(sum(step(build(), x[rows], y[rows]), []))
    whole, first, second = updates
    near([(one + two) / 2 for one, two in zip(first, second, strict=True)], whole)


def test_examples_of_weight_zero_have_no_influence(monkeypatch):
    fixed_noise(monkeypatch)
    x, y = examples()
    weights = np.array([1, 0] * 4, "float32")
    junk_x, junk_y = x.copy(), y.copy()
    junk_x[1::2], junk_y[1::2] = 9, 0
    clean, junk = (
        sum(step(build(), *data, weights), []) for data in ((x, y), (junk_x, junk_y))
    )
    assert all(moved(clean))
    near(junk, clean)


def test_an_example_of_weight_two_counts_twice(monkeypatch):
    fixed_noise(monkeypatch)
    x, y = examples()

    def updates(weights):
        return sum(step(build(), x, y, np.array(weights, "float32")), [])

    one, two, both = updates([1] + [0] * 7), updates([0, 2] + [0] * 6), updates([1, 2] + [0] * 6)
    near([a + b for a, b in zip(one, two, strict=True)], both)
    single = updates([0, 1] + [0] * 6)
    near(two, [2 * update for update in single])


def test_weights_of_one_change_nothing():
    x, y = examples()
    near(
        sum(step(build(), x, y, np.ones(BATCH, "float32")), []),
        sum(step(build(), x, y), []),
    )


def test_one_hot_labels_give_the_same_step():
    x, y = examples()
    one_hot = np.eye(CLASSES, dtype="float32")[y]
    near(
        sum(step(build(loss="categorical_crossentropy"), x, one_hot), []),
        sum(step(build(), x, y), []),
    )


def test_the_batch_size_may_be_unknown():
    network, eager = build(run_eagerly=False), build()

    @tf.function(
        input_signature=[tf.TensorSpec([None, INPUTS]), tf.TensorSpec([None], tf.int64)],
    )
    def train(x, y):
        return network.train_step((x, y))

    for count in (8, 3):
        x, y = (tf.constant(part) for part in examples(count))
        train(x, y)
        eager.train_step((x, y))
        near(arrays(network.trainable_variables), arrays(eager.trainable_variables))


# -- plain Keras ----------------------------------------------------------------------------------


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
    assert float(network.inverse_optimizer.learning_rate) == 0.5


def test_a_loss_that_is_not_a_number_ends_training():
    network, (x, y) = build(), examples()
    x[3] = np.nan
    history = network.fit(
        x, y, epochs=5, verbose=0, callbacks=[keras.callbacks.TerminateOnNaN()]
    ).history
    assert len(history["loss"]) <= 1


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


def preprocessed_network():
    keras.utils.set_random_seed(0)
    network = dtp_tf.DTPNetwork(
        [dtp_tf.DensePair(6), dtp_tf.DensePair(4)],
        CLASSES,
        preprocessing=keras.Sequential([keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]),
    )
    network.build((None, 4, 4, 1))
    return network


# -- saving ---------------------------------------------------------------------------------------


def test_a_saved_network_continues_as_if_it_had_never_stopped(tmp_path):
    noise = keras.optimizers.schedules.InverseTimeDecay(0.3, decay_steps=5, decay_rate=1.0)
    network = build(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.01, 20)),
        inverse_optimizer=keras.optimizers.RMSprop(0.01, momentum=0.9, centered=True),
        schedule="inverse-first",
        inverse_steps=2,
        noise=noise,
        run_eagerly=False,
    )
    (x, y), training = examples(), {"batch_size": 4, "shuffle": False, "verbose": 0}
    network.fit(x, y, **training)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")

    assert isinstance(loaded, dtp_tf.DTPNetwork)
    assert loaded.rule.get_config() == network.rule.get_config()
    np.testing.assert_allclose(loaded(x), network(x), rtol=1e-6)
    assert int(loaded.step) == int(network.step) == 2
    for restored, original in (
        (loaded.optimizer, network.optimizer),
        (loaded.inverse_optimizer, network.inverse_optimizer),
    ):
        assert type(restored) is type(original)
        assert restored.get_config() == original.get_config()
        assert len(original.variables) > 6
        assert equal(arrays(restored.variables), arrays(original.variables))

    for model in (network, loaded):
        model.fit(x, y, **training)
    for found, expected in zip(loaded.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_building_again_keeps_the_weights():
    network = build()
    before = network.get_weights()
    network.build((None, INPUTS))
    assert equal(network.get_weights(), before)


def test_an_uncompiled_network_is_saved_too(tmp_path):
    network = preprocessed_network()
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    images = np.random.default_rng(0).integers(0, 256, size=(6, 4, 4, 1), dtype="uint8")
    np.testing.assert_allclose(loaded(images), network(images), rtol=1e-6)
    assert not loaded.compiled


def test_a_network_is_made_again_from_its_configuration():
    network = dtp_tf.DTPNetwork(
        [dtp_tf.DensePair(4, activation="sigmoid"), dtp_tf.DensePair(2)],
        classes=7,
        rule=DTP(noise=0.5, schedule="alternating"),
        preprocessing=keras.layers.Rescaling(0.5),
        seed=3,
        name="small",
    )
    again = dtp_tf.DTPNetwork.from_config(network.get_config())
    assert again.get_config() == network.get_config()
    assert [pair.units for pair in again.pairs] == [4, 2]
    assert [pair.inverse for pair in again.pairs] == [False, True]
    assert (again.classes, again.seed, again.name) == (7, 3, "small")
    assert again.rule.schedule == "alternating"


# -- the classifier alone -------------------------------------------------------------------------


def test_the_classifier_gives_the_same_probabilities_from_stock_layers():
    network, images = preprocessed_network(), np.arange(32, dtype="uint8").reshape(2, 4, 4, 1)
    classifier = network.classifier(dtype="uint8", name="digits")
    np.testing.assert_allclose(classifier(images), network(images), rtol=1e-6)
    assert classifier.name == "digits"
    assert classifier.inputs[0].dtype == "uint8"
    assert {type(layer).__module__.split(".")[0] for layer in classifier.layers} == {"keras"}
    assert len(classifier.trainable_variables) == 2 * 2 + 2


def test_the_classifier_keeps_its_weights_when_the_network_learns_on():
    network, (x, y) = build(), examples()
    classifier = network.classifier()
    before = classifier(x).numpy()
    step(network, x, y)
    near([classifier(x)], [before])
    assert all(different([network(x)], [before]))


def test_the_classifier_of_a_network_that_is_not_built_is_refused():
    network = dtp_tf.DTPNetwork([dtp_tf.DensePair(2)], CLASSES)
    with pytest.raises(ValueError, match="build the network first"):
        network.classifier()


def run(code, folder):
    """Run Python with this `dtp_tf`, in a folder of its own; what it warns of is an error."""
    command = [sys.executable, "-W", "error::UserWarning", "-c", textwrap.dedent(code)]
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(dtp_tf.__file__).parents[1])}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_saved_classifier_loads_where_dtp_tf_is_not_installed(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, size=(6, 4, 4, 1), dtype="uint8")
    np.save(tmp_path / "images.npy", images)
    network = preprocessed_network()
    network.classifier(dtype="uint8").save(tmp_path / "classifier.keras")
    run(
        """
        import sys

        sys.modules["dtp_tf"] = None  # importing it raises ImportError
        import keras
        import numpy as np

        classifier = keras.saving.load_model("classifier.keras")
        np.save("found.npy", classifier.predict(np.load("images.npy"), verbose=0))
        """,
        tmp_path,
    )
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), network(images), rtol=1e-5)


# -- replicas -------------------------------------------------------------------------------------


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
