"""Every learning rule of the library against `reference`, and the settings of the rules."""

import json

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
    STEPPED,
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

import dtp_tf
from dtp_tf import rules
from dtp_tf.errors import SettingError
from dtp_tf.rules import BY_NAME

# The autoencoder has losses of another kind: see test_rules_autoencoder.
REFERENCED = (*reference.TARGETS, *reference.SIGNALS)
# The activations of the layers and of their inverses, and whether the latter come first.
SHAPES = (("tanh", "tanh", False), ("sigmoid", "linear", False), ("elu", "elu", True))


def nets(names, depths=(1, 2, 3)):
    """Parameters (rule, depth, s, r, inverse_first); a fourth layer for DTP alone."""
    return pytest.mark.parametrize(
        ("rule", "depth", "s", "r", "inverse_first"),
        [
            pytest.param(rule, depth, *shape, id=f"{rule}-{depth}-{'-'.join(map(str, shape))}")
            for rule in names
            for depth in (*depths, *((4,) if rule == "dtp" else ()))
            for shape in SHAPES
        ],
    )


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


@nets(REFERENCED)
def test_local_losses_and_their_gradients_equal_the_reference(rule, depth, s, r, inverse_first):
    net, (x, y) = random_net(rule, depth, s, r, inverse_first), random_batch()
    h = reference.activations(net, x)
    network = library(net, rule)
    gradients, losses = network.forward_gradients(batch_of(network, x, y))
    expected = reference.local_losses(rule, net, h, y, ETA)
    all_close(losses, [expected[i] for i in range(1, depth + 1)], rtol=5e-5)
    all_close(gradients, flat(reference.forward_gradients(rule, net, h, y, ETA)), rtol=5e-5)


@nets(TRAINED)
def test_feedback_losses_and_their_gradients_equal_the_reference(rule, depth, s, r, inverse_first):
    net, (x, y) = random_net(rule, depth, s, r, inverse_first), random_batch()
    h = reference.activations(net, x)
    (eps,) = random_noise(rule, net)
    network = library(net, rule)
    assert [layer + 1 for layer in network.trained_feedback] == sorted(eps)
    losses = reference.feedback_losses(rule, net, h, SIGMA, eps)
    gradients = reference.feedback_gradients(rule, net, h, SIGMA, eps)
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


@pytest.mark.parametrize("schedule", reference.SCHEDULES)
@nets(TRAINED, depths=(3,))
def test_an_epoch_moves_every_weight_as_the_reference_does(
    monkeypatch, rule, depth, s, r, inverse_first, schedule
):
    net, (x, y) = random_net(rule, depth, s, r, inverse_first), random_batch()
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


@pytest.mark.parametrize("rule", ["dtp", "sdtp", "drl", "ddtp_linear", "ldrl"])
def test_each_layer_may_have_its_own_number_of_steps_noise_and_optimizer(monkeypatch, rule):
    net, (x, y) = random_net(rule, 3), random_batch()
    layers = sorted(net.q if rule == "ddtp_linear" else net.g)
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


@pytest.mark.parametrize("rule", ["drl", "ddtp_linear"])
def test_the_penalty_is_on_the_kernels_and_not_on_the_biases(monkeypatch, rule):
    net, (x, y) = random_net(rule), random_batch()
    eps = random_noise(rule, net)
    give_noise(monkeypatch, eps)
    network = library(net, rule, inverse_l2=0.7)
    logs = an_epoch(network, x, y)
    h, rates = reference.activations(net, x), dict.fromkeys(eps[0], INVERSE_RATE)
    for i, loss in reference.feedback_losses(rule, net, h, SIGMA, eps[0], 0.7).items():
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
        feedback = reference.feedback_losses(rule, net, h, SIGMA, eps)
        expected |= {f"inverse_loss_{i}": loss.mean() for i, loss in feedback.items()}
    assert {name: float(value) for name, value in logs.items()} == pytest.approx(expected, 1e-4)


