"""The least time of a step: which products it needs, and what its optimizers move."""

import pytest

from dtp_tf.benchmarking import limits
from dtp_tf.benchmarking.limits import (
    Product,
    least_step,
    memory_bandwidth,
    needed_by_bp,
    needed_by_dtp,
    weights_of,
)

WIDTHS = 2, 3, 4, 5, 6  # of inputs, three hidden layers and classes


def count(products):
    return sum(one.rows * one.below * one.above for one in products)


def test_backpropagation_needs_every_layer_three_times_but_the_first():
    forward = 2 * 3 + 3 * 4 + 4 * 5 + 5 * 6
    assert count(needed_by_bp(WIDTHS, 7)) == 7 * (3 * forward - 2 * 3)


def test_a_difference_of_inverses_is_one_product_at_the_top_and_two_below():
    forward = 2 * 3 + 3 * 4 + 4 * 5 + 5 * 6
    noise = 3 * (3 * 4 + 4 * 5)  # up, down, weights
    assert count(needed_by_dtp(WIDTHS, 7)) == 7 * (2 * forward + noise + 4 * 5 + 2 * (3 * 4))
    linear = needed_by_dtp(WIDTHS, 7, inverse_first=True)
    assert count(linear) == 7 * (2 * forward + noise + 4 * 5 + 3 * 4)


def test_the_numbers_that_an_optimizer_updates_are_kernels_and_biases():
    forward = 2 * 3 + 3 + 3 * 4 + 4 + 4 * 5 + 5 + 5 * 6 + 6
    assert weights_of(WIDTHS, inverses=False) == forward
    assert weights_of(WIDTHS, inverses=True) == forward + (3 * 4 + 3) + (4 * 5 + 4)


@pytest.mark.parametrize(("kind", "shape"), [("up", (7, 3)), ("down", (7, 2)), ("weights", (2, 3))])
def test_a_product_is_measured_in_its_own_shape(kind, shape, monkeypatch):
    made = []
    monkeypatch.setattr(limits, "_waited", made.append)
    limits._call(Product(kind, rows=7, below=2, above=3))()
    assert tuple(made[0].shape) == shape


def test_the_limit_makes_every_product_and_moves_the_memory(monkeypatch):
    made = []
    monkeypatch.setattr(limits, "_waited", lambda tensor: made.append(tuple(tensor.shape)))
    least_step([Product("up", 1, 2, 3), Product("down", 1, 2, 3)], weights=9)()
    assert made == [(1, 3), (1, 2), (9 * 7 // 3,)]  # a sum in place moves three numbers each


def test_the_memory_is_measured_in_bytes_per_second(monkeypatch):
    monkeypatch.setattr(limits, "STREAM", 2**18)
    assert 1e8 < memory_bandwidth(windows=2) < 1e13
