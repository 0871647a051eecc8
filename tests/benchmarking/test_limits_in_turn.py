"""The limit of a step is measured turn by turn with the step."""

import pytest

from dtp_tf.benchmarking import throughput
from dtp_tf.benchmarking.throughput import in_turn, rate_beside


def test_calls_have_their_windows_in_turn(monkeypatch):
    monkeypatch.setattr(throughput, "WINDOWS", 3)
    made = []
    one, other = in_turn([lambda: made.append("a"), lambda: made.append("b")], seconds=0)
    assert len(one) == len(other) == 3
    assert made == 3 * ["a"] + 3 * ["b"] + 3 * ["a", "b"]  # first they warm up


def test_a_machine_that_slows_down_moves_the_rate_and_not_the_share(monkeypatch):
    class Small:
        batch_size = 10

    steps, limits = [1.0, 2.0, 4.0], [0.5, 1.0, 2.1]
    monkeypatch.setattr(throughput, "compiled_step", lambda recipe, data: None)
    monkeypatch.setattr(throughput, "in_turn", lambda calls, seconds: (steps, limits))
    assert rate_beside(None, Small, None, 1.0) == (10, pytest.approx(0.5))
