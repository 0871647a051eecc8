"""Networks whose hidden layers send each other nothing but signs (Lee et al. 2015, section 3.2)."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import TINY, train

import dtp_tf
from dtp_tf.errors import SettingError
from dtp_tf.network.batch import Batch
from dtp_tf.rules import BY_NAME

RNG = np.random.default_rng(4)
X, Y = RNG.normal(size=(8, 6)).astype("float32"), RNG.integers(3, size=8)


def network(rule):
    keras.utils.set_random_seed(1)
    pairs = [dtp_tf.DensePair(7), dtp_tf.DensePair(5, transmission="sign")]
    model = dtp_tf.DTPNetwork(pairs, 3, rule=rule)
    model.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5))
    model.build((None, 6))
    return model


def test_a_target_goes_down_through_the_signs_of_activation_and_target():
    model = network(BY_NAME["dtp"](target_step=30.0))  # large enough to turn signs
    batch = Batch(model, tf.constant(X), tf.constant(Y))
    t1, t2 = (one.numpy() for one in model.rule.targets(model, batch))
    weight, bias = (v.numpy() for v in model.pairs[1].inverse_variables)
    h1, h2 = batch.h[1].numpy(), batch.h[2].numpy()

    def g(h):
        return np.tanh(np.where(h > 0, 1, -1) @ weight + bias)

    assert np.any((h2 > 0) != (t2 > 0))
    np.testing.assert_allclose(t1, h1 - g(h2) + g(t2), rtol=1e-5, atol=1e-6)


def test_a_target_that_turns_no_sign_asks_nothing_of_the_layer_below():
    model = network(BY_NAME["dtp"](target_step=1e-4))
    batch = Batch(model, tf.constant(X), tf.constant(Y))
    below, top = model.rule.targets(model, batch)
    np.testing.assert_array_equal(below, batch.h[1])
    assert np.any(top.numpy() != batch.h[2].numpy())


THROUGH_GRADIENTS = "bp", "gnt", "gait_prop", "sign_symmetry", "autoencoder"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [name for name in BY_NAME if name not in THROUGH_GRADIENTS],
)
def test_every_other_rule_trains_through_signs(name):
    model = network(BY_NAME[name]())
    model.run_eagerly = True
    before = [v.numpy() for v in model.forward_variables]
    for phase in model.rule.passes:
        model.set_phase(phase)
        model.train_step((tf.constant(X), tf.constant(Y)))
    after = model.forward_variables
    moved = [np.any(v.numpy() != old) for v, old in zip(after, before, strict=True)]
    assert all(moved[2:])  # the first layer only where a sign was turned


def test_backpropagation_is_refused_with_the_layer_and_what_to_use():
    with pytest.raises(SettingError, match="backpropagation needs gradients, and layer 2 gets"):
        network(BY_NAME["bp"]())


@pytest.mark.slow
def test_the_recipe_setting_is_for_all_hidden_layers_but_the_first(tmp_path):
    settings = {
        **TINY, "units": (32, 32, 32), "epochs": 6, "learning_rate": 3e-3, "batch_size": 32,
        "target_step": 0.28, "noise": 0.5, "transmission": "sign",
    }  # fmt: skip
    model, history = train(tmp_path / "run", **settings, diagnostics_every=3, diagnostics_images=20)
    assert [pair.transmission for pair in model.layers_up] == [
        "continuous", "sign", "sign", "continuous",
    ]  # fmt: skip
    assert history.metrics["validation"]["accuracy"] > 0.3
    # Nothing below a sign has a gradient to be held against.
    assert "angle_bp_3" in history.history
    assert "angle_bp_1" not in history.history
    stock = keras.saving.load_model(tmp_path / "run/classifier.keras")
    images = dtp_tf.load_data(dtp_tf.recipe("digits")).test.images[:20]
    np.testing.assert_allclose(stock(images), model(images), rtol=1e-5, atol=1e-6)


def test_the_recipe_of_the_paper_has_its_network():
    recipe = dtp_tf.recipe("mnist-discrete")
    assert (recipe.units, recipe.transmission) == ((500, 500), "sign")
    assert recipe.noise_decay_epochs == 50
    with pytest.raises(SettingError, match="`target_step` has no place in the rule bp"):
        dtp_tf.recipe("mnist-discrete", rule="bp", target_step=0.1)