@pytest.mark.parametrize("rule", REFERENCED)
def test_validation_logs_the_relative_error_of_each_inverse(rule):
    net, (x, y) = random_net(rule), random_batch()
    logs = library(net, rule).test_step((tf.constant(x, "float32"), tf.constant(y)))
    h = reference.activations(net, x)
    for i in net.g:
        above = reference.probabilities(h[i]) if rule == "sdtp" and i == net.last else h[i]
        error = reference.g(net, i, above) - h[i - 1]
        relative = (error**2).sum(axis=1) / (h[i - 1] ** 2).sum(axis=1)
        assert float(logs[f"reconstruction_error_{i}"]) == pytest.approx(relative.mean(), 1e-5)
    assert set(logs) == {"loss", "accuracy", *(f"reconstruction_error_{i}" for i in net.g)}


# -- the reference's derivatives ------------------------------------------------------------------


@nets(TRAINED, depths=(2,))
def test_the_reference_gradients_equal_finite_differences(rule, depth, s, r, inverse_first):
    # The hand-made derivatives are worth nothing if they are wrong in the same way as the losses.
    net, (x, _) = random_net(rule, depth, s, r, inverse_first), random_batch()
    h, (eps,) = reference.activations(net, x), random_noise(rule, net)
    l2 = 0.3 if rule in ("drl", "ddtp_linear") else 0.0
    gradients = reference.feedback_gradients(rule, net, h, SIGMA, eps, l2)
    for i, by_hand in gradients.items():
        weights = (net.q if rule == "ddtp_linear" else net.g)[i]
        for weight, gradient in zip(weights, by_hand, strict=True):
            found, scale = np.zeros_like(weight), np.abs(by_hand[0]).max()
            for index in np.ndindex(weight.shape):
                kept, ends = weight[index], []
                for change in (1e-6, -1e-6):
                    weight[index] = kept + change
                    loss = reference.feedback_losses(rule, net, h, SIGMA, eps, l2)[i]
                    ends.append(loss.mean())
                weight[index] = kept
                found[index] = (ends[0] - ends[1]) / 2e-6
            close(found, gradient, 1e-6, scale)


# -- what a rule uses -----------------------------------------------------------------------------


@pytest.mark.parametrize("rule", REFERENCED)
def test_a_rule_has_the_inverses_and_the_feedback_of_its_equations(rule):
    network = library(random_net(rule, 3), rule)
    hidden, output = [1, 2], [3]
    inverted = {
        **dict.fromkeys(("tp", "dtp", "fwdtp"), hidden),
        **dict.fromkeys(FROM_OUTPUT, hidden + output),
    }.get(rule, [])
    direct = {"ddtp_linear": [0, 1, 2], "fa": [1, 2, 3], "dfa": [0, 1, 2]}.get(rule, [])
    assert network.inverted == inverted
    assert [pair.inverse for pair in network.layers_up] == [i in inverted for i in range(4)]
    assert sorted(network.feedback) == direct
    assert network.trained_feedback == ((inverted or direct) if rule in TRAINED else [])


# -- settings -------------------------------------------------------------------------------------

BAD = [
    ("target_step", {"target_step": 0}, STEPPED),
    ("target_step", {"target_step": -0.1}, STEPPED),
    ("target_step", {"target_step": float("nan")}, STEPPED),
    ("target_step", {"target_step": "large"}, STEPPED),
    ("noise", {"noise": -0.1}, TRAINED),
    ("noise", {"noise": float("nan")}, TRAINED),
    ("noise", {"noise": [0.1, -0.1]}, TRAINED),
    ("noise", {"noise": "loud"}, TRAINED),
    ("noise", {"noise": 0}, ("drl", "ddtp_linear", "ldrl")),
    ("noise", {"noise": [0.1, 0.0]}, ("drl", "ddtp_linear", "ldrl")),
    ("inverse_l2", {"inverse_l2": -0.1}, ("drl", "ddtp_linear")),
    ("inverse_l2", {"inverse_l2": float("nan")}, ("drl", "ddtp_linear")),
    ("schedule", {"schedule": "sideways"}, TRAINED),
    ("inverse_steps", {"inverse_steps": 0, "schedule": "inverse-first"}, TRAINED),
    ("inverse_steps", {"inverse_steps": -1, "schedule": "inverse-first"}, TRAINED),
    ("inverse_steps", {"inverse_steps": 1.5, "schedule": "inverse-first"}, TRAINED),
    ("inverse_steps", {"inverse_steps": True, "schedule": "inverse-first"}, TRAINED),
    ("inverse_steps", {"inverse_steps": [2, 0], "schedule": "inverse-first"}, TRAINED),
    ("inverse_steps", {"inverse_steps": [], "schedule": "inverse-first"}, TRAINED),
    ("inverse_steps", {"inverse_steps": 2, "schedule": "parallel"}, TRAINED),
    ("inverse_steps", {"inverse_steps": 2, "schedule": "alternating"}, TRAINED),
    ("inverse_steps", {"inverse_steps": [1, 2], "schedule": "parallel"}, TRAINED),
]


