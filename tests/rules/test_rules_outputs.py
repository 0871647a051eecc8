"""Every rule teaches networks that give several labels at once, or numbers of any kind."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from battery import TRAINED, an_epoch, arrays, dealt, fixed_weights, make_rule

import dtp_tf
from dtp_tf.network.batch import Batch
from dtp_tf.rules import BY_NAME

INPUTS, WIDTHS, UNITS, BATCH = 5, (6, 4), 3, 8


def every_rule_and_output(hand):
    """Every rule and both outputs, and of their pairs those of a hand."""
    pairs = dealt(BY_NAME, ("sigmoid", "linear"), hand)
    return pytest.mark.parametrize(("rule", "activation"), pairs)


def build(rule, activation):
    keras.utils.set_random_seed(0)
    network = dtp_tf.DTPNetwork(
        [dtp_tf.DensePair(units) for units in WIDTHS],
        UNITS,
        rule=make_rule(rule),
        output_activation=activation,
    )
    network.build((None, INPUTS))
    network.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.05), run_eagerly=True)
    return network


def examples(activation):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(BATCH, INPUTS)), rng.normal(size=(BATCH, UNITS))
    return x.astype("float32"), (y > 0 if activation == "sigmoid" else y).astype("float32")


@every_rule_and_output(0)
def test_a_local_loss_has_a_gradient_in_its_own_layer_only(rule, activation):
    network = build(rule, activation)
    batch = Batch(network, *map(tf.constant, examples(activation)))
    _, losses = network.forward_gradients(batch)
    for i, loss in enumerate([*losses, batch.loss]):
        feedback = batch.tape.gradient(loss, network.inverse_variables + fixed_weights(network))
        assert all(gradient is None for gradient in feedback)
        for j, layer in enumerate(network.layers_up):
            for gradient in batch.tape.gradient(loss, layer.forward_variables):
                assert (gradient is not None and np.all(gradient != 0)) == (i == j)
    for layer in network.trained_feedback if rule in TRAINED else ():
        with tf.GradientTape() as tape:
            loss = network.rule.inverse_loss(network, batch, layer, network.noise(layer, 0))
        every = tape.gradient(loss, [network.forward_variables, network.inverse_variables])
        assert all(gradient is None for gradient in every[0])
        own = {id(variable) for variable in network.feedback_variables(layer)}
        for gradient, variable in zip(every[1], network.inverse_variables, strict=True):
            assert (gradient is not None) == (id(variable) in own)


@pytest.mark.slow
@every_rule_and_output(1)
def test_every_trainable_variable_moves_in_one_epoch_and_nothing_else(rule, activation):
    network = build(rule, activation)
    before, fixed = arrays(network.trainable_variables), arrays(fixed_weights(network))
    logs = an_epoch(network, *examples(activation))
    after = arrays(network.trainable_variables)
    assert all(np.all(now != was) for now, was in zip(after, before, strict=True)) and before
    assert all(map(np.array_equal, arrays(fixed_weights(network)), fixed))
    metric = "binary_accuracy" if activation == "sigmoid" else "mean_absolute_error"
    assert {"loss", metric} <= set(logs)
    assert all(np.isfinite(value) for value in logs.values())
