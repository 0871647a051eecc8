"""L-DRL with the second term of its loss as what it is on average, the norm of g's Jacobian, or
through the transposed Jacobian."""

import dataclasses

import battery
import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from rule_networks import (
    ETA,
    FORWARD_RATE,
    INVERSE_RATE,
    SIGMA,
    feedback_weights,
    flat,
    give_noise,
    library,
    random_batch,
    random_net,
    random_noise,
    updates,
)
from test_ldrl_descent import LINEAR, PAIRS, built, examples

import dtp_tf
from dtp_tf.errors import SettingError
from dtp_tf.network.batch import Batch
from dtp_tf.rules import LDRL

KNOWN = [kind for kind in PAIRS if kind != "average"]


def network_with(norm, kind, **settings):
    keras.utils.set_random_seed(0)  # initializers draw their seeds when they are made
    return built(PAIRS[kind](), jacobian_norm=norm, **settings)


def analytic(kind):
    return network_with("analytic", kind)


def norms(network, batch, layer):
    """|| J_g(y) ||_F^2 of each example, as the pair says it."""
    pair, y = network.layers_up[layer], batch.h[layer + 1]
    product = pair.squared_slopes(y, batch.aux[layer]) * pair.squared_weights()
    return tf.reduce_sum(tf.reshape(product, (len(y), -1)), axis=1)


@pytest.mark.parametrize("kind", KNOWN)
def test_the_norm_is_that_of_the_derivative_of_the_inverse(kind):
    network = analytic(kind)
    batch = Batch(network, *examples())
    for layer in network.trained_feedback:
        y = batch.h[layer + 1]
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(y)
            (below,) = network.layers_up[layer].invert([y], batch.aux[layer])
        jacobian = tape.batch_jacobian(below, y, experimental_use_pfor=False)
        expected = tf.reduce_sum(tf.reshape(jacobian, (len(y), -1)) ** 2, axis=1)
        np.testing.assert_allclose(norms(network, batch, layer), expected, rtol=1e-4)


@pytest.mark.parametrize("kind", PAIRS)
def test_the_transposed_differential_is_that_of_the_derivative_of_the_inverse(kind):
    network = network_with("transposed", kind)
    batch = Batch(network, *examples())
    for layer in network.trained_feedback:
        pair, y, aux = network.layers_up[layer], batch.h[layer + 1], batch.aux[layer]
        dx, dy = (tf.random.stateless_normal(one.shape, (1, 2)) for one in (batch.h[layer], y))
        with tf.GradientTape() as tape:
            tape.watch(y)
            (below,) = pair.invert([y], aux)
        back = pair.transposed_differential(y, dx, aux)
        np.testing.assert_allclose(back, tape.gradient(below, y, dx), rtol=1e-4, atol=1e-6)
        there = pair.inverse_product(pair.input_differential(y, dy, aux))  # < dx, J dy >, twice
        assert float(tf.reduce_sum(dx * there)) == pytest.approx(
            float(tf.reduce_sum(back * dy)), 1e-3
        )


@pytest.mark.parametrize(
    ("norm", "kind"),
    [*(("analytic", kind) for kind in KNOWN), *(("transposed", kind) for kind in PAIRS)],
)
def test_a_known_descent_is_that_of_the_loss_of_each_example(norm, kind):
    network = network_with(norm, kind)
    batch = Batch(network, *examples())
    for layer in network.trained_feedback:
        with tf.GradientTape() as tape:
            loss = network.rule.inverse_loss(network, batch, layer, network.noise(layer, 0))
            total = tf.reduce_sum(loss)
        expected = tape.gradient(total, network.feedback_variables(layer))
        found, gradients = network.rule.inverse_descent(
            network, batch, layer, network.noise(layer, 0), tf.constant(0.5)
        )
        np.testing.assert_allclose(found, total, rtol=1e-4)
        np.testing.assert_allclose(2 * gradients[0], expected[0], rtol=1e-3, atol=1e-6)
        assert gradients[1] is None
        assert expected[1] is None


