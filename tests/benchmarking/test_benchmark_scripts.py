"""The scripts in benchmarks/ that measure for the docs: what they count, ask for and draw."""

import csv

import convolution
import inverse_cost
import keras
import numpy as np
import pytest
import scaling
import stacked_products
import step_settings
import target_step
from click.testing import CliRunner
from PIL import Image
from points import write_table

import dtp_tf
from dtp_tf.benchmarking.throughput import random_images
from dtp_tf.training.building import build_network
from dtp_tf.training.symmetric import start_symmetric

# Kernel weights times places: 5x5x3x32 on 32x32, 5x5x32x64 on 16x16, 4096x512, 512x10.
FORWARD = [2457600, 13107200, 2097152, 5120]
ALL, INVERTED = sum(FORWARD), sum(FORWARD[1:])


@pytest.fixture(scope="module")
def images():
    return random_images(10)


def network(images, rule, **settings):
    return build_network(dtp_tf.recipe("cifar10-cnn", rule=rule, **settings), images)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "settings", "expected"),
    [
        ("bp", {}, 2 * ALL + INVERTED),
        ("dfa", {}, 2 * ALL + 10 * (16 * 16 * 32 + 8 * 8 * 64 + 512)),
        # DTP has no inverse of the output layer: two values for targets, but one in the layer below
        # it; f, g and its gradient.
        ("dtp", {}, 2 * ALL + 5 * (INVERTED - 5120) - 2097152),
        # One difference for targets; f, one difference of g and two gradients, three times.
        ("ldrl", {"inverse_steps": 3}, 2 * ALL + (1 + 3 * 4) * INVERTED),
    ],
)
def test_the_products_of_a_step_are_those_counted_by_hand(images, rule, settings, expected):
    model = network(images, rule, **settings)
    assert convolution.multiply_adds(model) == FORWARD
    assert convolution.products(model) == expected


@pytest.mark.parametrize("name", inverse_cost.POINTS)
def test_the_command_of_every_point_of_the_sweep_trains_its_recipe(name):
    recipe = dtp_tf.recipe(
        inverse_cost.RECIPE, **{"rule": "ldrl", **inverse_cost.SHARED, **inverse_cost.POINTS[name]}
    )
    words = inverse_cost.command_of(inverse_cost.POINTS[name])
    assert words[:2] == ["train", "cifar10-lenet"]
    names = (word.removeprefix("--").replace("-", "_") for word in words[2::2])
    assert dtp_tf.recipe(words[1], **dict(zip(names, words[3::2], strict=True))) == recipe


def test_a_point_of_the_sweep_is_read_from_the_last_epoch(tmp_path):
    with (tmp_path / "log.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", "val_accuracy", "angle_bp_1", "angle_bp_2", "angle_bp_3"])
        writer.writerows([[1, 0.3, 50, 40, 30], [2, 0.45678, 12.34, 5.06, 0]])
    assert inverse_cost.found(tmp_path) == {
        "validation_accuracy": 0.4568, "angle_bp_1": 12.3, "angle_bp_2": 5.1, "angle_bp_3": 0.0,
    }  # fmt: skip


def test_lines_of_the_scaling_that_are_not_measured_again_stay(tmp_path):
    rows = [{"line": name, "seconds_per_epoch": "2.0"} for name in ("dtp", "dtp", "disk")]
    path = tmp_path / "scaling.csv"
    assert scaling.read_rows(path) == {}
    write_table(path, ("line", "seconds_per_epoch"), rows)
    assert scaling.read_rows(path) == {"dtp": rows[:2], "disk": rows[2:]}


def test_lines_of_the_scaling_that_do_not_exist_are_refused(tmp_path):
    words = ["--out", str(tmp_path), "--data-dir", "data", "--lines", "dtp,vgg"]
    said = CliRunner().invoke(scaling.main, words)
    assert said.exit_code == 2 and "'vgg' is none of dtp, ldrl" in said.output


@pytest.mark.slow
def test_the_sweep_and_the_scaling_are_drawn(tmp_path):
    rows = [
        {
            "point": name, "cost": 1.0 + i, "validation_accuracy": 0.5,
            "angle_bp_1": 20.0, "angle_bp_2": 10.0, "angle_bp_3": 5.0,
        }
        for i, name in enumerate(inverse_cost.POINTS)
    ]  # fmt: skip
    inverse_cost.draw(rows, tmp_path / "cost.png")
    points = {
        name: [{"seconds_per_epoch": 2.0, "peak_memory_gb": 1.0}] * len(values)
        for name, (_, values, _) in scaling.LINES.items()
    }
    scaling.draw(points, tmp_path / "scaling.png")
    for name in ("cost.png", "scaling.png"):
        with Image.open(tmp_path / name) as image:
            assert image.width > 800 and image.height > 400


def test_stacked_products_are_timed_beside_single_ones():
    layer = keras.layers.Dense(8, "tanh")
    apart, together = stacked_products.measure(layer, (4,), updates=3, seconds=0.001)
    assert 0 < apart < 1000 and 0 < together < 1000


@pytest.mark.slow
def test_only_a_small_step_leaves_targets_beside_backpropagation_where_units_are_near_saturation():
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    settings = {"inverse_first": True, "inverse_activation": "matched"}
    recipe = dtp_tf.recipe("digits", units=(24, 24, 24), **settings)
    model = build_network(recipe, random_images(10))
    for variable in model.forward_variables:
        if len(variable.shape) == 2:
            variable.assign(rng.normal(size=variable.shape) * 2 / np.sqrt(variable.shape[0]))
    start_symmetric(model)
    x, y = rng.integers(0, 256, size=(64, 32, 32, 3), dtype=np.uint8), np.arange(64) % 10
    large, small = (dict(target_step.angles(model, x, y, step)) for step in (0.3, 0.003))
    for layer in (1, 2):
        name = f"pair_{layer}_forward/bias"
        assert large[name] > 5
        assert small[name] < large[name] / 50  # to first order as large as the step
    assert small["pair_3_forward/bias"] < 0.05  # it has the top target itself
    assert large["pair_3_forward/bias"] < 0.05
    assert large["output_forward/kernel"] == pytest.approx(0, abs=0.01)


@pytest.mark.slow
def test_a_step_is_timed_with_each_change_of_its_settings(tmp_path):
    words = "digits noise_directions=orthogonal units=8 --turns 3 --seconds 0.01 --profile"
    profile = tmp_path / "profile.csv"
    result = CliRunner().invoke(step_settings.main, [*words.split(), str(profile)])
    assert result.exit_code == 0, result.output
    own, directions, narrow = map(str.split, result.stdout.splitlines())
    assert own[0] == "digits" and own[2:] == ["ms", "1.000"]
    assert directions[0] == "noise_directions=orthogonal" and float(directions[1]) > 0
    assert narrow[0] == "units=8" and float(narrow[3]) < 1
    with profile.open() as file:
        rows = list(csv.DictReader(file))
    products = {row["settings"] for row in rows if "MatMul" in row["operation"]}
    assert products == {"digits", "noise_directions=orthogonal", "units=8"}
    assert all(float(row["times"]) > 0 and float(row["milliseconds"]) > 0 for row in rows)
