"""What the papers' recipes have of their papers' networks, data and conventions."""

import pytest

from dtp_tf.recipes.published import PUBLISHED
from dtp_tf.recipes.recipe import recipe

LOCAL = {
    "mnist": ("local 32 3/2", "local 64 3/2", "dense 1024"),
    "cifar10": ("local 64 5/2", "local 128 5/2", "local 256 3", "dense 1024"),
}


@pytest.mark.parametrize("data", LOCAL)
@pytest.mark.parametrize("schedule", ["", "-alternating"])
def test_local_networks_have_the_settings_of_the_dense_ones(data, schedule):
    local, dense = (recipe(f"bartunov-{data}-{one}{schedule}") for one in ("lc", "fc"))
    assert local.layers == LOCAL[data]
    same = {"recipe": local.recipe, "layers": local.layers}
    assert dense.replace(**same) == local
    assert "published ones of its FC network" in PUBLISHED[local.recipe].published


def test_the_convolutional_yardstick_has_the_kernels_of_the_local_network():
    built = recipe("bartunov-cifar10-conv")
    assert built.layers == ("conv 64 5/2", "conv 128 5/2", "conv 256 3", "dense 1024")
    assert (built.rule, built.learning_rate) == ("bp", 1.9e-5)


def test_meulemans_steps_are_of_the_mean_over_a_batch():
    built = recipe("meulemans-mnist-fc")
    assert built.target_step * 128 == pytest.approx(0.060969, rel=1e-6)
    assert built.preprocessing == "channels"
    assert round(60000 * built.validation_fraction) == 5000


def test_meulemans_epsilons_are_at_the_scale_of_losses_that_are_sums():
    """As literals: the code's epsilons times units, and over 2 step / 128 at the output."""
    built = recipe("meulemans-cifar10-cnn")
    forward = "2.2829e-04 8.1383e-05 4.5152e-06 1.6223e-01".split()
    assert numbers(built.optimizer) == pytest.approx([float(one) for one in forward], rel=1e-3)
    inverse = [7.5291e-7 * units for units in (8192, 4096, 512)]
    assert numbers(built.inverse_optimizer) == pytest.approx(inverse, rel=1e-3)
    decays = [6.1693e-5 * units / 2 for units in (8192, 4096, 512)]
    assert built.inverse_l2 == pytest.approx(decays, rel=1e-3)
    rates = [0.016249, 0.055476, 0.0089150, 0.00021220]
    assert built.learning_rate == pytest.approx(rates, rel=1e-3)
    dtp = recipe("meulemans-cifar10-fc", rule="dtp")
    scale = 1024 * 0.24083**2  # its loss is a mean, divided by the squared noise
    assert numbers(dtp.inverse_optimizer)[0] == pytest.approx(9.921e-5 * scale, rel=1e-3)


def numbers(optimizer):
    return [float(one) for one in optimizer.split("epsilon=")[1].split(",")]


def test_shibuya_has_small_feedback_that_is_never_trained():
    built = recipe("shibuya-fashion-mnist-fc")
    assert (built.rule, built.inverse_initializer) == ("fwdtp", "small_uniform")
    assert (built.units, built.dataset) == ((256,) * 5, "fashion_mnist")
    assert recipe("shibuya-mnist-fc", rule="dtp").inverse_steps == 5


def test_every_rule_of_a_paper_builds_with_its_settings():
    for name, named in PUBLISHED.items():
        for rule in named.rules:
            assert recipe(name, rule=rule).rule == rule