@pytest.mark.parametrize("term", ["sampled", "transposed"])
@pytest.mark.parametrize("kind", ["dense", "max"])
def test_it_is_the_mean_of_the_other_terms_over_small_noise(kind, term):
    network, layer = analytic(kind), 1
    for weights in network.inverse_variables:  # orthogonal ones have the same norm, all of them
        weights.assign(tf.random.stateless_normal(weights.shape, (1, 2)))
    batch = Batch(network, *examples())
    y, aux, pair = batch.h[layer + 1], batch.aux[layer], network.layers_up[layer]
    rng, sigma, draws = np.random.default_rng(0), 1e-2, []
    for _ in range(400):
        like = y if term == "sampled" else batch.h[layer]
        noise = tf.constant(sigma * rng.normal(size=like.shape), tf.float32)
        if term == "sampled":
            (change,) = pair.inverse_differences(y, [y + noise], aux)
        else:
            change = pair.transposed_differential(y, noise, aux)
        draws.append(tf.reduce_sum(tf.reshape(change, (len(y), -1)) ** 2, axis=1))
    mean, deviation = np.mean(draws, axis=0), np.std(draws, axis=0) / np.sqrt(len(draws))
    expected = sigma**2 * norms(network, batch, layer).numpy()
    assert np.all(np.abs(mean - expected) < 5 * deviation)
    assert np.all(deviation < 0.1 * expected)


@pytest.mark.parametrize("norm", ["analytic", "transposed"])
@pytest.mark.parametrize("r", ["tanh", "elu"])
def test_a_step_moves_the_weights_as_the_equations_say(monkeypatch, r, norm):
    """In float64 by NumPy: V moves along -2 u^T dx and the second term's gradient, which is
    2 sigma^2 r'(y)^2 V or 2 (r'(y)^2 V dx)^T dx; W as without it."""
    net, (x, y) = random_net("ldrl", 3, "tanh", r, True), random_batch()
    eps = random_noise("ldrl", net)
    give_noise(monkeypatch, eps)
    network = library(net, "ldrl", inverse_steps=1, jacobian_norm=norm)
    logs = battery.an_epoch(network, x, y)
    h, after = reference.activations(net, x), {}
    for i, (v, c) in net.g.items():
        dx = SIGMA * eps[0][i][0]
        u = before(net, i, reference.f(net, i, h[i - 1] + dx)) - before(net, i, h[i])
        slopes = (before(net, i, h[i] + 1e-6) - before(net, i, h[i] - 1e-6)) / 2e-6
        if norm == "analytic":
            second = SIGMA**2 * (slopes**2).mean(axis=0)[:, None] * v
        else:
            second = (slopes**2 * (dx @ v.T)).T @ dx / len(x)
        gradient = -2 * u.T @ dx / len(x) + 2 * second
        after[i] = (v - INVERSE_RATE * gradient, c)
        # The second term is squared in V.
        loss = -2 * np.sum(dx * (u @ v), axis=1).mean() + np.sum(second * v)
        assert float(logs[f"inverse_loss_{i}"]) == pytest.approx(loss, 1e-4)
    taught = dataclasses.replace(net, g=after)  # inverses first
    forward = reference.forward_step("ldrl", taught, x, y, ETA, FORWARD_RATE)
    for variables, old, new in (
        (feedback_weights(network), flat(net.g), flat(after)),
        (network.forward_variables, flat(net.f), flat(forward.f)),
    ):
        moved = [now - then for now, then in zip(new, old, strict=True)]
        battery.near(updates(variables, old), moved, rtol=1e-4)


@pytest.mark.parametrize("norm", ["transposed", "analytic"])
def test_where_g_has_the_transposed_jacobian_of_f_no_draw_moves_a_transposed_term(norm):
    network = network_with(norm, "dense")
    batch = Batch(network, *examples())
    layer = network.trained_feedback[-1]  # the output layer: f and r are linear
    pair = network.layers_up[layer]
    pair.inverse_layer.kernel.assign(tf.transpose(pair.forward_layer.kernel))
    _, (gradient, _) = network.rule.inverse_descent(
        network, batch, layer, network.noise(layer, 0), tf.constant(1.0)
    )
    size = SIGMA**2 * float(tf.norm(pair.forward_layer.kernel))
    share = float(tf.norm(gradient)) / size
    assert share < 1e-3 if norm == "transposed" else share > 0.1


def before(net, i, t):
    return t if i == net.last else reference.ACTIVATIONS[net.r][0](t)