@pytest.mark.parametrize(
    ("rule", "argument", "settings"),
    [
        pytest.param(rule, argument, settings, id=f"{rule}-{settings}")
        for argument, settings, names in BAD
        for rule in names
    ],
)
def test_an_impossible_setting_is_refused_by_its_name(rule, argument, settings):
    with pytest.raises(SettingError, match=f"`{argument}`") as caught:
        BY_NAME[rule](**settings)
    assert str(settings[argument]) in str(caught.value)


@pytest.mark.parametrize("rule", TRAINED)
def test_several_inverse_steps_need_the_inverse_first_schedule(rule):
    assert BY_NAME[rule](schedule="inverse-first", inverse_steps=2).inverse_steps == 2
    with pytest.raises(SettingError, match="inverse-first"):
        BY_NAME[rule](schedule="parallel", inverse_steps=2)


@pytest.mark.parametrize("rule", ["tp", "dtp", "sdtp"])
def test_the_denoising_rules_take_no_noise_at_all_too(rule):
    net, (x, y) = random_net(rule, 2), random_batch()
    (eps,) = random_noise(rule, net)
    network = library(net, rule, noise=0)
    expected = reference.feedback_losses(rule, net, reference.activations(net, x), 0, eps)
    for layer in network.trained_feedback:
        loss = network.rule.inverse_loss(
            network, batch_of(network, x, y), layer, given(eps[layer + 1])
        )
        close(loss, expected[layer + 1])


@pytest.mark.parametrize("rule", TRAINED)
@pytest.mark.parametrize("argument", ["noise", "inverse_steps"])
def test_a_list_that_has_not_one_value_for_each_trained_layer_is_refused(rule, argument):
    value = [0.1] * 7 if argument == "noise" else [2] * 7
    made = BY_NAME[rule](schedule="inverse-first", **{argument: value})
    network = dtp_tf.DTPNetwork([dtp_tf.DensePair(4), dtp_tf.DensePair(4)], 3, rule=made)
    with pytest.raises(SettingError, match=f"`{argument}` has 7 values.*{type(made).__name__}"):
        network.build((None, 5))


def test_steps_that_differ_need_a_list_of_optimizers():
    with pytest.raises(SettingError, match="`inverse_steps` differ.*`inverse_optimizer`"):
        library(random_net(), schedule="inverse-first", inverse_steps=[1, 2])
    # Equal numbers in a list do not.
    library(random_net(), schedule="inverse-first", inverse_steps=[2, 2])


@pytest.mark.parametrize("rule", TRAINED)
def test_a_list_of_optimizers_of_the_wrong_length_is_refused(rule):
    optimizers = [keras.optimizers.SGD(0.1) for _ in range(5)]
    with pytest.raises(SettingError, match="`inverse_optimizer` has 5 optimizers"):
        library(random_net(rule), rule, inverse_optimizer=optimizers)


