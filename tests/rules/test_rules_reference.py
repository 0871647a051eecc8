"""Every learning rule of the library equals `reference`, loss by loss and step by step."""

import dataclasses

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from rule_networks import (
    ETA,
    FORWARD_RATE,
    FROM_OUTPUT,
    INVERSE_RATE,
    SIGMA,
    TRAINED,
    all_close,
    an_epoch,
    batch_of,
    close,
    feedback_weights,
    flat,
    give_noise,
    given,
    library,
    random_batch,
    random_net,
    random_noise,
    updates,
    values,
)

# The autoencoder has losses of another kind: see test_rules_autoencoder.
REFERENCED = (*reference.TARGETS, *reference.SIGNALS)
# The activations of the layers and of their inverses, and whether the latter come first.
SHAPES = (("tanh", "tanh", False), ("sigmoid", "linear", False), ("elu", "elu", True))


def squares(names, values):
    """(rule, value, shape): of each rule all values and all shapes, and of these every pair by some
    rule."""
    return [
        (rule, value, SHAPES[(i + j) % len(SHAPES)])
        for i, rule in enumerate(names)
        for j, value in enumerate(values)
    ]


def cases(found, value="depth"):
    """Parameters (rule, depth or another value, s, r, inverse_first) of (rule, value, shape)."""
    return pytest.mark.parametrize(
        ("rule", value, "s", "r", "inverse_first"),
        [
            pytest.param(rule, one, *shape, id=f"{rule}-{one}-{'-'.join(map(str, shape))}")
            for rule, one, shape in found
        ],
    )


def nets(names):
    """Networks of every rule, of one to three layers and of every shape; four by DTP alone."""
    found = squares([name for name in names if name != "dtp"], (1, 2, 3))
    if "dtp" in names:
        found += [("dtp", depth, shape) for depth in (1, 2, 3, 4) for shape in SHAPES]
    return cases(found)


def tensor(array):
    return tf.constant(array, "float32")


# -- the library equals the reference -------------------------------------------------------------


@nets(["dtp"])
def test_probabilities_equal_the_reference(rule, depth, s, r, inverse_first):
    net, (x, _) = random_net(rule, depth, s, r, inverse_first), random_batch()
    h = reference.activations(net, x)
    network = library(net)
    close(network(x), reference.probabilities(h[-1]), rtol=1e-6)
    all_close(network.activations(tensor(x)), h, rtol=1e-6)


@pytest.mark.slow
@nets(reference.TARGETS)
def test_targets_equal_the_reference(rule, depth, s, r, inverse_first):
    net, (x, y) = random_net(rule, depth, s, r, inverse_first), random_batch()
    h = reference.activations(net, x)
    network = library(net, rule)
    found = network.rule.targets(network, batch_of(network, x, y))
    expected = reference.TARGETS[rule](net, h, y, ETA)
    assert sorted(expected) == list(range(1, depth + 1))
    assert len(found) == depth
    for i, target in enumerate(found, start=1):
        close(target - h[i], expected[i] - h[i], rtol=5e-5)


@nets(reference.SIGNALS)
def test_signals_equal_the_reference(rule, depth, s, r, inverse_first):
    net, (x, y) = random_net(rule, depth, s, r, inverse_first), random_batch()
    network = library(net, rule)
    found = network.rule.signals(network, batch_of(network, x, y))
    expected = reference.SIGNALS[rule](net, reference.activations(net, x), y)
    assert sorted(expected) == list(range(1, depth + 1))
    all_close(found, [expected[i] for i in sorted(expected)])


@pytest.mark.slow
@nets(REFERENCED)
def test_local_losses_and_their_gradients_equal_the_reference(rule, depth, s, r, inverse_first):
    net, (x, y) = random_net(rule, depth, s, r, inverse_first), random_batch()
    h = reference.activations(net, x)
    network = library(net, rule)
    gradients, losses = network.forward_gradients(batch_of(network, x, y))
    expected = reference.local_losses(rule, net, h, y, ETA)
    all_close(losses, [expected[i] for i in range(1, depth + 1)], rtol=5e-5)
    all_close(gradients, flat(reference.forward_gradients(rule, net, h, y, ETA)), rtol=5e-5)