@pytest.mark.parametrize("norm", ["analytic", "transposed"])
def test_weighted_examples_count_by_their_weights(norm):
    x, y = examples()
    networks = [network_with(norm, "max") for _ in range(3)]
    networks[0].train_step((x, y))
    networks[1].train_step((x, y, tf.ones(len(y))))
    networks[2].train_step((x, y, tf.constant([2.0] + [1.0] * (len(y) - 1))))
    one, same, other = (battery.arrays(network.inverse_variables) for network in networks)
    battery.near(same, one, 1e-4)
    assert any(np.abs(a - b).max() > 1e-4 for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("norm", ["analytic", "transposed"])
def test_an_update_of_the_inverses_moves_them_all_and_nothing_else(norm):
    network = network_with(norm, "max")
    network.set_phase(("inverse",))
    kept = battery.arrays(network.forward_variables)
    kernels = [variable for variable in network.inverse_variables if len(variable.shape) > 1]
    moved = battery.arrays(kernels)
    network.train_step(examples())
    for one, old in zip(battery.arrays(network.forward_variables), kept, strict=True):
        np.testing.assert_array_equal(one, old)
    for one, old in zip(battery.arrays(kernels), moved, strict=True):
        assert np.abs(one - old).max() > 0


class Squared(dtp_tf.DensePair):
    def inverse_differences(self, base, points, aux=None):
        return [one**2 for one in super().inverse_differences(base, points, aux)]


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (lambda: dtp_tf.DensePair(4), "layer 2 has an inverse that is no product of r.h."),
        (lambda: battery.PAIRS["block"][0]()[0], "layer 2 has an inverse that is no product"),
        (lambda: Squared(4, **LINEAR), "layer 2 has an inverse that is no product"),
        (
            lambda: dtp_tf.DensePair(4, inverse_first=True, inverse_activation="softmax"),
            "layer 2 has an inverse whose activation is not element-wise",
        ),
        (lambda: dtp_tf.Conv2DPair(4, pool="average", **LINEAR), "layer 2 pools averages"),
        (lambda: dtp_tf.DensePair(4, transmission="sign", **LINEAR), "layer 2 gets signs"),
    ],
)
@pytest.mark.parametrize("norm", ["analytic", "transposed"])
def test_what_it_does_not_know_is_refused_by_name(pair, words, norm):
    first = dtp_tf.Conv2DPair(3, **LINEAR)
    if norm == "transposed" and "averages" in words:  # it takes them as they are
        built([first, pair()], jacobian_norm=norm)
        return
    with pytest.raises(SettingError, match=f"`jacobian_norm` {norm} .*{words}.*; use sampled"):
        built([first, pair()], jacobian_norm=norm)


def test_the_first_layer_has_no_inverse_and_may_be_what_it_likes():
    first = dtp_tf.Conv2DPair(3, pool="average", activation="elu")
    built([first, dtp_tf.DensePair(4, **LINEAR)], jacobian_norm="analytic")


def test_another_word_is_refused():
    with pytest.raises(SettingError, match="`jacobian_norm` must be one of sampled, analytic, tr"):
        LDRL(jacobian_norm="exact")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"inverse_first": False, "inverse_activation": "tanh"}, "needs `inverse_first` true"),
        ({"layers": ("conv 4 3", "conv 4 3 average 2")}, "layer 2 pools averages; use sampled"),
        ({"layers": ("conv 4 3", "residual 4")}, "layer 2 is a residual block; use sampled"),
        ({"layers": ("dense 4", "dense 4 norm")}, "layer 2 is normalisation; use sampled"),
        ({"units": (4, 4), "transmission": "sign"}, "`transmission` sign have none; use sampled"),
    ],
)
@pytest.mark.parametrize("norm", ["analytic", "transposed"])
def test_a_recipe_refuses_it_before_anything_is_read(settings, words, norm):
    def check():
        settled = {"rule": "ldrl", "jacobian_norm": norm, "units": None, **settings}
        dtp_tf.recipe("digits", **settled).check()

    if norm == "transposed" and "averages" in words:
        check()
        return
    with pytest.raises(SettingError, match=words):
        check()


@pytest.mark.parametrize("norm", ["analytic", "transposed"])
def test_a_network_with_it_is_made_again_from_its_configuration(tmp_path, norm):
    network = network_with(norm, "dense")
    network.train_step(examples())
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert loaded.rule.jacobian_norm == norm
