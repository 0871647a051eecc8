"""A training step moves what its turn says, by the examples of its batch and their weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from network_support import (
    BATCH,
    CLASSES,
    INPUTS,
    SCHEDULES,
    arrays,
    build,
    different,
    equal,
    examples,
    moved,
    near,
    step,
)


def fixed_noise(monkeypatch, rows=slice(None)):
    """Every example keeps its own noise, whatever the batch it is in."""

    def normal(like, seed, step, layer, k, draw):
        noise = np.random.default_rng((layer, draw)).normal(size=(BATCH, like.shape[1]))[rows]
        return tf.constant(noise, "float32")

    monkeypatch.setattr("dtp_tf.network.trainer.gaussian", normal)


# -- what moves, and when -------------------------------------------------------------------------


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("run_eagerly", [True, False], ids=["eager", "compiled"])
def test_alternating_fits_inverses_and_forward_layers_in_turns(run_eagerly):
    network, weights = build(schedule="alternating", run_eagerly=run_eagerly), Weights()
    history = network.fit(*examples(), epochs=4, verbose=0, callbacks=[weights])
    assert weights.changes() == [["inverse"], ["forward"], ["inverse"], ["forward"]]
    assert len(history.history["inverse_loss_2"]) == len(history.history["local_loss_2"]) == 2


@pytest.mark.slow
def test_alternating_continues_with_the_turn_of_the_initial_epoch():
    network, weights = build(schedule="alternating"), Weights()
    network.fit(*examples(), initial_epoch=1, epochs=3, verbose=0, callbacks=weights)
    assert weights.changes() == [["forward"], ["inverse"]]


@pytest.mark.slow
def test_parallel_fits_both_in_every_epoch():
    network, weights = build(), Weights()
    network.fit(*examples(), epochs=2, verbose=0, callbacks=[weights])
    assert weights.changes() == [["inverse", "forward"]] * 2


def test_a_single_hidden_layer_learns_without_inverses():
    network = build(widths=(6,))
    forward, inverse = step(network, *examples())
    assert inverse == []
    assert all(moved(forward))


@pytest.mark.slow
def test_noise_differs_between_steps_but_not_between_runs():
    def inverse_updates():
        network = build(optimizer=keras.optimizers.SGD(0.0))
        network.inverse_optimizer.learning_rate = 1e-6  # nothing but the noise changes
        return [step(network, *examples())[1][2] for _ in range(2)]

    (first, second), again = inverse_updates(), inverse_updates()
    near(again, [first, second])
    assert all(different([first], [second]))


@pytest.mark.slow
def test_the_seed_chooses_the_noise():
    one, other = build(), build()
    other.seed = 1
    assert all(different(step(one, *examples())[1], step(other, *examples())[1]))


# -- batches, weights, labels ---------------------------------------------------------------------


@pytest.mark.slow
def test_a_batch_moves_the_weights_by_the_mean_of_its_parts(monkeypatch):
    x, y = examples()
    updates = []
    for rows in (slice(0, 8), slice(0, 4), slice(4, 8)):
        fixed_noise(monkeypatch, rows)
        updates.append(sum(step(build(), x[rows], y[rows]), []))
    whole, first, second = updates
    near([(one + two) / 2 for one, two in zip(first, second, strict=True)], whole)


@pytest.mark.slow
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


@pytest.mark.slow
def test_an_example_of_weight_two_counts_twice(monkeypatch):
    fixed_noise(monkeypatch)
    x, y = examples()

    def updates(weights):
        return sum(step(build(), x, y, np.array(weights, "float32")), [])

    one, two, both = updates([1] + [0] * 7), updates([0, 2] + [0] * 6), updates([1, 2] + [0] * 6)
    near([a + b for a, b in zip(one, two, strict=True)], both)
    single = updates([0, 1] + [0] * 6)
    near(two, [2 * update for update in single])


@pytest.mark.slow
def test_weights_of_one_change_nothing():
    x, y = examples()
    near(
        sum(step(build(), x, y, np.ones(BATCH, "float32")), []),
        sum(step(build(), x, y), []),
    )


@pytest.mark.slow
def test_one_hot_labels_give_the_same_step():
    x, y = examples()
    one_hot = np.eye(CLASSES, dtype="float32")[y]
    near(
        sum(step(build(loss="categorical_crossentropy"), x, one_hot), []),
        sum(step(build(), x, y), []),
    )


@pytest.mark.slow
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
