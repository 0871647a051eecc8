"""What a profile says of the programs that XLA makes."""

import pytest

from dtp_tf.benchmarking import profiling
from dtp_tf.benchmarking.profiling import profile_step
from dtp_tf.benchmarking.throughput import compiled_step, random_images
from dtp_tf.recipes.recipe import recipe


@pytest.mark.slow
def test_a_profile_tells_updates_from_pooling():
    small = recipe(
        "cifar10-lenet",
        rule="ldrl",
        layers=("conv 2 3 max 2", "conv 2 3 max 2", "dense 4"),
        batch_size=5,
    )
    found = {one["operation"]: one["times"] for one in profile_step(
        compiled_step(small, random_images(5)), steps=2
    )}  # fmt: skip
    assert found["optimizer updates (XLA)"] == 2
    assert found["pooling (XLA)"] > 2


def test_a_program_is_that_of_the_part_that_begins_first_after_it():
    programs = [(10, "pooling"), (20, "optimizer updates")]
    assert profiling._first_after(programs, 9) == "pooling"
    assert profiling._first_after(programs, 11) == "optimizer updates"
    assert profiling._first_after([], 11) == "optimizer updates"
