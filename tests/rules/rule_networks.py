"""Networks of the library with the weights of a `reference.Net`, and given noise in their steps."""

import keras
import numpy as np
import reference
import tensorflow as tf

import dtp_tf
from dtp_tf.network.batch import Batch
from dtp_tf.rules import BY_NAME

BATCH, INPUTS, WIDTHS, CLASSES = 8, 5, (6, 4, 7, 5), 3
# A large step: in float32, differences of targets and activations need to stand out of rounding.
ETA, SIGMA = 4.0, 0.3
FORWARD_RATE, INVERSE_RATE = 0.7, 0.04
TRAINED = tuple(reference.FEEDBACK)  # rules whose feedback learns
NOISELESS = ("ccl", "kp", "local_error")
# Rules with a target step.
STEPPED = tuple(name for name in reference.TARGETS if name != "ccl")
# Rules whose inverses start at the output layer, not at the top hidden layer.
FROM_OUTPUT = ("sdtp", "drl", "ldrl", "ccl")
FEATURES = 9  # of ddtp_rhl and ao_sdtp


def float32(array):
    """The nearest float32 numbers, so that library and reference start from equal weights."""
    return np.asarray(array, "float32").astype("float64")


def random_net(
    rule="dtp", depth=3, s="tanh", r="tanh", inverse_first=False, sizes=None, output="softmax"
):
    """Random weights, biases too, with the feedback that a rule has."""
    rng = np.random.default_rng(depth)
    sizes = sizes or (INPUTS, *WIDTHS[:depth], CLASSES)
    last = depth + 1

    def dense(inputs, outputs):
        weight = rng.normal(size=(inputs, outputs)) / np.sqrt(inputs)
        return float32(weight), float32(0.3 * rng.normal(size=outputs))

    forward = {i: dense(sizes[i - 1], sizes[i]) for i in range(1, last + 1)}
    inverses, maps = {}, {}
    if rule in ("ddtp_linear", "ddtp_control", "dfa", "drtp"):
        maps = {i: dense(sizes[last], sizes[i]) for i in range(1, last)}
    elif rule == "ddtp_rhl":
        random = dense(sizes[last], FEATURES)
        maps = {i: (*random, *dense(FEATURES, sizes[i])) for i in range(1, last - 1)}
        maps[last - 1] = dense(sizes[last], sizes[last - 1])
    elif rule == "ao_sdtp":
        inverses = {i: dense(sizes[i], sizes[i - 1]) for i in range(2, last)}
        random, _ = dense(sizes[last - 1], FEATURES)
        maps = {last: (random, *dense(sizes[last] + FEATURES, sizes[last - 1]))}
    elif rule == "local_error":
        maps = {i: dense(sizes[i], sizes[last]) for i in range(1, last)}
    elif rule in ("fa", "kp", "weight_mirror"):
        maps = {i: dense(sizes[i], sizes[i - 1]) for i in range(2, last + 1)}
    elif rule not in ("bp", "sign_symmetry", "gait_prop", "gnt"):
        highest = last if rule in FROM_OUTPUT else last - 1
        inverses = {i: dense(sizes[i], sizes[i - 1]) for i in range(2, highest + 1)}
    if rule in ("ddtp_linear", "fa", "dfa", "drtp", "kp", "weight_mirror"):
        maps = {i: (weight,) for i, (weight, _) in maps.items()}
    return reference.Net(forward, inverses, maps, s, r, inverse_first, output)


def random_batch():
    rng = np.random.default_rng(7)
    return float32(rng.normal(size=(BATCH, INPUTS))), rng.integers(CLASSES, size=BATCH)


def random_noise(rule, net, updates=1):
    """`updates` times {i: the draws for the feedback of layer i}; a number or {i: a number}."""
    rng = np.random.default_rng(11)
    layers = {**net.g, **net.q}
    counts = updates if isinstance(updates, dict) else dict.fromkeys(layers, updates)

    def draws(i):
        below, own = (len(net.f[i][0]), len(net.f[i][1]))
        widths = {"ldrl": [below, own], **dict.fromkeys(NOISELESS, [])}.get(rule, [below])
        widths = [own] if rule.startswith("ddtp") else widths
        return [float32(rng.normal(size=(BATCH, width))) for width in widths]

    return [
        {i: draws(i) for i in layers if k < counts[i]}
        for k in range(max(counts.values(), default=1))
    ]