@pytest.mark.slow
@nets(TRAINED)
def test_feedback_losses_and_their_gradients_equal_the_reference(rule, depth, s, r, inverse_first):
    net, (x, y) = random_net(rule, depth, s, r, inverse_first), random_batch()
    h = reference.activations(net, x)
    (eps,) = random_noise(rule, net)
    network = library(net, rule)
    assert [layer + 1 for layer in network.trained_feedback] == sorted(eps)
    losses = reference.feedback_losses(rule, net, h, y, SIGMA, eps)
    gradients = reference.feedback_gradients(rule, net, h, y, SIGMA, eps)
    for layer in network.trained_feedback:
        variables = network.feedback_variables(layer)
        batch = batch_of(network, x, y)
        with tf.GradientTape() as tape:
            loss = network.rule.inverse_loss(network, batch, layer, given(eps[layer + 1]))
            mean = tf.reduce_mean(loss)
        close(loss, losses[layer + 1], rtol=3e-5)
        found = zip(tape.gradient(mean, variables), variables, strict=True)
        found = [np.zeros(v.shape) if gradient is None else gradient for gradient, v in found]
        all_close(found, gradients[layer + 1], rtol=5e-5)


@pytest.mark.slow
@cases(squares(TRAINED, reference.SCHEDULES), "schedule")
def test_an_epoch_moves_every_weight_as_the_reference_does(
    monkeypatch, rule, schedule, s, r, inverse_first
):
    moves_by(schedule, monkeypatch, rule, random_net(rule, 3, s, r, inverse_first))


@cases(squares(["sdtp", "ao_sdtp"], reference.SCHEDULES), "schedule")
def test_so_do_epochs_of_inverses_that_give_their_noise_back(
    monkeypatch, rule, schedule, s, r, inverse_first
):
    net = random_net(rule, 3, s, r, inverse_first)
    moves_by(schedule, monkeypatch, rule, dataclasses.replace(net, denoising=False))


def moves_by(schedule, monkeypatch, rule, net):
    """Train an epoch by a schedule, and check it against the reference's."""
    x, y = random_batch()
    count = 3 if schedule == "inverse-first" else 1
    eps = random_noise(rule, net, count)
    give_noise(monkeypatch, eps)
    network = library(net, rule, schedule=schedule, inverse_steps=count)
    an_epoch(network, x, y)
    rates = dict.fromkeys(eps[0], INVERSE_RATE)
    step = reference.SCHEDULES[schedule]
    moved_as(network, net, step(rule, net, x, y, ETA, SIGMA, eps, FORWARD_RATE, rates))


@nets([name for name in REFERENCED if name not in TRAINED])
def test_a_step_without_feedback_to_train_moves_the_layers_as_the_reference_does(
    rule, depth, s, r, inverse_first
):
    net, (x, y) = random_net(rule, depth, s, r, inverse_first), random_batch()
    network = library(net, rule)
    an_epoch(network, x, y)
    moved_as(network, net, reference.forward_step(rule, net, x, y, ETA, FORWARD_RATE))


