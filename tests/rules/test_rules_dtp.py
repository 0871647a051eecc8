"""Difference target propagation: numbers to verify by hand, and facts that hold for any weights."""

import dataclasses

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from rule_networks import (
    CLASSES,
    ETA,
    FORWARD_RATE,
    all_close,
    an_epoch,
    batch_of,
    close,
    flat,
    give_noise,
    library,
    random_batch,
    random_net,
    updates,
    values,
)

from dtp_tf.errors import SettingError
from dtp_tf.rules import BY_NAME
from dtp_tf.rules.dtp import difference_targets

# Rules whose targets go down by g_i(t_i) - g_i(h_i) from the top hidden layer or from the logits.
CORRECTED = ("dtp", "fwdtp", "sdtp", "drl", "ldrl")


def targets(network, x, y):
    return network.rule.targets(network, batch_of(network, x, y))


# -- numbers that a person can verify -------------------------------------------------------------


def hand_network(rule="dtp"):
    """One unit a layer, everything linear, and numbers that float32 holds exactly.

    x = 2, h_1 = 2 * 0.5 = 1, h_2 = 1 * 2 = 2; scores 2 * (1, -1) + (-2, 2) = (0, 0), so that
    p = (0.5, 0.5).
    """
    net = reference.Net(
        f={
            1: ([[0.5]], [0.0]),
            2: ([[2.0]], [0.0]),
            3: ([[1.0, -1.0]], [-2.0, 2.0]),
        },
        g={2: ([[0.25]], [0.5])},
        s="linear",
        r="linear",
    )
    return library(net, rule, target_step=0.5, noise=0.5)


@pytest.mark.parametrize("rule", ["dtp", "tp"])
def test_targets_by_hand(rule):
    # Label 0: p - onehot = (-0.5, 0.5); dC/dh_2 = -0.5 * 1 + 0.5 * -1 = -1.
    # t_2 = 2 - 0.5 * -1 = 2.5
    # g(h_2) = 0.25 * 2 + 0.5 = 1; g(t_2) = 0.25 * 2.5 + 0.5 = 1.125
    # dtp: t_1 = 1 - 1 + 1.125 = 1.125, and tp: t_1 = g(t_2), here the same, for g(h_2) = h_1.
    found = targets(hand_network(rule), [[2.0]], [0])
    assert [target.numpy().tolist() for target in found] == [[[1.125]], [[2.5]]]


@pytest.mark.parametrize(("rule", "first"), [("dtp", 1.125), ("tp", 0.625)])
def test_an_inverse_that_is_not_exact_moves_the_targets_of_tp_only(rule, first):
    # With c = 0 instead of 0.5 g(h_2) = 0.5 is not h_1 = 1: dtp takes the 0.5 away again.
    network = hand_network(rule)
    network.inverse_variables[1].assign([0.0])
    found = targets(network, [[2.0]], [0])
    assert [target.numpy().tolist() for target in found] == [[[first]], [[2.5]]]


def test_one_step_by_hand(monkeypatch):
    # With t_1 = 1.125 and t_2 = 2.5 (a test above):
    #   local losses (1 - 1.125)^2 = 0.015625 and (2 - 2.5)^2 = 0.25
    #   dW_1 = 2 (1 - 1.125) * 2 = -0.5   db_1 = -0.25
    #   dW_2 = 2 (2 - 2.5) * 1   = -1     db_2 = -1
    #   dW_3 = 2 * (-0.5, 0.5) = (-1, 1)  db_3 = (-0.5, 0.5)
    # With eps = 1: h~ = 1 + 0.5 * 1 = 1.5, f_2(h~) = 3, g_2(3) = 0.25 * 3 + 0.5 = 1.25
    #   inverse loss (1.25 - 1.5)^2 = 0.0625
    #   dV_2 = 2 * -0.25 * 3 = -1.5       dc_2 = -0.5
    # Forward rate 0.5, inverse rate 0.25.
    give_noise(monkeypatch, [{2: [[[1.0]]]}])
    network = hand_network()
    network.optimizer.learning_rate = 0.5
    network.inverse_optimizer.learning_rate = 0.25
    logs = an_epoch(network, [[2.0]], [0])
    assert float(logs["loss"]) == pytest.approx(0.693147, abs=1e-6)  # -ln 0.5
    assert float(logs["local_loss_1"]) == 0.015625
    assert float(logs["local_loss_2"]) == 0.25
    assert float(logs["inverse_loss_2"]) == 0.0625
    assert [value.tolist() for value in values(network.forward_variables)] == [
        [[0.75]],  # W_1 = 0.5 + 0.5 * 0.5
        [0.125],  # b_1 = 0.5 * 0.25
        [[2.5]],  # W_2 = 2 + 0.5 * 1
        [0.5],  # b_2 = 0.5 * 1
        [[1.5, -1.5]],  # W_3 = (1, -1) + 0.5 * (1, -1)
        [-1.75, 1.75],  # b_3 = (-2, 2) + 0.5 * (0.5, -0.5)
    ]
    assert [value.tolist() for value in values(network.inverse_variables)] == [
        [[0.625]],  # V_2 = 0.25 + 0.25 * 1.5
        [0.625],  # c_2 = 0.5 + 0.25 * 0.5
    ]


