"""What a traced training step computes, and how often."""

import numpy as np
import pytest
import tensorflow as tf
from battery import BATCH, CLASSES, INPUTS, WIDTHS, build

from dtp_tf.console.tables import make_console
from dtp_tf.data.sets import ImageData, Split
from dtp_tf.recipes.recipe import recipe
from dtp_tf.runs.folder import Run
from dtp_tf.training.building import build_network
from dtp_tf.training.loop import Loop

STEPPED = ("dtp", "drl", "ddtp_linear", "ldrl")


def traced_products(network):
    """The operations of a traced step that multiply by weights, not by transposed ones."""

    @tf.function(autograph=False)
    def step(x, y):
        return network.train_step((x, y))

    inputs = tf.TensorSpec([BATCH, INPUTS]), tf.TensorSpec([BATCH], tf.int64)
    found = step.get_concrete_function(*inputs).graph.get_operations()
    return [op for op in found if op.type == "MatMul" and not op.get_attr("transpose_b")]


def products(rule, steps):
    """How often a step multiplies by the weights of each forward layer, as traced."""
    network = build(rule, "inverse-first", inverse_steps=steps)
    shapes = list(zip((INPUTS, *WIDTHS), (*WIDTHS, CLASSES), strict=True))
    found = [
        tuple(op.inputs[1].shape) for op in traced_products(network) if "forward" in op.name
    ]
    return [found.count(shape) for shape in shapes]


@pytest.mark.slow
@pytest.mark.parametrize("rule", STEPPED)
def test_more_updates_of_the_inverses_repeat_no_forward_pass(rule):
    once, often = products(rule, 1), products(rule, 3)
    assert once[0] == often[0] == 1  # nothing is below the first layer but the images
    noisy = [one - 1 for one in once]  # f at activations with noise, fresh for each update
    assert often == [1 + 3 * one for one in noisy]


@pytest.mark.slow
def test_the_top_target_does_not_go_through_its_inverse_as_a_whole():
    """It differs from the activations by a combination of as many vectors as there are classes."""
    *_, below, top = WIDTHS
    found = [op.inputs for op in traced_products(build("fwdtp"))]
    rows = [a.shape[0] for a, b in found if tuple(b.shape) == (top, below)]
    assert sorted(rows) == [CLASSES, BATCH]


@pytest.mark.slow
@pytest.mark.parametrize("inverse_first", [False, True])
def test_a_difference_is_one_product_where_the_activation_comes_first(inverse_first):
    """Elsewhere it is one of twice the rows, for both values of the inverse."""
    below, above, _ = WIDTHS
    found = [op.inputs for op in traced_products(build("fwdtp", inverse_first=inverse_first))]
    rows = [a.shape[0] for a, b in found if tuple(b.shape) == (above, below)]
    assert rows == [BATCH if inverse_first else 2 * BATCH]


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["parallel", "alternating", "inverse-first"])
def test_a_run_traces_each_of_its_passes_once(schedule, tmp_path):
    settings = recipe(
        "digits", schedule=schedule, units=(6, 5), batch_size=20, epochs=3, inverse_epochs_before=1
    )
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 8, 8, 1), dtype=np.uint8)
    split = Split(images, np.arange(50, dtype=np.int32) % 10)
    data = ImageData("random", split, split, split, tuple("0123456789"), "random")
    network = build_network(settings, data)
    network.build_metrics(images[:1], split.labels[:1])
    run = Run.create(settings, tmp_path / "run")
    loop = Loop(settings, data, network, run, [], (), make_console(quiet=True))
    loop.run_epochs()
    assert len(loop._functions) == 2  # the pass before the first epoch is for the inverses alone
    counts = [one.experimental_get_tracing_count() for one in loop._functions.values()]
    assert counts == [1] * len(counts)