@pytest.mark.parametrize("rule", BY_NAME)
def test_a_layer_that_is_refused_its_inverse_is_named(rule):
    pairs = [dtp_tf.DensePair(4), dtp_tf.DensePair(4, inverse=False)]
    if rule in ("tp", "dtp", "fwdtp", *FROM_OUTPUT):
        with pytest.raises(SettingError, match=f"pair 2 has no inverse.*{BY_NAME[rule].__name__}"):
            dtp_tf.DTPNetwork(pairs, 3, rule=BY_NAME[rule]())
    else:
        dtp_tf.DTPNetwork(pairs, 3, rule=BY_NAME[rule]())


SETTINGS = {
    "target_step": 0.25,
    "noise": 0.125,
    "inverse_l2": 0.5,
    "noise_directions": "orthogonal",
    "schedule": "inverse-first",
    "inverse_steps": 3,
}


def taken(rule):
    """The names of the settings that a rule takes."""
    steps = {"target_step"} if rule in STEPPED else set()
    trains = (*TRAINED, "autoencoder")
    feedback = {"noise", "schedule", "inverse_steps"} if rule in trains else set()
    own = {"noise_directions"} if rule in ("drl", "ddtp_linear", "ldrl") else set()
    penalty = {"inverse_l2"} if rule in ("drl", "ddtp_linear") else set()
    return steps | feedback | own | penalty


@pytest.mark.parametrize("rule", BY_NAME)
def test_a_rule_is_made_again_from_its_configuration(rule):
    settings = {name: SETTINGS[name] for name in taken(rule)}
    made = BY_NAME[rule](**settings)
    assert made.get_config() == settings
    again = BY_NAME[rule].from_config(json.loads(json.dumps(made.get_config())))
    assert type(again) is BY_NAME[rule]
    assert again.get_config() == settings
    saved = json.loads(json.dumps(keras.saving.serialize_keras_object(made)))
    again = keras.saving.deserialize_keras_object(saved)
    assert type(again) is BY_NAME[rule]
    assert again.get_config() == settings


@pytest.mark.parametrize("rule", TRAINED)
def test_lists_and_noise_schedules_survive_the_configuration(rule):
    noise = keras.optimizers.schedules.InverseTimeDecay(0.5, decay_steps=10, decay_rate=1.0)
    for given_noise in (noise, [0.25, noise]):
        made = BY_NAME[rule](noise=given_noise, schedule="inverse-first", inverse_steps=[3, 1])
        saved = json.loads(json.dumps(keras.saving.serialize_keras_object(made)))
        again = keras.saving.deserialize_keras_object(saved)
        assert list(again.inverse_steps) == [3, 1]
        *before, last = again.noise if isinstance(given_noise, list) else [again.noise]
        assert before == given_noise[:-1] if isinstance(given_noise, list) else before == []
        assert isinstance(last, keras.optimizers.schedules.InverseTimeDecay)
        assert float(last(10)) == 0.25  # 0.5 / (1 + 10/10)


@pytest.mark.parametrize("rule", TRAINED)
def test_a_noise_schedule_follows_the_training_step(monkeypatch, rule):
    net, (x, y) = random_net(rule, 2), random_batch()
    (eps,) = random_noise(rule, net)
    give_noise(monkeypatch, [eps])
    # 1, 1/2, 1/3, .. at the steps 0, 1, 2, ..
    noise = keras.optimizers.schedules.InverseTimeDecay(1.0, decay_steps=1, decay_rate=1.0)
    network = library(net, rule, noise=noise, schedule="parallel", inverse_steps=1)
    network.optimizer.learning_rate = 0.0
    network.inverse_optimizer.learning_rate = 0.0
    h = reference.activations(net, x)
    for sigma in (1, 1 / 2, 1 / 3):
        expected = reference.feedback_losses(rule, net, h, sigma, eps)
        network.reset_metrics()
        logs = an_epoch(network, x, y)
        for i, loss in expected.items():
            assert float(logs[f"inverse_loss_{i}"]) == pytest.approx(loss.mean(), 1e-4)
    assert int(network.step) == 3


def test_every_rule_says_what_it_is_and_where_it_comes_from():
    for name, rule in BY_NAME.items():
        assert issubclass(rule, rules.Rule)
        assert "References:" in rule.__doc__, name
