"""The library against `reference.py`, and facts of the equations that hold for any weights."""

import json

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

import dtp_tf
from dtp_tf.errors import SettingError
from dtp_tf.rules import DTP

BATCH, INPUTS, WIDTHS, CLASSES = 8, 5, (6, 4, 7, 5), 3
# A large step: in float32, differences of targets and activations need to stand out of rounding.
ETA, SIGMA = 4.0, 0.3
FORWARD_RATE, INVERSE_RATE = 0.7, 0.4
NETS = [
    pytest.param(depth, s, r, id=f"{depth}-{s}-{r}")
    for depth in (1, 2, 3, 4)
    for s, r in (("tanh", "tanh"), ("sigmoid", "linear"), ("linear", "sigmoid"))
]


def float32(array):
    """The nearest float32 numbers, so that library and reference start from equal weights."""
    return np.asarray(array, "float32").astype("float64")


def random_net(depth, s="tanh", r="tanh", sizes=None):
    rng = np.random.default_rng(depth)
    sizes = sizes or (INPUTS, *WIDTHS[:depth], CLASSES)

    def dense(inputs, outputs):
        weight = rng.normal(size=(inputs, outputs)) / np.sqrt(inputs)
        return float32(weight), float32(0.3 * rng.normal(size=outputs))

    f = {i: dense(sizes[i - 1], sizes[i]) for i in range(1, depth + 2)}
    g = {i: dense(sizes[i], sizes[i - 1]) for i in range(2, depth + 1)}
    return reference.Net(f, g, s, r)


def random_batch():
    rng = np.random.default_rng(7)
    return float32(rng.normal(size=(BATCH, INPUTS))), rng.integers(CLASSES, size=BATCH)


def random_noise(net, updates=1):
    """`updates` times {i: one array for the inverse of layer i}."""
    rng = np.random.default_rng(11)
    shapes = {i: (BATCH, len(net.f[i][0])) for i in net.g}
    return [{i: float32(rng.normal(size=shapes[i])) for i in shapes} for _ in range(updates)]


def flat(layers):
    return [array for i in sorted(layers) for array in layers[i]]


def library(net, loss="sparse_categorical_crossentropy", metrics=("accuracy",), **settings):
    """The library's network with the weights of a reference net, trained by plain SGD."""
    pairs = [
        dtp_tf.DensePair(len(net.f[i][1]), net.s, inverse_activation=net.r)
        for i in range(1, net.top + 1)
    ]
    settings = {"target_step": ETA, "noise": SIGMA, **settings}
    network = dtp_tf.DTPNetwork(pairs, len(net.f[net.top + 1][1]), rule=DTP(**settings))
    network.compile(
        keras.optimizers.SGD(FORWARD_RATE),
        keras.optimizers.SGD(INVERSE_RATE),
        loss=loss,
        metrics=metrics,
        run_eagerly=True,
    )
    network.build((None, len(net.f[1][0])))
    give(network.forward_variables, flat(net.f))
    give(network.inverse_variables, flat(net.g))
    return network