def flat(layers):
    return [array for i in sorted(layers) for array in layers[i]]


def library(
    net,
    rule="dtp",
    loss=None,
    metrics=("accuracy",),
    inverse_optimizer=None,
    **settings,
):
    """The library's network with the weights of a reference net, trained by plain SGD."""
    pairs = [
        dtp_tf.DensePair(
            len(net.f[i][1]), net.s, inverse_activation=net.r, inverse_first=net.inverse_first
        )
        for i in range(1, net.last)
    ]
    if rule in STEPPED:
        settings = {"target_step": ETA, **settings}
    if rule in TRAINED and rule not in NOISELESS:
        settings = {"noise": SIGMA, **settings}
    if rule == "ddtp_rhl":
        settings["feedback_units"] = FEATURES
    if rule == "ao_sdtp":
        settings["auxiliary_units"] = FEATURES
    if not net.denoising:
        settings["denoising"] = False
    if rule == "gait_prop":
        settings = {"increment": reference.INCREMENT, "orthogonality": 0.0, **settings}
    if rule == "weight_mirror":
        settings = {"inverse_l2": 0.0, **settings}
    network = dtp_tf.DTPNetwork(
        pairs,
        len(net.f[net.last][1]),
        rule=BY_NAME[rule](**settings),
        output_activation=net.output,
    )
    network.compile(
        keras.optimizers.SGD(FORWARD_RATE),
        inverse_optimizer or keras.optimizers.SGD(INVERSE_RATE),
        loss=loss,
        metrics=metrics,
        run_eagerly=True,
    )
    network.build((None, len(net.f[1][0])))
    give(network.forward_variables, flat(net.f))
    give(feedback_weights(network), flat(net.g) + flat(net.q))
    return network


def feedback_weights(network):
    """All weights of the inverses or of what a rule has in their place, whether they learn."""
    layers = [network.layers_up[i].inverse_layer for i in network.inverted]
    return [weight for layer in [*layers, *network.feedback.values()] for weight in layer.weights]


def give(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def values(variables):
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def updates(variables, before):
    """How far variables moved from the arrays that they were."""
    return [now - old for now, old in zip(values(variables), before, strict=True)]


def close(actual, expected, rtol=1e-5, scale=0.0):
    """Equal up to `rtol` of the largest entry, or of `scale` if that is more."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    atol = rtol * max(np.abs(expected).max(), scale)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


def all_close(actual, expected, rtol=1e-5):
    """`close` for each; a bias after its kernel is measured by the kernel's scale at least.

    Where a rule takes differences of a linear g only, the gradient of its bias is 0 and rounding.
    """
    kernel = 0.0
    for one, other in zip(actual, expected, strict=True):
        close(one, other, rtol, kernel if np.ndim(other) == 1 else 0.0)
        kernel = np.abs(other).max() if np.ndim(other) == 2 else 0.0


def batch_of(network, x, y):
    y = np.asarray(y)
    return Batch(network, tf.constant(x, "float32"), tf.constant(y))


def given(draws):
    """A noise function that gives these arrays, one a call."""
    left = iter(draws)

    def noise(like):
        array = tf.constant(next(left), like.dtype)
        assert array.shape == like.shape
        return array

    return noise


def give_noise(monkeypatch, eps):
    """Let training draw `eps[k]` for the k-th update of the feedback on a batch."""
    monkeypatch.setattr(
        "dtp_tf.network.trainer.gaussian",
        lambda like, seed, step, layer, k, draw: tf.constant(eps[k][layer + 1][draw], "float32"),
    )


def an_epoch(network, x, y):
    """All passes over the data of one epoch, the data being a single batch."""
    for phase in network.rule.passes:
        network.set_phase(phase)
        logs = network.train_step((tf.constant(x, "float32"), tf.constant(y)))
    return logs
