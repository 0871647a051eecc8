"""Starting from weights that there are: what is taken, what is refused, and where it is said."""

import keras
import numpy as np
import pytest
from helpers import TINY, digits, flags, invoke, refusal, succeeded, trained

import dtp_tf
from dtp_tf.comparing.plan import HELD_EQUAL
from dtp_tf.errors import SettingError, UserError
from dtp_tf.files import read_json
from dtp_tf.recipes.recipe import RULES
from dtp_tf.runs.models import load_model
from dtp_tf.sharing.run_presets import save_run
from dtp_tf.training.building import build_network
from dtp_tf.training.initial import initialize

# A run that ends where it began: a rate so small that no float32 weight moves.
STILL = {**TINY, "learning_rate": 1e-30, "inverse_learning_rate": 1e-30, "epochs": 1}


def best():
    """The shared run's best network."""
    return trained()[0] / "best.keras"


def made(**settings):
    """Return a network of the shared run's size."""
    return build_network(dtp_tf.recipe("digits", units=(16, 12), seed=5, **settings), digits())


def values(variables):
    return [variable.numpy() for variable in variables]


def equal(ours, theirs):
    pairs = zip(values(ours), values(theirs), strict=True)
    return [np.array_equal(one, other) for one, other in pairs]


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    path = tmp_path_factory.mktemp("presets") / "tiny"
    save_run(trained()[0], path)
    return path


@pytest.mark.parametrize("kind", ["run", "file", "preset"])
@pytest.mark.slow
def test_forward_and_inverse_weights_are_taken_from_a_run_a_file_or_a_preset(kind, preset):
    network, source = made(), load_model(best()).model
    before = equal(network.forward_variables, source.forward_variables)
    assert not any(before[::2])  # kernels
    where = {"run": trained()[0], "file": best(), "preset": preset}[kind]
    line = initialize(network, where)
    assert line == f"forward weights of {where}; inverses of layers 2; drawn afresh: none"
    assert all(equal(network.forward_variables, source.forward_variables))
    assert all(equal(network.inverse_variables, source.inverse_variables))
    assert int(network.step) == 0