def give(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def values(variables):
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def close(actual, expected, rtol=1e-5):
    """Equal up to `rtol` of the largest entry."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    atol = rtol * np.abs(expected).max()
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


def all_close(actual, expected, rtol=1e-5):
    for one, other in zip(actual, expected, strict=True):
        close(one, other, rtol)


def tensors(arrays):
    return [tf.constant(array, "float32") for array in arrays]


def given_noise(eps):
    return lambda layer, like: tf.constant(eps[layer + 1], "float32")


def give_noise(monkeypatch, eps):
    """Let training draw `eps[k]` for the k-th update of the inverses on a batch."""
    monkeypatch.setattr(
        "dtp_tf.network._normal",
        lambda shape, seed, step, layer, k: tf.constant(eps[k][layer + 1], "float32"),
    )


def an_epoch(network, x, y):
    """All passes over the data of one epoch, the data being a single batch."""
    for phase in network.rule.passes:
        network.set_phase(phase)
        logs = network.train_step((tf.constant(x, "float32"), tf.constant(y)))
    return logs


# -- the library equals the reference -------------------------------------------------------------


@pytest.mark.parametrize(("depth", "s", "r"), NETS)
def test_probabilities_equal_the_reference(depth, s, r):
    net, (x, _) = random_net(depth, s, r), random_batch()
    h = reference.activations(net, x)
    close(library(net)(x), reference.probabilities(net, h[-1]), rtol=1e-6)


@pytest.mark.parametrize(("depth", "s", "r"), NETS)
def test_targets_equal_the_reference(depth, s, r):
    net, (x, y) = random_net(depth, s, r), random_batch()
    h = reference.activations(net, x)
    gradient = reference.top_gradient(net, h[-1], y)
    network = library(net)
    found = network.rule.targets(network, tensors(h), tf.constant(gradient, "float32"))
    expected = reference.targets(net, h, y, ETA)
    assert len(found) == depth
    for i, target in enumerate(found, start=1):
        close(target - h[i], expected[i] - h[i], rtol=5e-5)


@pytest.mark.parametrize(("depth", "s", "r"), NETS)
def test_inverse_losses_and_their_gradients_equal_the_reference(depth, s, r):
    net, (x, _) = random_net(depth, s, r), random_batch()
    h = reference.activations(net, x)
    (eps,) = random_noise(net)
    network = library(net)
    with tf.GradientTape() as tape:
        found = network.rule.inverse_losses(network, tensors(h), given_noise(eps))
        total = sum(tf.reduce_mean(loss) for loss in found.values())
    gradients = tape.gradient(total, network.inverse_variables) if found else []
    expected = reference.inverse_losses(net, h, SIGMA, eps)
    assert {layer + 1 for layer in found} == set(expected)
    for layer, loss in found.items():
        close(loss, expected[layer + 1])
    all_close(gradients, flat(reference.inverse_gradients(net, h, SIGMA, eps)))


@pytest.mark.parametrize(("depth", "s", "r"), NETS)
@pytest.mark.parametrize("schedule", reference.SCHEDULES)
def test_an_epoch_moves_every_weight_as_the_reference_does(monkeypatch, schedule, depth, s, r):
    net, (x, y) = random_net(depth, s, r), random_batch()
    updates = 3 if schedule == "inverse-first" else 1
    eps = random_noise(net, updates)
    give_noise(monkeypatch, eps)
    network = library(net, schedule=schedule, inverse_steps=updates)
    an_epoch(network, x, y)
    step = reference.SCHEDULES[schedule]
    after = step(net, x, y, ETA, SIGMA, eps, FORWARD_RATE, INVERSE_RATE)
    for variables, old, new in (
        (network.forward_variables, net.f, after.f),
        (network.inverse_variables, net.g, after.g),
    ):
        # The updates, for they are smaller than the weights and so tell more of a mistake.
        found = [now - before for now, before in zip(values(variables), flat(old), strict=True)]
        wanted = [now - before for now, before in zip(flat(new), flat(old), strict=True)]
        all_close(found, wanted, rtol=5e-5)


def test_logged_losses_equal_the_reference(monkeypatch):
    net, (x, y) = random_net(3), random_batch()
    eps = random_noise(net)
    give_noise(monkeypatch, eps)
    logs = an_epoch(library(net), x, y)
    h = reference.activations(net, x)
    local = reference.forward_losses(h, reference.targets(net, h, y, ETA))
    inverse = reference.inverse_losses(net, h, SIGMA, eps[0])
    expected = {
        "loss": reference.output_loss(net, h[-1], y),
        "accuracy": np.mean(reference.probabilities(net, h[-1]).argmax(axis=1) == y),
        **{f"local_loss_{i}": loss.mean() for i, loss in local.items()},
        **{f"inverse_loss_{i}": loss.mean() for i, loss in inverse.items()},
    }
    assert {name: float(value) for name, value in logs.items()} == pytest.approx(expected, 1e-5)


def test_validation_logs_the_relative_error_of_each_inverse():
    net, (x, y) = random_net(3), random_batch()
    logs = library(net).test_step((tf.constant(x, "float32"), tf.constant(y)))
    h = reference.activations(net, x)
    for i in net.g:
        error = ((reference.g(net, i, h[i]) - h[i - 1]) ** 2).sum(1) / (h[i - 1] ** 2).sum(1)
        assert float(logs[f"reconstruction_error_{i}"]) == pytest.approx(error.mean(), 1e-5)


# -- numbers that a person can verify -------------------------------------------------------------


def hand_network():
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
    return library(net, target_step=0.5, noise=0.5)


def test_targets_by_hand():
    # Label 0: p - onehot = (-0.5, 0.5); dC/dh_2 = -0.5 * 1 + 0.5 * -1 = -1.
    # t_2 = 2 - 0.5 * -1 = 2.5
    # g(h_2) = 0.25 * 2 + 0.5 = 1; g(t_2) = 0.25 * 2.5 + 0.5 = 1.125
    # t_1 = 1 - 1 + 1.125 = 1.125
    network = hand_network()
    h = tensors([[[2.0]], [[1.0]], [[2.0]]])
    targets = network.rule.targets(network, h, tf.constant([[-1.0]]))
    assert [target.numpy().tolist() for target in targets] == [[[1.125]], [[2.5]]]


def test_one_step_by_hand(monkeypatch):
    # With t_1 = 1.125 and t_2 = 2.5 (the test above):
    #   local losses (1 - 1.125)^2 = 0.015625 and (2 - 2.5)^2 = 0.25
    #   dW_1 = 2 (1 - 1.125) * 2 = -0.5   db_1 = -0.25
    #   dW_2 = 2 (2 - 2.5) * 1   = -1     db_2 = -1
    #   dW_3 = 2 * (-0.5, 0.5) = (-1, 1)  db_3 = (-0.5, 0.5)
    # With eps = 1: h~ = 1 + 0.5 * 1 = 1.5, f_2(h~) = 3, g_2(3) = 0.25 * 3 + 0.5 = 1.25
    #   inverse loss (1.25 - 1.5)^2 = 0.0625
    #   dV_2 = 2 * -0.25 * 3 = -1.5       dc_2 = -0.5
    # Forward rate 0.5, inverse rate 0.25.
    give_noise(monkeypatch, [{2: [[1.0]]}])
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


@pytest.mark.parametrize(("s", "r"), [("tanh", "tanh"), ("sigmoid", "linear")])
def test_a_zero_step_leaves_every_target_at_its_activation(s, r):
    net, (x, _) = random_net(4, s, r), random_batch()
    h = tensors(reference.activations(net, x))
    network = library(net)
    targets = network.rule.targets(network, h, tf.zeros_like(h[-1]))
    for target, activation in zip(targets, h[1:], strict=True):
        np.testing.assert_allclose(target, activation, rtol=0, atol=5e-7)


def test_without_a_top_gradient_the_hidden_layers_do_not_move_at_all():
    # Whole halves and linear layers: float32 holds every number here exactly.
    rng = np.random.default_rng(3)

    def halves(array):
        return rng.integers(-2, 3, size=np.shape(array)) / 2

    net = random_net(3, "linear", "linear")
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


def test_constant_inverses_leave_the_targets_at_the_activations():
    net, (x, y) = random_net(4), random_batch()
    net.g = {i: (0 * weight, bias) for i, (weight, bias) in net.g.items()}
    h = reference.activations(net, x)
    network = library(net)
    gradient = tf.constant(reference.top_gradient(net, h[-1], y), "float32")
    *below, top = network.rule.targets(network, tensors(h), gradient)
    for target, activation in zip(below, h[1:-1], strict=True):
        np.testing.assert_allclose(target, activation, rtol=0, atol=5e-7)
    assert np.abs(top - h[-1]).max() > 0.01


def test_with_exact_inverses_the_difference_correction_vanishes():
    net, (x, y) = random_net(4, "linear", "linear", sizes=(5, 5, 5, 5, 5, 3)), random_batch()
    for i in net.g:
        # Well conditioned, so that the float32 inverse is still exact to float32 accuracy.
        weight = 2 * np.linalg.qr(net.f[i][0])[0]
        net.f[i] = (weight, net.f[i][1])
        net.g[i] = (np.linalg.inv(weight), -net.f[i][1] @ np.linalg.inv(weight))
    h = reference.activations(net, x)
    gradient = reference.top_gradient(net, h[-1], y)
    plain = {net.top: h[net.top] - ETA * gradient}
    for i in range(net.top, 1, -1):
        plain[i - 1] = reference.g(net, i, plain[i])  # target propagation: t_{i-1} = g_i(t_i)
    network = library(net)
    found = network.rule.targets(network, tensors(h), tf.constant(gradient, "float32"))
    all_close(found, [plain[i] for i in sorted(plain)], rtol=1e-6)


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "squared"])
def test_with_transposed_weights_linear_layers_learn_as_by_backpropagation(loss):
    net, (x, y) = random_net(4, "linear", "linear"), random_batch()
    net.g = {i: (net.f[i][0].T, bias) for i, (_, bias) in net.g.items()}
    if loss == "squared":
        loss, y = keras.losses.MeanSquaredError(), np.eye(CLASSES, dtype="float32")[y]
    network = library(net, loss=loss, metrics=None)
    plain, criterion = network.classifier(), keras.losses.get(loss)
    with tf.GradientTape() as tape:
        mean = tf.reduce_mean(criterion(tf.constant(y), plain(tf.constant(x, "float32"))))
    *hidden, output_kernel, output_bias = tape.gradient(mean, plain.trainable_variables)
    an_epoch(network, x, y)
    moved = [
        now - before
        for now, before in zip(values(network.forward_variables), flat(net.f), strict=True)
    ]
    # h_i - t_i = eta dC/dh_i, and the local loss || h_i - t_i ||^2 doubles it.
    all_close(moved[:-2], [-FORWARD_RATE * 2 * ETA * gradient for gradient in hidden], 5e-5)
    all_close(moved[-2:], [-FORWARD_RATE * output_kernel, -FORWARD_RATE * output_bias], 5e-5)


def test_with_pseudo_inverses_the_targets_take_gauss_newton_steps():
    net, (x, y) = random_net(4, "linear", "linear"), random_batch()
    net.g = {i: (np.linalg.pinv(net.f[i][0]), bias) for i, (_, bias) in net.g.items()}
    h = reference.activations(net, x)
    gradient = reference.top_gradient(net, h[-1], y)
    network = library(net)
    targets = network.rule.targets(network, tensors(h), tf.constant(gradient, "float32"))
    wanted = -ETA * gradient
    close(targets[-1] - h[-1], wanted)
    for i in range(net.top, 1, -1):
        # The smallest step d below whose effect d W_i is nearest to the step that is wanted above.
        wanted = np.linalg.lstsq(net.f[i][0].T, wanted.T)[0].T
        close(targets[i - 2] - h[i - 1], wanted)


def test_targets_are_held_constant():
    net, (x, y) = random_net(3), random_batch()
    network = library(net)
    with tf.GradientTape() as tape:
        h = [tf.constant(x, "float32")]
        for pair in network.pairs:
            h.append(pair(h[-1]))
        gradient = tf.constant(reference.top_gradient(net, h[-1].numpy(), y), "float32")
        targets = network.rule.targets(network, h, gradient)
        total = sum(tf.reduce_sum(target) for target in targets)
    gradients = tape.gradient(total, network.trainable_variables)
    assert all(gradient is None for gradient in gradients)


def test_an_inverse_loss_moves_its_own_inverse_and_nothing_else():
    net, (x, _) = random_net(4), random_batch()
    network = library(net)
    (eps,) = random_noise(net)
    with tf.GradientTape(persistent=True) as tape:
        h = [tf.constant(x, "float32")]
        for pair in network.pairs:
            h.append(pair(h[-1]))
        losses = network.rule.inverse_losses(network, h, given_noise(eps))
    for layer, loss in losses.items():
        for gradient in tape.gradient(loss, network.forward_variables):
            assert gradient is None
        for other, pair in enumerate(network.pairs):
            for gradient in tape.gradient(loss, pair.inverse_variables):
                if other == layer:
                    assert np.all(gradient != 0)
                else:
                    assert gradient is None


# -- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "argument"),
    [
        ({"target_step": 0}, "target_step"),
        ({"target_step": -0.1}, "target_step"),
        ({"target_step": float("nan")}, "target_step"),
        ({"noise": -0.1}, "noise"),
        ({"noise": float("nan")}, "noise"),
        ({"schedule": "sideways"}, "schedule"),
        ({"inverse_steps": 0}, "inverse_steps"),
        ({"inverse_steps": -1}, "inverse_steps"),
        ({"inverse_steps": 1.5}, "inverse_steps"),
        ({"inverse_steps": True}, "inverse_steps"),
        ({"inverse_steps": 2}, "inverse_steps"),
        ({"inverse_steps": 2, "schedule": "alternating"}, "inverse_steps"),
    ],
)
def test_an_impossible_setting_is_refused_by_its_name(settings, argument):
    with pytest.raises(SettingError, match=f"`{argument}`") as caught:
        DTP(**settings)
    assert str(settings[argument]) in str(caught.value)


def test_several_inverse_steps_need_the_inverse_first_schedule():
    assert DTP(schedule="inverse-first", inverse_steps=2).inverse_steps == 2
    with pytest.raises(SettingError, match="inverse-first"):
        DTP(schedule="parallel", inverse_steps=2)


def test_a_rule_is_made_again_from_its_configuration():
    rule = DTP(target_step=0.25, noise=0.125, schedule="inverse-first", inverse_steps=3)
    config = rule.get_config()
    assert config == {
        "target_step": 0.25,
        "noise": 0.125,
        "schedule": "inverse-first",
        "inverse_steps": 3,
    }
    again = DTP.from_config(json.loads(json.dumps(config)))
    assert isinstance(again, DTP)
    assert again.get_config() == config


def test_a_noise_schedule_survives_the_configuration():
    noise = keras.optimizers.schedules.InverseTimeDecay(0.5, decay_steps=10, decay_rate=1.0)
    saved = json.loads(json.dumps(keras.saving.serialize_keras_object(DTP(noise=noise))))
    again = keras.saving.deserialize_keras_object(saved)
    assert isinstance(again, DTP)
    assert isinstance(again.noise, keras.optimizers.schedules.InverseTimeDecay)
    assert float(again.noise(10)) == 0.25  # 0.5 / (1 + 10/10)


def test_a_noise_schedule_follows_the_training_step(monkeypatch):
    net, (x, y) = random_net(2), random_batch()
    eps = random_noise(net)
    give_noise(monkeypatch, eps)
    # 1, 1/2, 1/3, .. at the steps 0, 1, 2, ..
    noise = keras.optimizers.schedules.InverseTimeDecay(1.0, decay_steps=1, decay_rate=1.0)
    network = library(net, noise=noise)
    network.optimizer.learning_rate = 0.0
    network.inverse_optimizer.learning_rate = 0.0
    h = reference.activations(net, x)
    for sigma in (1, 1 / 2, 1 / 3):
        expected = reference.inverse_losses(net, h, sigma, eps[0])[2].mean()
        network.reset_metrics()
        logs = an_epoch(network, x, y)
        assert float(logs["inverse_loss_2"]) == pytest.approx(expected, 1e-5)
    assert int(network.step) == 3


def test_without_noise_the_inverses_learn_from_the_activations_themselves():
    net, (x, _) = random_net(2), random_batch()
    h = reference.activations(net, x)
    (eps,) = random_noise(net)
    network = library(net, noise=0)
    losses = network.rule.inverse_losses(network, tensors(h), given_noise(eps))
    close(losses[1], reference.inverse_losses(net, h, 0, eps)[2])
