"""Learning is local: a layer learns from its own loss alone, and its inverse too."""

import numpy as np
import pytest
import tensorflow as tf
from network_support import BATCH, CLASSES, SCHEDULES, build, different, examples, moved, near, step

from dtp_tf.network.batch import Batch
from dtp_tf.rules.base import FORWARD, INVERSE


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_hidden_layers_with_targets_at_their_activations_stay_exactly_where_they_are():
    # Inverses that give 0 for everything leave all targets but the top one at the activations:
    # only a gradient that leaks from the layers above could move the lower layers.
    network = build()
    for variable in network.inverse_variables:
        variable.assign(tf.zeros_like(variable))
    forward, _ = step(network, *examples())
    assert moved(forward) == [False] * 4 + [True] * 4


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.slow
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


@pytest.mark.slow
def test_the_top_hidden_and_the_output_layer_learn_without_any_inverse():
    forward, _ = step(build(), *examples())
    network = build()
    for variable in network.inverse_variables:
        variable.assign(2 * variable)
    other, _ = step(network, *examples())
    near(other[4:], forward[4:])
    assert all(different(other[:4], forward[:4]))


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_inverses_learn_without_the_labels():
    x, y = examples()
    forward, inverse = step(build(), x, y)
    other_forward, other_inverse = step(build(), x, (y + 1) % CLASSES)
    near(other_inverse, inverse)
    assert all(different(other_forward, forward))
