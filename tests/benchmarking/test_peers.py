"""The measurement beside PyTorch and Keras: what is measured, and how a ratio is taken."""

import importlib.util
import io
import math
import pathlib
import subprocess
import sys

import peers
import pytest
from click.testing import CliRunner
from forking import FRESH

from dtp_tf.benchmarking.throughput import bp_products, dtp_products, random_images
from dtp_tf.training.building import build_network


@pytest.mark.parametrize("row", peers.ROWS, ids=str)
def test_every_row_has_a_recipe_of_its_network_batch_and_rule(row):
    network, batch, rule = row
    recipe = peers.recipe_of(network, batch, rule)
    assert recipe.rule == rule.partition("-")[0]
    assert (recipe.batch_size, recipe.optimizer) == (batch, "adam")
    if network == "source":
        assert (3072, *recipe.units, 10) == peers.WIDTHS
    if rule.startswith("ldrl-4"):
        assert recipe.inverse_steps == 4
    if recipe.rule == "ldrl":
        norm = rule.rpartition("-")[2]
        told = norm if norm in ("analytic", "transposed") else "sampled"
        assert recipe.jacobian_norm == told
        assert (recipe.noise_directions == "orthogonal") == (network == "wide")


def test_a_ratio_is_taken_within_a_turn():
    ours, its = [100, 10, 100], [50, 5, 25]  # the machine was slow in the second
    peaks = {peers.OURS: 200.0, peers.TORCH: 100.0}
    found = peers.lines(("source", 128, "bp"), {peers.OURS: ours, peers.TORCH: its}, peaks)
    assert [one["ours_over_it"] for one in found] == [1, 2]
    assert [one["ratio_spread"] for one in found] == [0, 1]
    assert [one["images_per_second"] for one in found] == [100, 25]


@pytest.mark.parametrize(("network", "rule", "over_bp"), [
    ("lenet", "ldrl", 2.2), ("lenet", "ldrl-4", 5.8), ("lenet", "ldrl-1-analytic", 1.6),
    ("lenet", "ldrl-1-transposed", 1.9), ("wide", "ldrl-2", 2.3),
])  # fmt: skip
def test_products_are_those_that_the_equations_need(network, rule, over_bp):
    found = peers.multiply_adds(network, rule) / peers.multiply_adds(network, "bp")
    assert found == pytest.approx(over_bp, abs=0.05)


@pytest.mark.parametrize("rule", ["dtp", "bp"])
def test_products_of_the_source_network_are_counted_as_the_benchmark_does(rule):
    counted = {"dtp": dtp_products, "bp": bp_products}[rule](peers.WIDTHS)
    assert peers.multiply_adds("source", rule) == counted


@pytest.mark.parametrize("network", peers.FORWARD)
def test_multiply_adds_of_a_network_are_those_of_its_kernels(network):
    model = build_network(peers.recipe_of(network, 10, "bp"), random_images(10))
    for pair, counted in zip(model.layers_up, peers.FORWARD[network], strict=True):
        kernel, places = pair.forward_layer.kernel.shape, 1
        if len(kernel) == 4:  # a convolution's
            places = math.prod(pair.forward_layer.compute_output_shape((1, *pair.below))[1:3])
        assert counted == places * math.prod(kernel)


def test_gflops_are_told_beside_the_peak_of_their_own_library():
    rates, peaks = {peers.OURS: [1000], peers.TORCH: [500]}, {peers.OURS: 96.8, peers.TORCH: 24.2}
    ours, its = peers.lines(("source", 128, "bp"), rates, peaks)
    assert (ours["gflops"], ours["peak_gflops"], ours["of_peak"]) == (24.3, 96.8, 0.252)
    assert (its["gflops"], its["of_peak"]) == (12.2, 0.503)


def test_ldrl_is_measured_in_turn_with_our_own_bp_and_told_in_its_times(monkeypatch):
    rates = {peers.OURS: [50, 30, 25], peers.OURS_BP: [100, 90, 50]}
    peaks = dict.fromkeys(rates, 100.0)
    monkeypatch.setattr(peers, "measure", lambda row, libraries, *_: (
        {one: rates[one] for one in libraries}, peaks
    ))  # fmt: skip
    done = CliRunner().invoke(peers.main, ["--rows", "lenet-128-ldrl"])
    assert "lenet-128-ldrl: a step takes 2.00 times one of bp" in done.output


def test_where_ours_cannot_be_measured_it_is_said_in_a_sentence(monkeypatch):
    def start(*_):
        return subprocess.Popen(
            [sys.executable, "-c", "raise SystemExit('no dtp_tf here')"],
            **dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE), text=True,
        )  # fmt: skip

    monkeypatch.setattr(peers, "start", start)
    done = CliRunner().invoke(peers.main, ["--rows", "lenet-128-ldrl"])
    assert (done.exit_code, done.output.splitlines()[-1]) == (
        1, "Error: dtp_tf cannot be measured: no dtp_tf here",
    )  # fmt: skip


def test_an_unknown_row_is_refused_with_those_there_are():
    done = CliRunner().invoke(peers.main, ["--rows", "lenet-7-bp"])
    assert done.exit_code == 2
    assert "'lenet-7-bp' is none of source-128-dtp, " in done.output


def test_a_contestant_answers_each_line_with_its_rate(monkeypatch, capsys):
    calls = []
    made = {peers.OURS: lambda *row: (lambda: calls.append(row), 5)}
    monkeypatch.setattr(peers, "CONTESTANTS", made)
    monkeypatch.setattr(peers, "tensorflow_peak", lambda: 12.5)
    monkeypatch.setattr(peers.sys, "stdin", io.StringIO("go\ngo\n"))
    peers.compete(peers.OURS, "source", 5, "dtp", seconds=0.01)
    said = capsys.readouterr().out.split()
    assert said[:2] == ["ready", "12.5"] and len(said) == 4
    assert all(float(rate) > 0 for rate in said[2:])
    assert set(calls) == {("source", 5, "dtp")}


LEARNS = """
import inspect, sys, torch
sys.path.insert(0, sys.argv[1])
import peers
step, x = getattr(peers, sys.argv[2])(torch, "source", 4)
optimizer = inspect.getclosurevars(step).nonlocals["optimizer"]
weights = [one for group in optimizer.param_groups for one in group["params"]]
before = [one.clone() for one in weights]
step(x, torch.arange(4))
assert weights and all((one != was).any() for one, was in zip(weights, before))
assert peers.torch_peak() > 0
"""


@pytest.mark.parametrize("make", ["torch_dtp", "torch_bp"])
def test_the_steps_in_pytorch_learn(make):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is missing")
    # In a process of its own: PyTorch may crash where TensorFlow was imported before it.
    words = [*FRESH, "-c", LEARNS, str(pathlib.Path(peers.__file__).parent), make]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