# -- facts that hold for any weights --------------------------------------------------------------


@pytest.mark.parametrize("rule", ["dtp", "fwdtp", "drl", "ldrl", "ddtp_linear"])
@pytest.mark.parametrize(("s", "r"), [("tanh", "tanh"), ("sigmoid", "linear")])
def test_a_step_of_almost_zero_leaves_every_target_at_its_activation(rule, s, r):
    net, (x, y) = random_net(rule, 4, s, r), random_batch()
    found = targets(library(net, rule, target_step=1e-12), x, y)
    h = reference.activations(net, x)
    for target, activation in zip(found, h[1:-1], strict=True):
        np.testing.assert_allclose(target, activation, rtol=0, atol=1e-6)


def test_without_a_top_gradient_the_hidden_layers_do_not_move_at_all():
    # Whole halves and linear layers: float32 holds every number here exactly.
    rng = np.random.default_rng(3)

    def halves(array):
        return rng.integers(-2, 3, size=np.shape(array)) / 2

    net = random_net("dtp", 3, "linear", "linear")
    net.f = {i: tuple(halves(array) for array in net.f[i]) for i in net.f}
    net.g = {i: tuple(halves(array) for array in net.g[i]) for i in net.g}
    x, y = random_batch()
    # dC/dh_{M-1} = (p - onehot) W_M^T = 0
    net.f[4] = (np.zeros_like(net.f[4][0]), net.f[4][1])
    network = library(net)
    an_epoch(network, halves(x), y)
    *hidden, output_kernel, output_bias = values(network.forward_variables)
    for found, before in zip(hidden, flat(net.f)[:-2], strict=True):
        assert found.tolist() == before.tolist()
    assert np.all(output_kernel != 0)
    assert np.all(output_bias != net.f[4][1])


@pytest.mark.parametrize("rule", CORRECTED)
def test_constant_inverses_leave_the_targets_at_the_activations(rule):
    net, (x, y) = random_net(rule, 4), random_batch()
    net.g = {i: (0 * weight, bias) for i, (weight, bias) in net.g.items()}
    h = reference.activations(net, x)
    *below, top = targets(library(net, rule), x, y)
    for target, activation in zip(below, h[1:-2], strict=True):
        np.testing.assert_allclose(target, activation, rtol=0, atol=5e-7)
    if rule in ("dtp", "fwdtp"):  # whose top target needs no inverse
        assert np.abs(top - h[-2]).max() > 0.01
    else:
        np.testing.assert_allclose(top, h[-2], rtol=0, atol=5e-7)


def test_with_exact_inverses_the_difference_correction_vanishes():
    net, (x, y) = random_net("dtp", 4, "linear", "linear", sizes=(5, 5, 5, 5, 5, 3)), random_batch()
    for i in net.g:
        # Well conditioned, so that the float32 inverse is still exact to float32 accuracy.
        weight = 2 * np.linalg.qr(net.f[i][0])[0]
        net.f[i] = (weight, net.f[i][1])
        net.g[i] = (np.linalg.inv(weight), -net.f[i][1] @ np.linalg.inv(weight))
    plain = targets(library(net, "tp"), x, y)
    all_close(plain, targets(library(net, "dtp"), x, y), rtol=1e-6)
    h = reference.activations(net, x)
    assert all(
        np.abs(t - activation).max() > 0.1 for t, activation in zip(plain, h[1:], strict=False)
    )


