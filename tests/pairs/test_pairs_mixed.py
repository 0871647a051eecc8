"""With mixed_bfloat16 products are rounded where that costs no direction, and g itself is not."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import dtp_tf
from dtp_tf.evaluating.diagnostics import angle

MAKES = {
    "dense": (lambda **given: dtp_tf.DensePair(24, **given), (64,)),
    "dense on images": (lambda **given: dtp_tf.DensePair(24, **given), (8, 8, 3)),
    "conv": (lambda **given: dtp_tf.Conv2DPair(6, 3, **given), (8, 8, 3)),
    "conv with pooling": (lambda **given: dtp_tf.Conv2DPair(6, 3, pool="max", **given), (8, 8, 3)),
}


@pytest.fixture(name="pairs", params=MAKES)
def fixture_pairs(request):
    """Makes the same pair with rounded products and without, and a batch for both."""
    make, below = MAKES[request.param]

    def made(**given):
        rng, found = np.random.default_rng(0), []
        x = tf.constant(rng.normal(size=(16, *below)), "float32")
        for dtype in ("mixed_bfloat16", "float32"):
            keras.utils.set_random_seed(0)
            found.append(make(dtype=dtype, **given))
            found[-1].build(x.shape)
            _, h, aux = found[-1].record(x)  # of the last: the same h for both
        for pair in found:
            bias = pair.inverse_layer.bias
            bias.assign(np.random.default_rng(1).normal(size=bias.shape))
        return *found, h, h + 1e-3 * rng.normal(size=h.shape).astype("float32"), aux

    return made


def test_the_difference_of_a_linear_inverse_is_rounded_and_keeps_its_direction(pairs):
    mixed, exact, h, t, aux = pairs(inverse_first=True)
    rounded, right = (pair.difference(h, t, aux) for pair in (mixed, exact))
    assert rounded.dtype == tf.float32
    assert 0 < angle(rounded.numpy(), right.numpy()) < 1
    coarse = (tf.cast(tf.cast(one, "bfloat16"), "float32") for one in (h, t))
    assert angle(exact.difference(*coarse, aux).numpy(), right.numpy()) > 5


def test_what_an_inverse_learns_from_may_be_rounded(pairs):
    mixed, exact, h, _, aux = pairs(inverse_first=True)
    rounded, right = (pair.reconstruction(h, aux) for pair in (mixed, exact))
    assert rounded.dtype == tf.float32 and np.any(rounded != right)
    np.testing.assert_allclose(rounded, right, atol=0.02)
    np.testing.assert_array_equal(right, exact(h, reverse=True, aux=aux))


def test_gradients_of_a_linear_inverse_keep_their_direction(pairs):
    mixed, exact, h, t, aux = pairs(inverse_first=True)
    u = exact.inverse_inputs(h, [t], aux)
    dx = exact.inverse_product(u[0])
    (rounded, none), (right, _) = (pair.inverse_gradients(u, [dx]) for pair in (mixed, exact))
    assert none is None and rounded.dtype == tf.float32
    assert 0 < angle(rounded.numpy(), right.numpy()) < 1


@pytest.mark.parametrize("inverse_first", [True, False])
def test_the_inverse_itself_is_not_rounded(pairs, inverse_first):
    mixed, exact, h, t, aux = pairs(inverse_first=inverse_first)
    for point in (h, t):
        back = (pair(point, reverse=True, aux=aux) for pair in (mixed, exact))
        np.testing.assert_array_equal(*back)


def test_where_the_inverse_is_not_linear_nothing_of_it_is_rounded(pairs):
    mixed, exact, h, t, aux = pairs(inverse_first=False)
    for name, points in {"difference": (h, t), "reconstruction": (h,)}.items():
        found = (getattr(pair, name)(*points, aux) for pair in (mixed, exact))
        np.testing.assert_array_equal(*found)
