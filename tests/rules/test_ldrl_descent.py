"""What L-DRL knows of its inverses' gradients without the loss of each example."""

import battery
import keras
import numpy as np
import pytest
import tensorflow as tf

import dtp_tf
from dtp_tf.network.batch import Batch
from dtp_tf.rules import LDRL

IMAGE, CLASSES, BATCH = (7, 6, 2), 3, 6
POOLED = dict(pool="max", pool_size=3, pool_strides=2, pool_padding=1)
LINEAR = dict(activation="elu", inverse_first=True)
PAIRS = {
    "dense": lambda: [dtp_tf.DensePair(6, **LINEAR), dtp_tf.DensePair(4, **LINEAR)],
    "max": lambda: [dtp_tf.Conv2DPair(3, **LINEAR, **POOLED), dtp_tf.Conv2DPair(4, **LINEAR)],
    "average": lambda: [
        dtp_tf.Conv2DPair(3, **LINEAR),
        dtp_tf.Conv2DPair(4, pool="average", **LINEAR),
    ],
    "local": lambda: [
        dtp_tf.LocallyConnected2DPair(3, 3, 2, **LINEAR),
        dtp_tf.LocallyConnected2DPair(4, 2, **LINEAR),
    ],
}


def built(pairs, rule=LDRL, optimizer="sgd", **settings):
    keras.utils.set_random_seed(3)
    network = dtp_tf.DTPNetwork(pairs, CLASSES, rule=rule(noise=0.1, inverse_steps=1, **settings))
    network.compile(keras.optimizers.SGD(0.1), optimizer, run_eagerly=True)
    network.build((None, *IMAGE))
    return network


def examples():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH, *IMAGE)).astype("float32")
    return tf.constant(x), tf.constant(rng.integers(CLASSES, size=BATCH))


@pytest.mark.parametrize("kind", PAIRS)
def test_a_known_descent_is_that_of_the_loss_of_each_example(kind):
    network = built(PAIRS[kind]())
    batch = Batch(network, *examples())
    assert network.trained_feedback == [1, 2]
    for layer in network.trained_feedback:
        assert network.rule.knows_descent(network, layer)
        variables = network.feedback_variables(layer)
        with tf.GradientTape() as tape:
            loss = network.rule.inverse_loss(network, batch, layer, network.noise(layer, 0))
            total = tf.reduce_sum(loss)
        expected = tape.gradient(total, variables)
        found, gradients = network.rule.inverse_descent(
            network, batch, layer, network.noise(layer, 0), tf.constant(0.5)
        )
        np.testing.assert_allclose(found, total, rtol=1e-4)
        assert [one is None for one in gradients] == [one is None for one in expected]
        assert gradients[0] is not None
        np.testing.assert_allclose(2 * gradients[0], expected[0], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("scaled", [False, True])
def test_a_step_is_the_same_whether_the_descent_is_known(monkeypatch, samples, scaled):
    found = []
    for known in (True, False):
        optimizer = keras.optimizers.SGD(0.1)
        if scaled:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=8.0)
        network = built(PAIRS["max"](), optimizer=optimizer, noise_samples=samples)
        if not known:
            monkeypatch.setattr(LDRL, "knows_descent", lambda *_: False)
        logs = network.train_step(examples())
        found.append([*battery.arrays(network.trainable_variables), float(logs["inverse_loss_2"])])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_rule_that_extends_it_with_a_loss_of_its_own_is_asked_for_that():
    class Frozen(LDRL):
        def inverse_loss(self, network, batch, layer, noise):
            return 0 * super().inverse_loss(network, batch, layer, noise)

    network = built(PAIRS["dense"](), Frozen)
    before = battery.arrays(network.inverse_variables)
    assert float(network.train_step(examples())["inverse_loss_2"]) == 0
    for one, old in zip(battery.arrays(network.inverse_variables), before, strict=True):
        np.testing.assert_array_equal(one, old)


def test_a_pair_with_differences_of_its_own_is_asked_for_these():
    class Squared(dtp_tf.DensePair):
        def inverse_differences(self, base, points, aux=None):
            return [one**2 for one in super().inverse_differences(base, points, aux)]

    network = built([dtp_tf.DensePair(6, **LINEAR), Squared(4, **LINEAR)])
    assert [network.rule.knows_descent(network, layer) for layer in (1, 2)] == [False, True]


@pytest.mark.parametrize("pair", [dtp_tf.DensePair(4), battery.PAIRS["block"][0]()[0]])
def test_inverses_that_end_with_a_nonlinearity_need_the_loss_of_each_example(pair):
    assert not pair.linear_inverse
