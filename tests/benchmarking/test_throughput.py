"""The measurement of training speed."""

import dataclasses
import time

import numpy as np
import pytest

from dtp_tf.benchmarking import throughput
from dtp_tf.benchmarking.throughput import (
    NAMES,
    bp_products,
    compiled_step,
    dtp_products,
    fastest,
    measure_throughput,
    random_images,
)
from dtp_tf.recipes.recipe import recipe

FOUNDING = (3072, 1000, 1000, 1000, 10)
TINY = dict(units=(20, 20), epochs=1)


def few_images(largest_batch):
    data = random_images(largest_batch)
    return dataclasses.replace(data, train=data.train.take(np.arange(2 * largest_batch)))


@pytest.fixture(scope="module")
def found():
    lines = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(throughput, "random_images", few_images)
        patch.setattr(throughput, "WINDOWS", 1)
        result = measure_throughput(
            recipe("cifar10", **TINY), (500,), seconds=0.01, profile=True, report=lines.append
        )
    return result, lines


def test_the_count_of_the_founding_network_is_that_of_the_algorithm():
    # forward 5.1, weights' gradients 5.1, targets 4, noise up 2 and down 2, their gradients 2
    assert 2e-6 * dtp_products(FOUNDING) == pytest.approx(40.3, abs=0.05)
    assert 2e-6 * bp_products(FOUNDING) == pytest.approx(24.3, abs=0.06)


def test_the_products_of_a_small_network_are_counted_by_hand():
    # 2-3-4-5: forward 6 + 12 + 20; the only inverse, of 3-4, five times; bp not down to the pixels
    assert dtp_products((2, 3, 4, 5)) == 2 * 38 + 5 * 12
    assert bp_products((2, 3, 4, 5)) == 2 * 38 + 32


@pytest.mark.slow
def test_every_measurement_has_its_rate_and_its_share_of_the_peak(found):
    result, _ = found
    assert set(result["batch_sizes"]) == {"500"}
    for rates in result["batch_sizes"].values():
        measured = [(rule, name) for rule, names in NAMES.items() for name in names]
        assert {name for _, name in measured} < set(rates)
        for rule, name in measured:
            one = rates[name]
            flops = result["mflop_per_image"][rule]
            assert one["gflops"] == pytest.approx(one["images_per_second"] * flops / 1e3)
            share = one["gflops"] / result["gemm_peak_gflops"]
            assert 0 < one["share_of_peak"] == pytest.approx(share)
            assert one["share_of_limit"] > 0
        ratio = rates["bp_train"]["images_per_second"] / rates["train"]["images_per_second"]
        assert rates["dtp_epoch_over_bp_epoch"] == pytest.approx(ratio)
        for name, share in (
            ("train", "share_of_step"),
            ("bp_train", "share_of_step"),
            ("keras_bp_fit", "share_of_train"),
        ):
            assert 0.01 < rates[name][share] < 100
    assert result["network"] == [3072, 20, 20, 10]
    assert result["gemm_peak_gflops"] > 1


@pytest.mark.slow
def test_what_is_measured_is_said_before(found):
    _, lines = found
    assert lines[0] == "product of two 2048 x 2048 matrices"
    assert [line for line in lines if line.endswith(", batches of 500")] == [
        "step, batches of 500",
        "train, batches of 500",
        "bp_step, batches of 500",
        "bp_train, keras_bp_fit, batches of 500",
        "the operations of a step, batches of 500",
    ]


@pytest.mark.slow
def test_the_profile_tells_the_products_and_the_updates_of_a_step(found):
    result, _ = found
    operations = {one["operation"]: one for one in result["batch_sizes"]["500"]["profile"]}
    products = [name for name in operations if "MatMul" in name]
    assert products
    assert operations["optimizer updates (XLA)"]["times"] == 2  # forward layers and inverses
    assert all(one["milliseconds"] >= 0 for one in operations.values())


@pytest.mark.slow
def test_the_measured_step_trains():
    data = random_images(10)
    step = compiled_step(recipe("cifar10", batch_size=10, **TINY), data)
    assert [step(), step(), step()] == [1, 2, 3]


def test_epochs_and_what_stands_between_them_take_turns(monkeypatch):
    monkeypatch.setattr(throughput, "WINDOWS", 3)
    calls = []
    beside = {"other": (lambda: calls.append(time.sleep(0.001)), 10)}
    found = throughput.epochs_in_turn(
        recipe("cifar10", batch_size=500, **TINY), few_images(500), beside, seconds=0.01
    )
    assert {name: len(seconds) for name, seconds in found.items()} == {"epoch": 3, "other": 3}
    assert all(0.0001 <= one < 0.01 for one in found["other"])  # of an image
    assert len(calls) > 2 + 3


def test_the_fastest_window_counts():
    waits = iter([0, 0, 0.01, 0.05, 0.02, 0.05, 0.05, 0.05])
    seconds = fastest(lambda: time.sleep(next(waits)), seconds=0.01)
    assert 0.02 <= seconds < 0.04


def test_random_images_fill_several_batches_of_any_size():
    data = random_images(2000)
    assert len(data.train) == 40_000
    assert data.train.images.dtype == np.uint8
    assert data.image_shape == (32, 32, 3)
