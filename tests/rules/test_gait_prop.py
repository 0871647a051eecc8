"""GAIT-prop: exact inverses, orthogonal weights, its penalty, and what it refuses."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from helpers import invoke, refusal
from rule_networks import all_close, batch_of, library, random_batch, random_net

import dtp_tf
from dtp_tf.errors import SettingError
from dtp_tf.recipes import fitting
from dtp_tf.rules import BP, GAITProp
from dtp_tf.rules.gait_prop import INVERTIBLE, orthogonality_penalty, through_pseudo_inverse


@pytest.mark.parametrize("s", ["linear", "tanh", "sigmoid", "elu"])
@pytest.mark.parametrize("sizes", [(4, 4, 4, 4, 3), (5, 7, 6, 4, 3), (5, 4, 6, 8, 3)])
def test_its_signals_are_differences_to_targets_by_exact_inverses(s, sizes):
    net, (x, y) = random_net("gait_prop", 3, s, sizes=sizes), random_batch()
    x = x[:, : sizes[0]]
    network = library(net, "gait_prop")
    expected = reference.SIGNALS["gait_prop"](net, reference.activations(net, x), y)
    found = network.rule.signals(network, batch_of(network, x, y))
    all_close(found, [expected[i] for i in sorted(expected)], rtol=2e-4)


def orthogonal(sizes, s="tanh"):
    net = random_net("gait_prop", len(sizes) - 2, s, sizes=sizes)
    for i, (weight, bias) in net.f.items():
        left, _, right = np.linalg.svd(weight, full_matrices=False)
        net.f[i] = ((left @ right).astype("float32"), bias)
    return net


@pytest.mark.parametrize("s", ["tanh", "sigmoid", "elu", "linear"])
def test_with_orthogonal_weights_it_becomes_backpropagation(s):
    net, (x, y) = orthogonal((5, 6, 6, 4, 3), s), random_batch()
    one, other = library(net, "gait_prop", increment=1e-6), library(net, "bp")
    found, true = (n.rule.signals(n, batch_of(n, x, y)) for n in (one, other))
    all_close(found, true, rtol=1e-4)


def test_small_increments_lose_nothing_to_rounding():
    """gamma^4 = 1e-24 here: no difference of activations can be told in float32."""
    net, (x, y) = orthogonal((5, 6, 6, 6, 6, 3)), random_batch()
    networks = (library(net, "gait_prop", increment=one) for one in (1e-6, 1e-3))
    found, close = (n.rule.signals(n, batch_of(n, x, y)) for n in networks)
    all_close(found, close, rtol=5e-3)


@pytest.mark.parametrize("name", INVERTIBLE)
def test_slopes_and_inverses_are_those_of_keras(name):
    a = np.array([-2.0, -0.6, -0.1, 0.05, 0.4, 1.5])
    with tf.GradientTape() as tape:
        inputs = tf.constant(a)
        tape.watch(inputs)
        y = keras.activations.get(name)(inputs)
    slope, undone = INVERTIBLE[name]
    np.testing.assert_allclose(slope(y), tape.gradient(y, inputs), rtol=1e-6)
    other = keras.activations.get(name)(tf.constant(a + 0.3))  # across 0, too
    np.testing.assert_allclose(undone(y, y - other), np.full(6, -0.3), rtol=1e-6)


@pytest.mark.parametrize("shape", [(5, 5), (7, 4), (4, 7)])
def test_the_pseudo_inverse_is_numpys(shape):
    kernel = np.random.default_rng(0).normal(size=shape)
    x = np.random.default_rng(1).normal(size=(3, shape[1]))
    found = through_pseudo_inverse(tf.constant(x), tf.constant(kernel))
    np.testing.assert_allclose(found, x @ np.linalg.pinv(kernel), rtol=1e-9)


def test_the_penalty_counts_products_of_different_rows_and_moves_its_own_layer_alone():
    kernel = np.array([[1.0, 2.0], [3.0, -1.0]])
    assert orthogonality_penalty(tf.constant(kernel)).numpy() == pytest.approx(2 * (3 - 2) ** 2)
    net, (x, y) = random_net("gait_prop", 2), random_batch()
    plain, penalized = library(net, "gait_prop"), library(net, "gait_prop", orthogonality=0.5)
    before, after = (
        network.forward_gradients(batch_of(network, x, y))[0] for network in (plain, penalized)
    )
    for i, (one, other) in enumerate(zip(before, after, strict=True)):
        is_hidden_kernel = one.shape.rank == 2 and i < 4
        weight = net.f[i // 2 + 1][0].astype("float64")
        products = weight @ weight.T if len(weight) <= weight.shape[1] else weight.T @ weight
        np.fill_diagonal(products, 0)
        gradient = 4 * (products @ weight if len(products) == len(weight) else weight @ products)
        expected = 0.5 * gradient if is_hidden_kernel else np.zeros(one.shape)
        np.testing.assert_allclose(other - one, expected, rtol=1e-3, atol=1e-5)


def test_dropout_is_taken_back_where_a_unit_was_kept():
    def network(rule):
        keras.utils.set_random_seed(0)
        pairs = [dtp_tf.DensePair(6, dropout=0.4) for _ in range(3)]
        built = dtp_tf.DTPNetwork(pairs, classes=3, rule=rule, seed=1)
        built.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
        built.build((None, 6))
        return built

    x, y = np.random.default_rng(0).normal(size=(8, 6)), np.arange(8) % 3
    found, true = (
        n.rule.signals(n, batch_of(n, x, y)) for n in map(network, (GAITProp(1e-6), BP()))
    )
    all_close(found, true, rtol=1e-3)


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([dtp_tf.DensePair(4), dtp_tf.DensePair(4, "relu")], "layer 2 has relu; use one of linear"),
        ([dtp_tf.Conv2DPair(2), dtp_tf.Conv2DPair(2)], "layer 2 is a Conv2DPair"),
        ([dtp_tf.DensePair(4), dtp_tf.DensePair(4, transmission="sign")], "layer 2 gets"),
    ],
)
def test_layers_that_have_no_inverse_are_refused(pairs, said):
    with pytest.raises(SettingError, match=said):
        dtp_tf.DTPNetwork(pairs, classes=3, rule=GAITProp())


@pytest.mark.parametrize("value", [0, 1.5, -1, float("nan"), "0.1"])
def test_an_increment_out_of_range_is_refused(value):
    with pytest.raises(SettingError, match="`increment` must be"):
        GAITProp(increment=value)


def test_convolutions_above_the_first_layer_are_refused_before_anything_is_read():
    words = ("train", "digits", "--rule", "gait_prop", "--layers", "conv 4 3,conv 4 3")
    assert "`rule` gait_prop inverts the weights of dense layers" in refusal(invoke(*words), 2)
    words = ("train", "digits", "--rule", "gait_prop", "--activation", "relu")
    assert "layer 2 has relu; use one of linear, tanh" in refusal(invoke(*words), 2)
    assert set(INVERTIBLE) == set(fitting.INVERTIBLE)
