"""The papers' recipes have the papers' constants, and say what the papers report."""

import pytest
from helpers import invoke, succeeded

from dtp_tf.recipes.published import PUBLISHED
from dtp_tf.recipes.recipe import recipe

# As literals, from the papers' tables: (rate, betas and epsilon) of layers and of inverses, target
# step, noise.
DTP = {
    "bartunov-mnist-fc": (
        (7.57e-4, 0.99, 0.95, 1e-3), (7.68e-4, 0.99, 0.999, 1e-4), 0.150, 0.361, "parallel",
    ),
    "bartunov-mnist-fc-alternating": (
        (3.08e-4, 0.99, 0.99, 1e-4), (4.593e-3, 0.99, 0.999, 1e-4), 0.232, 0.220, "alternating",
    ),
    "bartunov-cifar10-fc": (
        (1.2e-5, 0.9, 0.999, 1e-8), (3.9e-5, 0.9, 0.99, 1e-6), 0.126, 0.170, "parallel",
    ),
    "bartunov-cifar10-fc-alternating": (
        (1.3e-5, 0.9, 0.999, 1e-8), (1.14e-4, 0.9, 0.99, 1e-4), 0.172, 0.135, "alternating",
    ),
}  # fmt: skip


def adam(beta_1, beta_2, epsilon):
    return f"adam beta_1={beta_1} beta_2={beta_2} epsilon={epsilon}"


@pytest.mark.parametrize("name", DTP)
def test_bartunov_has_the_settings_of_the_best_of_60(name):
    forward, inverse, step, noise, schedule = DTP[name]
    built = recipe(name)
    assert built.rule == "dtp"
    assert (built.learning_rate, built.optimizer) == (forward[0], adam(*forward[1:]))
    found = built.inverse_learning_rate, built.inverse_optimizer
    assert found == (inverse[0], adam(*inverse[1:]))
    assert (built.target_step, built.noise, built.schedule) == (step, noise, schedule)
    assert built.epochs == 500
    assert built.units == ((256,) * 5 if "mnist" in name else (1024,) * 3)
    assert built.flip == ("cifar10" in name)


def test_meulemans_divides_the_rates_by_the_target_step():
    built = recipe("meulemans-cifar10-fc")
    assert built.learning_rate == pytest.approx(8.7466e-4, rel=1e-4)
    assert (built.inverse_epochs_before, built.inverse_epochs_after) == (10, 2)
    assert recipe("meulemans-cifar10-fc", rule="drl").noise == 0.099229


def test_ernoult_has_decay_and_a_course_that_ends_before_the_training():
    built = recipe("ernoult-cifar10-vgg")
    # 1e-4 / (1 - 0.9), of half the rate and of beta times the rate.
    decays = "0.002,0.002,0.002,0.002,0.002,0.0014286"
    assert built.optimizer == f"sgd-momentum weight_decay={decays}"
    assert built.learning_rate == pytest.approx((*(0.025,) * 5, 0.035))
    assert recipe("ernoult-cifar10-vgg", rule="bp").learning_rate == 0.05
    assert built.learning_rate_schedule == "cosine min=1e-05 epochs=85"
    assert (built.epochs, built.batch_size, built.target_step) == (90, 128, 0.7)
    assert built.inverse_steps == (20, 30, 35, 55, 20)


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_published_is_said_with_its_conditions(name):
    said = " ".join(succeeded(invoke("recipes", name)).split())
    assert " ".join(PUBLISHED[name].published.split()) in said
    assert len(PUBLISHED[name].published) > 100
    if name.startswith("bartunov"):
        assert "best test error seen in 500 epochs" in said


def test_a_quick_variant_differs_in_its_epochs_and_of_vgg_in_its_images_alone():
    quick = [name for name in PUBLISHED if name.endswith("-quick")]
    assert quick
    for name in quick:
        whole = recipe(name.removesuffix("-quick"))
        assert recipe(name).epochs < whole.epochs
        same = {"epochs": whole.epochs, "recipe": whole.recipe}
        if name == "ernoult-cifar10-vgg-quick":
            assert recipe(name).validation_fraction == 0.9
            assert "2 epochs of 90 on 10% of the training images." in PUBLISHED[name].summary
            same["validation_fraction"] = whole.validation_fraction
        assert recipe(name).replace(**same) == whole
