"""A recipe builds the network of its rule: its feedback, its first weights and its optimizers."""

import inspect
import math

import keras
import numpy as np
import pytest
from helpers import digits, train

import dtp_tf
from dtp_tf.errors import SettingError
from dtp_tf.recipes.named import RECIPES
from dtp_tf.recipes.recipe import INITIALIZERS, RULES
from dtp_tf.rules import BY_NAME
from dtp_tf.runs.models import load_model
from dtp_tf.training.building import build_network

# -- every rule ------------------------------------------------------------------------------------


# Hidden layers of 64-16-12-14-10 with feedback that learns, from 0; the output is layer 3.
TRAINED = {
    "tp": [1, 2], "dtp": [1, 2], "sdtp": [1, 2, 3], "ao_sdtp": [1, 2, 3], "drl": [1, 2, 3],
    "ddtp_linear": [0, 1, 2],
    "ddtp_rhl": [0, 1, 2], "ddtp_control": [0, 1, 2], "gnt": [], "ldrl": [1, 2, 3], "fwdtp": [],
    "ccl": [1, 2, 3], "gait_prop": [], "bp": [], "fa": [], "dfa": [], "drtp": [],
    "sign_symmetry": [],
    "kp": [1, 2, 3], "weight_mirror": [1, 2, 3], "local_error": [0, 1, 2],
    "autoencoder": [0, 1, 2],
}  # fmt: skip
# The inputs and outputs of the feedback of each layer, learned or not.
SHAPES = {
    "tp": {1: (12, 16), 2: (14, 12)},
    "dtp": {1: (12, 16), 2: (14, 12)},
    "sdtp": {1: (12, 16), 2: (14, 12), 3: (10, 14)},
    "ao_sdtp": {1: (12, 16), 2: (14, 12), 3: (14, 512)},
    "drl": {1: (12, 16), 2: (14, 12), 3: (10, 14)},
    "ddtp_linear": {0: (10, 16), 1: (10, 12), 2: (10, 14)},
    "ddtp_rhl": {0: (10, 1024), 1: (10, 1024), 2: (10, 14)},
    "ddtp_control": {0: (10, 16), 1: (10, 12), 2: (10, 14)},
    "gnt": {},
    "ldrl": {1: (12, 16), 2: (14, 12), 3: (10, 14)},
    "ccl": {1: (12, 16), 2: (14, 12), 3: (10, 14)},
    "fwdtp": {1: (12, 16), 2: (14, 12)},
    "gait_prop": {},
    "bp": {},
    "fa": {1: (12, 16), 2: (14, 12), 3: (10, 14)},
    "dfa": {0: (10, 16), 1: (10, 12), 2: (10, 14)},
    "drtp": {0: (10, 16), 1: (10, 12), 2: (10, 14)},
    "sign_symmetry": {},
    "kp": {1: (12, 16), 2: (14, 12), 3: (10, 14)},
    "weight_mirror": {1: (12, 16), 2: (14, 12), 3: (10, 14)},
    "local_error": {0: (16, 10), 1: (12, 10), 2: (14, 10)},
    "autoencoder": {0: (64,), 1: (16,), 2: (12,)},  # biases of decoders with tied weights
}
UNITS = (16, 12, 14)
OF_LAYERS = "noise", "inverse_steps", "inverse_learning_rate", "inverse_l2", "learning_rate"


