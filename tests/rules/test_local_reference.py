"""Locally connected pairs against an independent float64 NumPy reference by plain loops."""

import numpy as np
import pytest
import reference.conv as conv
import reference.local as reference
import tensorflow as tf
from rule_networks import close, float32, give, values

import dtp_tf

RNG = np.random.default_rng(3)
SHAPES = [  # image, kernel, stride, padding
    ((7, 6, 2), 3, 1, "same"),
    ((8, 5, 2), 3, 2, "same"),
    ((8, 5, 2), 3, 2, "valid"),
    ((7, 6, 3), 2, 3, "valid"),
    ((5, 4, 1), 2, 2, "same"),
    ((5, 6, 2), 1, 2, "same"),
]
every_shape = pytest.mark.parametrize(("image", "kernel", "stride", "padding"), SHAPES)


def numbers(*shape):
    return float32(RNG.normal(size=shape))


def made(image, kernel, stride, padding, **settings):
    pair = dtp_tf.LocallyConnected2DPair(3, kernel, stride, padding, "tanh", **settings)
    pair.build((None, *image))
    give(pair.trainable_variables, [numbers(*v.shape) for v in pair.trainable_variables])
    pads = ((0, 0),) * 2
    if padding == "same":
        pads = conv.same_pads(image[:2], kernel, stride)
    return pair, pads


def kernels(weights, kernel, channels):
    """The library's `(height, width, numbers in a window, filters)` as the reference has them."""
    height, width, _, filters = weights.shape
    return weights.reshape(height, width, kernel, kernel, channels, filters)


@every_shape
@pytest.mark.parametrize("inverse_first", [False, True])
@pytest.mark.slow
def test_both_directions_and_their_gradients_are_those_of_the_reference(
    image, kernel, stride, padding, inverse_first
):
    pair, pads = made(image, kernel, stride, padding, inverse_first=inverse_first)
    w, b, v, c = (one.astype("float64") for one in values(pair.trainable_variables))
    w, v = (kernels(one, kernel, image[-1]) for one in (w, v))
    x = numbers(4, *image)
    h = np.tanh(reference.forward(x, w, b, stride, pads))
    t, upward, downward = numbers(*h.shape), numbers(*h.shape), numbers(*x.shape)
    with tf.GradientTape(persistent=True) as tape:
        below, above = (tf.constant(one, "float32") for one in (x, t))
        tape.watch([below, above])
        found, back = pair(below), pair(above, reverse=True)
        loss = tf.reduce_sum(found * upward), tf.reduce_sum(back * downward)
    assert pair.above == h.shape[1:] == pair.compute_output_shape((4, *image))[1:]
    close(found, h)
    slope = upward * (1 - h**2)
    of_kernel, of_bias, of_input = tape.gradient(loss[0], [*pair.forward_variables, below])
    expected = reference.kernel_gradients(x, slope, kernel, stride, pads)
    close(of_kernel, expected.reshape(of_kernel.shape))
    close(of_bias, slope.sum(0))
    close(of_input, reference.transposed(slope, w, stride, pads, image[:2]))

    sent = np.tanh(t) if inverse_first else t
    spread = reference.transposed(sent, v, stride, pads, image[:2]) + c
    expected = spread if inverse_first else np.tanh(spread)
    close(back, expected)
    delta = downward if inverse_first else downward * (1 - expected**2)
    of_kernel, of_bias = tape.gradient(loss[1], pair.inverse_variables)
    # The transposed map is linear in its kernels as f is: pixels and values change their places.
    expected = reference.kernel_gradients(delta, sent, kernel, stride, pads)
    close(of_kernel, expected.reshape(of_kernel.shape))
    close(of_bias, delta.sum(0))


@every_shape
def test_with_the_weights_of_f_the_way_back_is_the_transposed_map(image, kernel, stride, padding):
    pair, _ = made(image, kernel, stride, padding)
    pair.inverse_layer.kernel.assign(pair.forward_layer.kernel)
    x, t = (tf.constant(numbers(3, *shape), "float32") for shape in (image, pair.above))
    linear = pair.pre_activation(x) - pair.pre_activation(tf.zeros_like(x))
    left, right = np.sum(linear * t), np.sum(x * pair.inverse_layer.linear(t))
    np.testing.assert_allclose(left, right, rtol=1e-4)
    feedback = pair.transposed_layer("feedback", use_bias=False, trainable=False)
    feedback.kernel.assign(pair.forward_layer.kernel)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = pair.pre_activation(x)
    close(feedback(t), tape.gradient(outputs, x, output_gradients=t).numpy())


def test_equal_kernels_at_all_places_make_a_convolution():
    pair, _ = made((7, 6, 2), 3, 2, "same")
    convolution = dtp_tf.Conv2DPair(3, 3, 2)
    convolution.build((None, 7, 6, 2))
    kernel = convolution.forward_layer.kernel
    same = np.broadcast_to(np.reshape(kernel, (18, 3)), pair.forward_layer.kernel.shape)
    pair.forward_layer.kernel.assign(same)
    pair.forward_layer.bias.assign(np.zeros(pair.above))
    x = numbers(2, 7, 6, 2)
    close(pair(x), convolution(x).numpy())