@pytest.mark.parametrize("rule", ["dtp", "fwdtp", "drl", "ldrl", "ddtp_linear"])
@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "squared"])
@pytest.mark.slow
def test_with_transposed_weights_linear_layers_learn_as_by_backpropagation(rule, loss):
    net, (x, y) = random_net(rule, 4, "linear", "linear"), random_batch()
    net.g = {i: (net.f[i][0].T, bias) for i, (_, bias) in net.g.items()}
    transposed = np.eye(CLASSES)
    for i in range(net.last, 1, -1):  # for the direct maps: of all the layers above
        transposed = transposed @ net.f[i][0].T
        if rule == "ddtp_linear":
            net.q[i - 1] = (transposed,)
    if loss == "squared":
        loss, y = keras.losses.MeanSquaredError(), np.eye(CLASSES, dtype="float32")[y]
    network = library(net, rule, loss=loss, metrics=None)
    plain, criterion = network.classifier(), keras.losses.get(loss)
    with tf.GradientTape() as tape:
        mean = tf.reduce_mean(criterion(tf.constant(y), plain(tf.constant(x, "float32"))))
    *hidden, output_kernel, output_bias = tape.gradient(mean, plain.trainable_variables)
    network.set_phase(("forward",))
    network.train_step((tf.constant(x, "float32"), tf.constant(y)))
    moved = updates(network.forward_variables, flat(net.f))
    # h_i - t_i = eta dC/dh_i, and the local loss || h_i - t_i ||^2 doubles it.
    all_close(moved[:-2], [-FORWARD_RATE * 2 * ETA * gradient for gradient in hidden], 5e-5)
    all_close(moved[-2:], [-FORWARD_RATE * output_kernel, -FORWARD_RATE * output_bias], 5e-5)


@pytest.mark.parametrize("rule", ["dtp", "drl"])
def test_with_pseudo_inverses_the_targets_take_gauss_newton_steps(rule):
    net, (x, y) = random_net(rule, 4, "linear", "linear"), random_batch()
    net.g = {i: (np.linalg.pinv(net.f[i][0]), bias) for i, (_, bias) in net.g.items()}
    h = reference.activations(net, x)
    found = targets(library(net, rule), x, y)
    if rule == "dtp":
        highest, wanted = net.top, -ETA * reference.top_gradient(net, h, y)
        close(found[-1] - h[-2], wanted)
    else:
        highest, wanted = net.last, -ETA * reference.logits_gradient(h, y)
    for i in range(highest, 1, -1):
        # The smallest step d below whose effect d W_i is nearest to the step that is wanted above.
        wanted = np.linalg.lstsq(net.f[i][0].T, wanted.T, rcond=None)[0].T
        close(found[i - 2] - h[i - 1], wanted, 3e-5)


def test_the_first_target_of_sdtp_needs_no_gradient(monkeypatch):
    net, (x, y) = random_net("sdtp", 2), random_batch()
    network = library(net, "sdtp")
    batch = batch_of(network, x, y)
    monkeypatch.setattr(batch, "_loss_gradient", None)  # what every gradient comes from
    monkeypatch.setattr(batch, "tape", None)
    assert len(network.rule.targets(network, batch)) == 2


@pytest.mark.parametrize("rule", ["sdtp", "ao_sdtp"])
def test_the_label_itself_is_the_target_of_the_output_unless_a_step_is_asked_for(rule):
    net, (x, y) = random_net(rule, 2), random_batch()
    batch = batch_of(library(net, rule), x, y)
    one_hot, p = np.eye(3)[y], batch.answers.numpy()
    np.testing.assert_array_equal(BY_NAME[rule]().output_target(batch), one_hot)
    half = BY_NAME[rule](target_step=0.5).output_target(batch)
    np.testing.assert_allclose(half, (p + one_hot) / 2, rtol=1e-6)


def test_transposed_weights_at_the_output_make_sdtp_take_the_steps_of_dtp():
    # y - p is minus the gradient by the logits: g_M(p + eta (y - p)) - g_M(p) = eta (y - p) W^T.
    net, (x, y) = random_net("sdtp", 3, inverse_first=True), random_batch()
    net.g[net.last] = (net.f[net.last][0].T, net.g[net.last][1])
    below = dataclasses.replace(net, g={i: g for i, g in net.g.items() if i < net.last})
    found = targets(library(net, "sdtp", target_step=0.5), x, y)
    expected = targets(library(below, "dtp", target_step=0.5), x, y)
    h = reference.activations(net, x)[1:-1]
    for one, other, before in zip(found, expected, h, strict=True):
        close(one - before, other - before)


def test_sdtp_leaves_an_output_that_is_right_alone():
    # Probabilities that are the label: g_M(p) = g_M(y), and no target differs.
    net, (x, y) = random_net("sdtp", 3), random_batch()
    y = np.zeros_like(y)
    net.f[net.last] = (0 * net.f[net.last][0], np.array([200.0, 0.0, 0.0]))
    for target, h in zip(
        targets(library(net, "sdtp"), x, y), reference.activations(net, x)[1:], strict=False
    ):
        np.testing.assert_allclose(target, h, rtol=0, atol=5e-7)


@pytest.mark.parametrize("aux", [(), ([None, None],)])
def test_arguments_of_difference_targets_before_are_refused_with_what_to_pass_now(aux):
    h = [tf.zeros((2, 3))] * 3
    with pytest.raises(SettingError, match=r"takes \(network, batch, .*got a list.*pass `batch`"):
        difference_targets(None, h, h[1], 1, *aux)
