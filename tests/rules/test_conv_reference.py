"""Convolutional nets against an independent float64 NumPy reference by plain loops."""

import keras
import numpy as np
import pytest
import reference.conv as reference
import tensorflow as tf
from reference.conv import Layer
from rule_networks import batch_of, close, float32, give, updates, values

import dtp_tf
from dtp_tf.pairs.pooling import Window, max_pool_with_choice, pick, unpool
from dtp_tf.rules import BY_NAME

RNG = np.random.default_rng(3)
ETA, SIGMA, BATCH, CLASSES = 4.0, 0.3, 5, 3
IMAGE = (7, 6, 2)
# padding of the library: (padding and stride of the reference)
PADDINGS = ["same", "valid", 1, 2]


def numbers(*shape, scale=1.0):
    return float32(scale * RNG.normal(size=shape))


def pads_of(padding, shape, kernel, stride):
    if padding == "same":
        return reference.same_pads(shape, kernel, stride)
    return ((0, 0),) * 2 if padding == "valid" else ((padding, padding),) * 2


# -- the parts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (2, 1), (2, 2), (3, 3), (1, 2)])
@pytest.mark.parametrize("image", [(7, 6, 2), (8, 5, 2)])
def test_convolutions_and_their_way_back_are_those_of_the_reference(padding, kernel, stride, image):
    pair = dtp_tf.Conv2DPair(4, kernel, stride, padding, "linear")
    pair.build((None, *image))
    w, b, v, c = (numbers(*variable.shape) for variable in pair.trainable_variables)
    give(pair.trainable_variables, (w, b, v, c))
    pads = pads_of(padding, image[:2], kernel, stride)
    x = numbers(3, *image)
    expected = reference.convolve(x, w, stride, pads) + b
    assert pair.above == expected.shape[1:] == pair.compute_output_shape((3, *image))[1:]
    close(pair(x), expected)
    t = numbers(*expected.shape)
    close(pair(t, reverse=True), reference.transposed(t, v, stride, pads, image[:2]) + c)


POOLINGS = [(2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 3, 0), (3, 3, 2), (4, 2, 0)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "stride", "padding", "compiled"),
    [*((*one, False) for one in POOLINGS), *((*one, True) for one in POOLINGS[1:4:2])],
)
def test_pooling_tells_its_choice_and_unpooling_follows_it(size, stride, padding, compiled):
    x = numbers(3, 9, 7, 2, scale=1.0) - 3  # mostly below zero: padding must not win
    pooled, choice = reference.max_pool(x, size, stride, padding)
    window = Window(size, stride, ((padding, padding),) * 2, (9, 7))

    def run(x, values):
        with tf.GradientTape() as tape:
            tape.watch(x)
            found, chosen = max_pool_with_choice(x, window)
        back = tape.gradient(found, x, output_gradients=values)
        return found, chosen, unpool(values, chosen, window), back, pick(x, chosen, window)

    values = numbers(*pooled.shape)
    run = tf.function(run) if compiled else run
    found, chosen, scattered, back, picked = run(*(tf.constant(a, "float32") for a in (x, values)))
    close(found, pooled)
    np.testing.assert_array_equal(chosen, choice)
    assert tuple(found.shape[1:3]) == window.pooled
    expected = reference.unpool(values, choice, size, stride, padding, (9, 7))
    close(scattered, expected)
    close(back, expected)
    close(picked, pooled)


def test_of_equal_pixels_the_first_is_taken():
    window = Window(2, 2, ((0, 0),) * 2, (2, 2))
    _, choice = max_pool_with_choice(tf.constant([[[[1.0], [2.0]], [[2.0], [2.0]]]]), window)
    assert choice.numpy().ravel().tolist() == [1]


def test_pixels_that_several_windows_take_get_the_sum():
    # One large pixel in the middle of 3x3, which all four windows of 2x2 take.
    x = tf.constant(np.pad([[5.0]], 1).reshape(1, 3, 3, 1), "float32")
    window = Window(2, 1, ((0, 0),) * 2, (3, 3))
    _, choice = max_pool_with_choice(x, window)
    values = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    found = unpool(tf.reshape(values, (1, 2, 2, 1)), choice, window)
    np.testing.assert_array_equal(found[0, ..., 0], np.pad([[10.0]], 1))


# -- whole steps ----------------------------------------------------------------------------------


def small_net(inverse_first, s="tanh"):
    """conv 3x3, max 3x3/2 p1 -> conv 3x3/2 p1 -> dense 5 -> 3 classes, with all inverses."""

    def pair(*shape):
        return numbers(*shape, scale=0.3), numbers(shape[-1], scale=0.3)

    def back(shape, below):
        return numbers(*shape, scale=0.3), numbers(below, scale=0.3)

    settings = dict(s=s, r=s, inverse_first=inverse_first)
    one = ((1, 1), (1, 1))
    # 7x6x2 -> 4x3x3 -> 2x2x4 -> 5 -> 3
    return [
        Layer(pair(3, 3, 2, 3), None, 1, one, (3, 2, 1), **settings),
        Layer(pair(3, 3, 3, 4), back((3, 3, 3, 4), 3), 2, one, None, **settings),
        Layer(pair(16, 5), back((5, 16), 16), **settings),
        Layer(pair(5, CLASSES), back((CLASSES, 5), 5), s="linear", r="linear",
              inverse_first=inverse_first),
    ]