@pytest.mark.parametrize("rule", RULES)
def test_a_recipe_builds_the_network_of_its_rule(rule):
    recipe = dtp_tf.recipe("digits", rule=rule, units=UNITS)
    network = build_network(recipe, digits())
    assert type(network.rule) is BY_NAME[rule]
    assert network.trained_feedback == TRAINED[rule]
    kernels = {i: network.feedback_weights(i) for i in range(len(UNITS) + 1)}
    shapes = {i: tuple(weights[0].shape) for i, weights in kernels.items() if weights}
    assert shapes == SHAPES[rule]
    for name, argument in inspect.signature(BY_NAME[rule]).parameters.items():
        assert RULES[rule][name] == argument.default
        assert getattr(network.rule, name) == getattr(recipe, name)


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_every_named_recipe_has_every_rule_and_builds_networks_with_all_transmissions(rule):
    """Of few units, for the recipes' own take seconds to draw.

    Every rule builds a third of the recipes, and every recipe is built by a third of the rules.
    """
    for i, name in enumerate(RECIPES):
        own = dtp_tf.recipe(name, rule=rule).to_dict()
        # For other numbers of layers.
        first = {one: own[one][0] for one in OF_LAYERS if isinstance(own[one], list)}
        for one in ("optimizer", "inverse_optimizer"):
            if own[one] and "," in own[one]:
                first[one] = own[one].split(",")[0]
        recipe = dtp_tf.recipe(name, rule=rule, units=(8, 8, 8), dataset="digits", **first)
        needs = {
            ("bp", "sign"): "backpropagation needs gradients",
            ("gnt", "sign"): "Gauss-Newton targets need gradients",
            ("sign_symmetry", "sign"): "sign-symmetric feedback goes back",
            ("gait_prop", "sign"): "GAIT-prop inverts what layers compute",
            ("gait_prop", "sample"): "GAIT-prop inverts what layers compute",
            ("autoencoder", "sign"): "an autoencoder needs continuous activations",
            ("autoencoder", "sample"): "an autoencoder needs continuous activations",
        }.get((rule, recipe.transmission))
        if needs:
            with pytest.raises(SettingError, match=needs):
                build_network(recipe, digits())
            continue
        if rule == "gait_prop" and recipe.activation == "relu":
            with pytest.raises(SettingError, match="layer 2 has relu"):
                build_network(recipe, digits())
            continue
        if recipe.transmission == "continuous" and (i + list(RULES).index(rule)) % 3:
            continue
        network = build_network(recipe, digits())
        assert len(network.trained_feedback) == len(TRAINED[rule])


def test_inverses_of_a_recipe_have_its_activation_its_order_and_its_initializer():
    network = build_network(
        dtp_tf.recipe(
            "digits", rule="ldrl", units=(8, 8), inverse_activation="relu",
            inverse_initializer="small_uniform",
        ),
        digits(),
    )  # fmt: skip
    assert network.pairs[1].inverse_activation is keras.activations.relu
    # What comes first in the output's inverse answers to the logits, which have no activation.
    assert network.output_pair.inverse_activation is keras.activations.linear
    for pair in network.layers_up[1:]:
        assert pair.inverse_first is True
        assert 0 < np.abs(pair.inverse_layer.kernel.numpy()).max() <= 0.001
    assert not network.layers_up[0].inverse


@pytest.mark.parametrize("rule", ["fwdtp", "bp", "fa", "dfa"])
def test_feedback_that_does_not_learn_is_no_trainable_weight(rule):
    network = build_network(dtp_tf.recipe("digits", rule=rule, units=UNITS), digits())
    assert len(network.trainable_variables) == 8
    assert network.inverse_variables == []


def rates(optimizers, step):
    """Return the learning rates of optimizers at an update."""
    found = []
    for optimizer in optimizers:
        optimizer.iterations.assign(step)
        found.append(float(optimizer.learning_rate))
    return found


def test_one_learning_rate_makes_one_optimizer_of_all_inverses():
    recipe = dtp_tf.recipe("digits", units=UNITS, inverse_learning_rate=0.25, batch_size=115)
    network = build_network(recipe, digits())
    assert rates([network.inverse_optimizer], 7) == [0.25]
    assert len(network.inverse_optimizer.variables) >= 2 * len(network.inverse_variables)


