"""The measurement beside PyTorch and Keras: what is measured, and how a ratio is taken."""

import inspect
import io
import subprocess
import sys

import peers
import pytest
from click.testing import CliRunner


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
    found = peers.lines(("source", 128, "bp"), {peers.OURS: ours, peers.TORCH: its})
    assert [one["ours_over_it"] for one in found] == [1, 2]
    assert [one["ratio_spread"] for one in found] == [0, 1]
    assert [one["images_per_second"] for one in found] == [100, 25]


def test_ldrl_is_measured_in_turn_with_our_own_bp_and_told_in_its_times(monkeypatch):
    rates = {peers.OURS: [50, 30, 25], peers.OURS_BP: [100, 90, 50]}
    monkeypatch.setattr(peers, "measure", lambda row, libraries, *_: {
        one: rates[one] for one in libraries
    })  # fmt: skip
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
    monkeypatch.setattr(peers.sys, "stdin", io.StringIO("go\ngo\n"))
    peers.compete(peers.OURS, "source", 5, "dtp", seconds=0.01)
    said = capsys.readouterr().out.split()
    assert said[0] == "ready" and len(said) == 3
    assert all(float(rate) > 0 for rate in said[1:])
    assert set(calls) == {("source", 5, "dtp")}


@pytest.mark.parametrize("make", ["torch_dtp", "torch_bp"])
def test_the_steps_in_pytorch_learn(make):
    torch = pytest.importorskip("torch")
    step, x = getattr(peers, make)(torch, "source", 4)
    before = [one.clone() for one in _weights(step)]
    step(x, torch.arange(4))
    assert all((one != was).any() for one, was in zip(_weights(step), before, strict=True))


def _weights(step):
    optimizer = inspect.getclosurevars(step).nonlocals["optimizer"]
    return [one for group in optimizer.param_groups for one in group["params"]]