def pooled_net(inverse_first):
    """The pooling in the second layer, so that its inverse unpools."""
    net = small_net(inverse_first)
    first = Layer(net[0].f, None, 2, ((1, 1), (1, 1)), None, "tanh", "tanh", inverse_first)
    kernels = net[1]
    # 7x6x2 -> 4x3x3 -> conv -> 4x3x4, max 2x2/1 -> 3x2x4
    second = Layer(
        kernels.f, kernels.g, 1, ((1, 1), (1, 1)), (2, 1, 0), "tanh", "tanh", inverse_first
    )
    dense = Layer(
        (numbers(24, 5, scale=0.3), net[2].f[1]), (numbers(5, 24, scale=0.3), numbers(24)),
        s="tanh", r="tanh", inverse_first=inverse_first,
    )  # fmt: skip
    return [first, second, dense, net[3]]


def library(net, rule, **settings):
    pairs = []
    for layer in net[:-1]:
        shared = dict(
            activation=layer.s, inverse_activation=layer.r, inverse_first=layer.inverse_first
        )
        if layer.dense:
            pairs.append(dtp_tf.DensePair(layer.f[0].shape[1], **shared))
            continue
        pool = {}
        if layer.pool is not None:
            names = ("pool_size", "pool_strides", "pool_padding")
            pool = {"pool": "max", **dict(zip(names, layer.pool, strict=True))}
        pairs.append(dtp_tf.Conv2DPair(
            layer.f[0].shape[-1], len(layer.f[0]), layer.stride, 1, **shared, **pool
        ))  # fmt: skip
    if not net[0].inverse_first:  # the library's output layer then has the activation of the last
        net[-1].r = net[-2].r
    network = dtp_tf.DTPNetwork(pairs, CLASSES, rule=BY_NAME[rule](**settings))
    network.build((None, *IMAGE))
    network.compile(
        keras.optimizers.SGD(1.0), keras.optimizers.SGD(1.0), run_eagerly=True
    )
    give(network.forward_variables, [array for layer in net for array in layer.f])
    trained = [net[i] for i in network.trained_feedback]
    give(network.inverse_variables, [array for layer in trained for array in layer.g])
    return network


def batch():
    return numbers(BATCH, *IMAGE), RNG.integers(CLASSES, size=BATCH)


def flat(layers):
    return [array for layer in layers for array in layer]


NETS = {"strided": small_net, "pooled": pooled_net}


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("inverse_first", [False, True])
@pytest.mark.parametrize("rule", ["dtp", "ldrl"])
@pytest.mark.slow
def test_one_step_is_that_of_the_reference(monkeypatch, rule, inverse_first, kind):
    net = NETS[kind](inverse_first)
    x, y = batch()
    network = library(
        net, rule, target_step=ETA, noise=SIGMA, schedule="parallel", inverse_steps=1
    )
    h, caches = reference.activations(net, x)
    found = batch_of(network, x, y)
    for one, expected in zip(found.h, h, strict=True):
        close(one, expected)
    assert [aux is not None for aux in found.aux] == [layer.pool is not None for layer in net]
    taught = reference.targets(net, h, caches, y, ETA, from_logits=rule == "ldrl")
    for one, i in zip(network.rule.targets(network, found), taught, strict=True):
        close(one - found.h[i], taught[i] - h[i], 1e-3)

    gradients = {"dtp": reference.dtp_gradients, "ldrl": reference.ldrl_gradients}[rule]
    draws = {i: [numbers(*h[i].shape), numbers(*h[i + 1].shape)] for i in network.trained_feedback}
    monkeypatch.setattr(
        "dtp_tf.network.trainer.gaussian",
        lambda like, seed, step, layer, k, draw: tf.constant(draws[layer][draw], "float32"),
    )
    before = values(network.forward_variables), values(network.inverse_variables)
    network.train_step((tf.constant(x, "float32"), tf.constant(y)))
    moved = updates(network.forward_variables, before[0])
    expected = flat(reference.forward_gradients(net, h, caches, y, taught))
    for one, gradient in zip(moved, expected, strict=True):
        close(one, -gradient, 1e-4, 1e-3)
    moved = updates(network.inverse_variables, before[1])
    expected = flat(
        gradients(net, h, caches, i + 1, SIGMA, draws[i]) for i in network.trained_feedback
    )
    for one, gradient in zip(moved, expected, strict=True):
        close(one, -gradient, 1e-4, 1e-3)


@pytest.mark.parametrize("kind", NETS)
def test_backpropagation_is_that_of_the_reference_and_of_keras(kind):
    net = NETS[kind](False)
    x, y = batch()
    network = library(net, "bp")
    gradients, _ = network.forward_gradients(batch_of(network, x, y))
    expected = flat(reference.forward_gradients(net, *reference.activations(net, x), y))
    for one, gradient in zip(gradients, expected, strict=True):
        close(one, gradient, 1e-4)
    classifier = network.classifier()
    with tf.GradientTape() as tape:
        scores = classifier(tf.constant(x, "float32"))
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, scores))
    for one, gradient in zip(
        gradients, tape.gradient(loss, classifier.trainable_variables), strict=True
    ):
        close(one, gradient, 1e-4)