def test_learning_rates_of_the_layers_make_an_optimizer_of_each_with_its_own_weights():
    recipe = dtp_tf.recipe(
        "digits", rule="drl", units=UNITS, inverse_learning_rate=(0.5, 0.25, 0.125),
        inverse_optimizer="rmsprop-graves",
    )  # fmt: skip
    network = build_network(recipe, digits())
    assert isinstance(network.inverse_optimizer, list)
    assert rates(network.inverse_optimizer, 7) == [0.5, 0.25, 0.125]
    assert {type(one).__name__ for one in network.inverse_optimizer} == {"RMSprop"}
    for optimizer, layer in zip(network.inverse_optimizer, (1, 2, 3), strict=True):
        shapes = {tuple(variable.shape) for variable in optimizer.variables} - {()}
        assert shapes == {tuple(v.shape) for v in network.feedback_variables(layer)}


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["parallel", "alternating"])
def test_passes_for_the_inverses_alone_come_before_the_first_epoch_and_after_every_one(
    tmp_path, schedule
):
    settings = {"batch_size": 115, "learning_rate_schedule": "constant", "epochs": 2}
    extra = {"inverse_epochs_before": 3, "inverse_epochs_after": 2}
    model, history = train(tmp_path / "run", **settings, **extra, schedule=schedule)
    last = load_model(tmp_path / "run" / "last.keras").model
    assert int(last.optimizer.iterations) == 20  # ten batches an epoch
    assert int(last.inverse_optimizer.iterations) == 10 * (3 + 2 * (1 + 2))
    passes = 3 + 2 * ((2 if schedule == "alternating" else 1) + 2)
    assert int(last.step) == 10 * passes
    # The training loss of an epoch is that of the pass from which the forward layers learned.
    _, plain = train(tmp_path / "plain", **settings, schedule=schedule)
    assert history.history["loss"][0] == pytest.approx(plain.history["loss"][0], rel=0.1)
    assert history.history["inverse_loss_2"][0] < plain.history["inverse_loss_2"][0]