def test_a_classifier_gives_its_forward_weights_and_the_inverses_stay_as_they_were_drawn():
    network, source = made(), load_model(best()).model
    before = values(network.inverse_variables)
    path = trained()[0] / "classifier.keras"
    line = initialize(network, path)
    assert line == f"forward weights of {path}; inverses of layers none; drawn afresh: 2"
    assert all(equal(network.forward_variables, source.forward_variables))
    for one, other in zip(before, values(network.inverse_variables), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_starts_from_the_weights_of_a_dtp_network(rule):
    network, source = made(rule=rule), load_model(best()).model
    line = initialize(network, best())
    assert all(equal(network.forward_variables, source.forward_variables))
    # Whose inverses are applied as dtp's:
    if rule in ("tp", "dtp", "sdtp", "ao_sdtp", "drl", "fwdtp", "ccl"):
        assert "inverses of layers 2; drawn afresh: " in line
        assert all(equal(network.feedback_weights(1), source.feedback_weights(1)))
    elif rule in ("bp", "gnt", "gait_prop", "sign_symmetry"):
        assert line == f"forward weights of {best()}"
    else:
        assert "of layers none; drawn afresh: " in line


def test_inverses_of_another_activation_are_drawn_afresh():
    network = made(inverse_activation="linear")
    assert "inverses of layers none; drawn afresh: 2" in initialize(network, best())


# -- what does not fit -----------------------------------------------------------------------------


def refused(name=None, **settings):
    name = name or best()
    network = build_network(
        dtp_tf.recipe("digits", **{"units": (16, 12), **settings}), digits()
    )
    before = values(network.forward_variables)
    with pytest.raises(SettingError) as caught:
        initialize(network, name)
    for one, other in zip(before, values(network.forward_variables), strict=True):
        np.testing.assert_array_equal(one, other)
    return str(caught.value)


@pytest.mark.slow
def test_a_layer_of_another_size_is_named_with_what_arrived():
    assert refused(units=(16, 11)) == (
        f"`init` {best()} does not fit: layer 2 needs weights of 16x11 (inputs x units) and "
        "biases, got 16x12."
    )
    assert "layer 1 needs weights of 64x15" in refused(units=(15, 12))


def test_other_classes_are_named_as_the_output_layer(tmp_path):
    layers = [keras.Input((64,)), *(keras.layers.Dense(n) for n in (16, 12, 7))]
    keras.Sequential(layers).save(tmp_path / "m.keras")
    text = refused(tmp_path / "m.keras")
    assert "the output layer needs weights of 12x10 (inputs x units) and biases, got 12x7." in text


def test_another_number_of_layers_is_named():
    text = refused(units=(16, 12, 12))
    assert f"`init` {best()} has 3 layers (64-16-12-10), the recipe's network has 4" in text
    assert "(64-16-12-12-10)" in text


@pytest.mark.slow
def test_another_activation_or_transmission_is_named_with_the_remedy():
    text = refused(activation="relu", inverse_activation="tanh")
    assert "layer 1 has the activation relu, got tanh; give --activation tanh." in text
    text = refused(transmission="sign")
    assert "layer 2 has the transmission sign, got continuous; give --transmission" in text


def test_layers_of_another_kind_and_missing_biases_are_named(tmp_path):
    layers = [keras.Input((8, 8, 1)), keras.layers.DepthwiseConv2D(3, name="conv"),
              keras.layers.Flatten()]  # fmt: skip
    keras.Sequential(layers).save(tmp_path / "m.keras")
    assert "its layer 'conv' is DepthwiseConv2D" in refused(tmp_path / "m.keras")
    layers = [keras.Input((64,)), *(keras.layers.Dense(n, use_bias=False) for n in (16, 12, 10))]
    keras.Sequential(layers).save(tmp_path / "n.keras")
    assert "layer 1 needs weights of 64x16 (inputs x units) and biases, got 64x16 without" in (
        refused(tmp_path / "n.keras")
    )


def test_what_does_not_exist_is_refused():
    with pytest.raises(UserError, match="model nothing.keras does not exist"):
        initialize(made(), "nothing.keras")


# -- the command -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_train_starts_from_a_preset_and_the_run_says_so(preset, tmp_path):
    run = tmp_path / "run"
    words = ("--init", preset, "--no-export", "--run-dir", run)
    text = succeeded(invoke("train", "digits", *flags(STILL), *words))
    assert f"init       forward weights of {preset}; inverses of layers 2; drawn afresh: " in text
    assert read_json(run / "config.json")["init"] == str(preset)
    network, source = load_model(run / "last.keras").model, load_model(best()).model
    assert all(equal(network.forward_variables, source.forward_variables))
    assert all(equal(network.inverse_variables, source.inverse_variables))
    assert int(network.step) > 0


@pytest.mark.slow
def test_a_resumed_run_does_not_ask_for_its_first_weights_again(tmp_path):
    run = tmp_path / "run"
    (tmp_path / "start.keras").write_bytes(best().read_bytes())
    words = ("--init", tmp_path / "start.keras", "--no-export", "--run-dir", run)
    succeeded(invoke("train", "digits", *flags(STILL), *words))
    (tmp_path / "start.keras").unlink()
    text = succeeded(invoke("train", "--resume", run, "--no-export"))
    assert "resumed after epoch 1 of 1" in text
    assert "init  " not in text
    text = refusal(invoke("train", "--resume", run, "--init", "digits_mlp_dtp"), 2)
    assert "`init` is " in text


@pytest.mark.slow
def test_what_does_not_fit_is_refused_before_a_run_is_made(tmp_path):
    words = ("--units", "16,11", "--init", best(), "--run-dir", tmp_path / "run")
    assert "layer 2 needs weights of 16x11" in refusal(invoke("train", "digits", *words), 2)
    assert not list(tmp_path.iterdir())


def test_all_rules_of_a_comparison_start_from_the_same_weights():
    assert "init" in HELD_EQUAL