@pytest.mark.parametrize("rule", ["dtp", "sdtp", "ao_sdtp", "drl", "ddtp_linear", "ldrl"])
def test_each_layer_may_have_its_own_number_of_steps_noise_and_optimizer(monkeypatch, rule):
    net, (x, y) = random_net(rule, 3), random_batch()
    layers = sorted({**net.g, **net.q})
    counts = dict(zip(layers, (2, 4, 1), strict=False))
    sigma = dict(zip(layers, (0.3, 0.2, 0.5), strict=False))
    rates = dict(zip(layers, (0.04, 0.02, 0.03), strict=False))
    eps = random_noise(rule, net, counts)
    give_noise(monkeypatch, eps)
    network = library(
        net,
        rule,
        schedule="inverse-first",
        inverse_steps=list(counts.values()),
        noise=list(sigma.values()),
        inverse_optimizer=[keras.optimizers.SGD(rate) for rate in rates.values()],
    )
    an_epoch(network, x, y)
    assert [int(one.iterations) for one in network.inverse_optimizer] == list(counts.values())
    step = reference.SCHEDULES["inverse-first"]
    moved_as(network, net, step(rule, net, x, y, ETA, sigma, eps, FORWARD_RATE, rates))


@pytest.mark.parametrize("schedule", ["parallel", "inverse-first"])
@pytest.mark.slow
def test_a_list_of_optimizers_moves_as_one_optimizer_does(monkeypatch, schedule):
    net, (x, y) = random_net("ldrl"), random_batch()
    give_noise(monkeypatch, random_noise("ldrl", net))
    one, many = (
        library(net, "ldrl", schedule=schedule, inverse_steps=1, inverse_optimizer=optimizer)
        for optimizer in (None, [keras.optimizers.SGD(INVERSE_RATE) for _ in net.g])
    )
    for network in (one, many):
        an_epoch(network, x, y)
    all_close(values(many.trainable_variables), values(one.trainable_variables), 1e-6)


@pytest.mark.parametrize(
    "rule",
    ["tp", "dtp", "sdtp", "ao_sdtp", "drl", "ddtp_linear", "ddtp_rhl", "ddtp_control",
     "weight_mirror"],
)  # fmt: skip
def test_the_penalty_is_on_the_kernels_and_not_on_the_biases(monkeypatch, rule):
    net, (x, y) = random_net(rule), random_batch()
    eps = random_noise(rule, net)
    give_noise(monkeypatch, eps)
    # By the alternating schedule one pass would log the losses of one half only.
    settings = {"schedule": "parallel"} if rule in ("sdtp", "ao_sdtp") else {}
    network = library(net, rule, inverse_l2=0.7, **settings)
    logs = an_epoch(network, x, y)
    h, rates = reference.activations(net, x), dict.fromkeys(eps[0], INVERSE_RATE)
    for i, loss in reference.feedback_losses(rule, net, h, y, SIGMA, eps[0], 0.7).items():
        assert float(logs[f"inverse_loss_{i}"]) == pytest.approx(loss.mean(), 1e-5)
    step = reference.SCHEDULES[network.rule.schedule]
    moved_as(network, net, step(rule, net, x, y, ETA, SIGMA, eps, FORWARD_RATE, rates, 0.7))


def moved_as(network, net, after):
    """Check the updates, for they are smaller than the weights and so tell more of a mistake."""
    for variables, old, new in (
        (network.forward_variables, flat(net.f), flat(after.f)),
        (feedback_weights(network), flat(net.g) + flat(net.q), flat(after.g) + flat(after.q)),
    ):
        wanted = [now - before for now, before in zip(new, old, strict=True)]
        all_close(updates(variables, old), wanted, rtol=1e-4)


@pytest.mark.parametrize("rule", REFERENCED)
@pytest.mark.slow
def test_logged_losses_equal_the_reference(monkeypatch, rule):
    net, (x, y) = random_net(rule), random_batch()
    (eps,) = random_noise(rule, net)
    give_noise(monkeypatch, [eps])
    settings = {"schedule": "parallel", "inverse_steps": 1} if rule in TRAINED else {}
    logs = an_epoch(library(net, rule, **settings), x, y)
    h = reference.activations(net, x)
    expected = {
        "loss": reference.output_loss(h, y),
        "accuracy": np.mean(h[-1].argmax(axis=1) == y),
    }
    if rule in reference.TARGETS:  # < signal, h > tells nobody anything
        local = reference.local_losses(rule, net, h, y, ETA)
        expected |= {f"local_loss_{i}": loss.mean() for i, loss in local.items()}
    if rule in TRAINED:
        feedback = reference.feedback_losses(rule, net, h, y, SIGMA, eps)
        expected |= {f"inverse_loss_{i}": loss.mean() for i, loss in feedback.items()}
    assert {name: float(value) for name, value in logs.items()} == pytest.approx(expected, 1e-4)