def test_a_cosine_rate_counts_the_passes_for_the_inverses_alone():
    recipe = dtp_tf.recipe(
        "digits", units=UNITS, batch_size=115, epochs=3, inverse_epochs_before=4,
        inverse_epochs_after=2, inverse_learning_rate=0.5,
        inverse_learning_rate_schedule="cosine",
    )  # fmt: skip
    network = build_network(recipe, digits())
    updates = 10 * (4 + 3 * (1 + 2))
    for step, rate in ((updates // 2, 0.25), (updates, 0.0)):
        assert rates([network.inverse_optimizer], step) == pytest.approx([rate], abs=1e-6)


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("schedule", ["parallel", "alternating", "inverse-first"])
def test_a_cosine_rate_of_the_inverses_ends_with_their_last_update(schedule, steps):
    if steps > 1 and schedule != "inverse-first":
        return
    recipe = dtp_tf.recipe(
        "digits", units=UNITS, schedule=schedule, inverse_steps=steps, batch_size=115, epochs=3,
        inverse_learning_rate=0.5, inverse_learning_rate_schedule="cosine",
    )  # fmt: skip
    network = build_network(recipe, digits())
    updates = 3 * 10 * steps  # 1,150 images are ten batches of 115
    for step, rate in ((0, 0.5), (updates // 2, 0.25), (updates, 0.0)):
        assert rates([network.inverse_optimizer], step) == pytest.approx([rate], abs=1e-6)
    assert float(network.optimizer.learning_rate) == pytest.approx(recipe.learning_rate)
    network.optimizer.iterations.assign(30)  # forward layers are updated once a batch
    assert float(network.optimizer.learning_rate) == pytest.approx(0, abs=1e-8)


def test_a_cosine_rate_of_each_layer_ends_with_the_last_update_of_that_layer():
    recipe = dtp_tf.recipe(
        "digits", rule="drl", units=UNITS, inverse_steps="1,2,4", batch_size=115, epochs=3,
        inverse_learning_rate=0.5, inverse_learning_rate_schedule="cosine",
    )  # fmt: skip
    optimizers = build_network(recipe, digits()).inverse_optimizer
    assert len(optimizers) == 3
    for optimizer, updates in zip(optimizers, (30, 60, 120), strict=True):
        assert rates([optimizer], updates // 2) == pytest.approx([0.25], rel=1e-5)
        assert rates([optimizer], updates) == pytest.approx([0], abs=1e-8)


@pytest.mark.slow
def test_each_layer_makes_as_many_updates_as_it_is_told(tmp_path):
    train(
        tmp_path / "run", rule="ldrl", epochs=1, inverse_steps=(3, 1), batch_size=115,
        inverse_learning_rate=(0.01, 0.02), inverse_learning_rate_schedule="constant",
    )  # fmt: skip
    network = load_model(tmp_path / "run" / "last.keras").model
    assert [int(one.iterations) for one in network.inverse_optimizer] == [30, 10]
    assert [one.get_config()["learning_rate"] for one in network.inverse_optimizer] == [
        pytest.approx(0.01), pytest.approx(0.02)
    ]  # fmt: skip
    assert int(network.optimizer.iterations) == 10


@pytest.mark.parametrize("name", ["noise", "inverse_steps", "inverse_learning_rate"])
@pytest.mark.parametrize(("rule", "layers"), [("dtp", 2), ("drl", 3), ("ddtp_linear", 3)])
@pytest.mark.slow
def test_a_list_of_the_wrong_length_is_refused_before_a_run_is_made(tmp_path, name, rule, layers):
    with pytest.raises(SettingError) as caught:
        train(
            tmp_path / "run", rule=rule, units=UNITS, schedule="inverse-first",
            **{name: (1,) * (layers + 1)},
        )  # fmt: skip
    assert f"`{name}` has {layers + 1} values, but " in str(caught.value)
    assert str(caught.value).endswith(f"{layers} layers; give one value for all, or {layers}.")
    assert not list(tmp_path.iterdir())


def test_a_rule_that_refuses_its_settings_leaves_no_run(tmp_path):
    with pytest.raises(SettingError, match="`noise` must be above 0, got 0.0: DRL learns"):
        train(tmp_path / "run", rule="drl", noise=0)
    assert not list(tmp_path.iterdir())


# -- first weights ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_initializer_of_a_recipe_builds_a_network_of_finite_weights():
    for name, inverse in zip(INITIALIZERS, reversed(INITIALIZERS), strict=True):
        recipe = dtp_tf.recipe(
            "digits", units=(16, 8), initializer=name, inverse_initializer=inverse
        )
        network = build_network(recipe, digits())
        for variable in network.trainable_variables:
            values = variable.numpy()
            assert np.isfinite(values).all()
            assert (values != 0).any() == (values.ndim == 2)  # biases start at 0


def test_torch_uniform_is_uniform_within_one_over_the_root_of_the_inputs():
    recipe = dtp_tf.recipe("digits", units=(300, 8), initializer="torch_uniform")
    kernel = build_network(recipe, digits()).pairs[0].forward_layer.kernel.numpy()
    bound = 1 / math.sqrt(64)
    assert 0.99 * bound < np.abs(kernel).max() <= bound
    assert kernel.std() == pytest.approx(bound / math.sqrt(3), rel=0.02)


def test_orthogonal_weights_have_singular_values_of_one():
    recipe = dtp_tf.recipe("digits", units=(40, 8))
    network = build_network(recipe, digits())
    for pair in network.pairs:
        values = np.linalg.svd(pair.forward_layer.kernel.numpy(), compute_uv=False)
        np.testing.assert_allclose(values, 1, rtol=1e-5)


@pytest.mark.slow
def test_one_seed_gives_one_network_and_another_seed_another():
    def kernel(seed):
        keras.utils.set_random_seed(seed)
        recipe = dtp_tf.recipe("digits", units=(8, 8), seed=seed)
        return build_network(recipe, digits()).pairs[1].inverse_layer.kernel.numpy()

    np.testing.assert_array_equal(kernel(4), kernel(4))
    assert (kernel(4) != kernel(5)).all()
