"""`noise_samples` makes the loss of the feedback a mean over draws, in one update."""

import battery
import numpy as np
import pytest

from dtp_tf.errors import SettingError
from dtp_tf.rules import DTP

# The mean is taken outside of the rules: one for each kind of loss.
NOISY = ("dtp", "drl", "ldrl", "weight_mirror", "autoencoder")


def trained(rule, samples, **settings):
    """Return what one update makes of the feedback, its logs, and the network."""
    network = battery.build(rule, noise_samples=samples, **settings)
    logs = network.train_step(battery.examples())
    return battery.arrays(network.inverse_variables), logs, network


@pytest.mark.parametrize("rule", NOISY)
@pytest.mark.slow
def test_an_update_is_the_mean_of_those_with_each_draw(rule, monkeypatch):
    before = battery.arrays(battery.build(rule).inverse_variables)
    moved, logs, network = trained(rule, 2)
    noise = type(network).noise
    singles, losses = [], []
    for draw in (0, 1):
        with monkeypatch.context() as patch:
            patch.setattr(
                type(network), "noise", lambda self, layer, k, draw=draw: noise(self, layer, draw)
            )
            single, single_logs, _ = trained(rule, 1)
        singles.append(single)
        losses.append(single_logs)
    for name in logs:
        if name.startswith("inverse_loss"):
            mean = np.mean([float(one[name]) for one in losses])
            assert float(logs[name]) == pytest.approx(mean, rel=1e-5)
    for one, start, *others in zip(moved, before, *singles, strict=True):
        np.testing.assert_allclose(one - start, np.mean(others, 0) - start, rtol=0, atol=2e-6)
        assert not np.allclose(others[0], others[1], atol=1e-9) or np.allclose(one, start)


@pytest.mark.slow
def test_more_draws_leave_the_number_of_updates_alone():
    _, _, network = trained("ldrl", 3, schedule="inverse-first")
    assert int(network.inverse_optimizer.iterations) == 1


@pytest.mark.slow
def test_the_directions_of_a_frame_go_on_from_draw_to_draw(monkeypatch):
    seen = []

    def orthogonal(like, seed, step, updates, layer, k, call, anew):
        seen.append((updates, k))
        return like * 0 + 1

    monkeypatch.setattr("dtp_tf.network.trainer.orthogonal", orthogonal)
    network = battery.build(
        "drl", "inverse-first", noise_samples=2, inverse_steps=3, noise_directions="orthogonal"
    )
    network.train_step(battery.examples())
    assert {updates for updates, _ in seen} == {6}
    assert list(dict.fromkeys(k for _, k in seen)) == [0, 1, 2, 3, 4, 5]


@pytest.mark.slow
def test_each_layer_may_have_its_own_number():
    _, _, network = trained("dtp", [1, 4])
    assert [network.rule.samples(position) for position in (0, 1)] == [1, 4]
    with pytest.raises(SettingError, match="`noise_samples` has 3 values, but DTP trains"):
        battery.build("dtp", noise_samples=[1, 2, 3])


@pytest.mark.parametrize("value", [0, 1.5, True, [], [1, 0]])
def test_a_wrong_number_is_refused(value):
    with pytest.raises(SettingError, match="`noise_samples` must be at least 1, got"):
        DTP(noise_samples=value)