@pytest.mark.parametrize("rule", REFERENCED)
@pytest.mark.slow
def test_validation_logs_the_relative_error_of_each_inverse(rule):
    net, (x, y) = random_net(rule), random_batch()
    logs = library(net, rule).test_step((tf.constant(x, "float32"), tf.constant(y)))
    h = reference.activations(net, x)
    for i in net.g:
        p = rule in ("sdtp", "ccl") and i == net.last
        above = reference.probabilities(h[i]) if p else h[i]
        error = reference.g(net, i, above) - h[i - 1]
        relative = (error**2).sum(axis=1) / (h[i - 1] ** 2).sum(axis=1)
        assert float(logs[f"reconstruction_error_{i}"]) == pytest.approx(relative.mean(), 1e-5)
    assert set(logs) == {"loss", "accuracy", *(f"reconstruction_error_{i}" for i in net.g)}


# -- the reference's derivatives ------------------------------------------------------------------


@cases([(rule, 2, shape) for rule in TRAINED for shape in SHAPES])
def test_the_reference_gradients_equal_finite_differences(rule, depth, s, r, inverse_first):
    # The hand-made derivatives are worth nothing if they are wrong in the same way as the losses.
    net, (x, y) = random_net(rule, depth, s, r, inverse_first), random_batch()
    h, (eps,) = reference.activations(net, x), random_noise(rule, net)
    l2 = 0.3 if rule in ("drl", "ddtp_linear") else 0.0
    gradients = reference.feedback_gradients(rule, net, h, y, SIGMA, eps, l2)
    for i, by_hand in gradients.items():
        weights = {**net.g, **net.q}[i][-len(by_hand) :]
        for weight, gradient in zip(weights, by_hand, strict=True):
            found, scale = np.zeros_like(weight), np.abs(by_hand[0]).max()
            for index in np.ndindex(weight.shape):
                kept, ends = weight[index], []
                for change in (1e-6, -1e-6):
                    weight[index] = kept + change
                    loss = reference.feedback_losses(rule, net, h, y, SIGMA, eps, l2)[i]
                    ends.append(loss.mean())
                weight[index] = kept
                found[index] = (ends[0] - ends[1]) / 2e-6
            close(found, gradient, 1e-6, scale)


# -- what a rule uses -----------------------------------------------------------------------------


@pytest.mark.parametrize("rule", REFERENCED)
@pytest.mark.slow
def test_a_rule_has_the_inverses_and_the_feedback_of_its_equations(rule):
    network = library(random_net(rule, 3), rule)
    hidden, output = [1, 2], [3]
    inverted = {
        **dict.fromkeys(("tp", "dtp", "fwdtp", "ao_sdtp"), hidden),
        **dict.fromkeys(FROM_OUTPUT, hidden + output),
    }.get(rule, [])
    direct = {
        **dict.fromkeys(("fa", "kp", "weight_mirror"), [1, 2, 3]),
        "ao_sdtp": [3],
        **dict.fromkeys(("ddtp_linear", "ddtp_rhl", "ddtp_control"), [0, 1, 2]),
        **dict.fromkeys(("dfa", "drtp", "local_error"), [0, 1, 2]),
    }.get(rule, [])
    assert network.inverted == inverted
    assert [pair.inverse for pair in network.layers_up] == [i in inverted for i in range(4)]
    assert sorted(network.feedback) == direct
    assert network.trained_feedback == (sorted({*inverted, *direct}) if rule in TRAINED else [])
