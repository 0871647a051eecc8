"""The setting `dropout` gives hidden layers theirs, by rules of every kind."""

import keras
import pytest
from helpers import digits, invoke, refusal, tiny

import dtp_tf
from dtp_tf.errors import SettingError
from dtp_tf.recipes.recipe import recipe
from dtp_tf.training.building import build_network


def rates(**settings):
    network = build_network(recipe("digits", **{**tiny("dtp"), **settings}), digits())
    return [pair.dropout for pair in network.layers_up]


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"units": (6, 5), "dropout": 0.25}, [0.25, 0.25, 0]),
        ({"units": (6, 5), "dropout": "0.25,0"}, [0.25, 0, 0]),
        ({"units": None, "layers": ("conv 2 3 norm", "dense 5"), "dropout": "0,.5"}, [0, 0.5, 0]),
        ({"units": None, "layers": ("dense 6 dropout 0.5", "dense 5")}, [0.5, 0, 0]),
    ],
)
def test_hidden_layers_get_their_rates_and_the_output_layer_none(settings, found):
    assert rates(**settings) == found


@pytest.mark.parametrize("rule", ["dtp", "ldrl", "ddtp_rhl", "kp", "autoencoder"])
def test_rules_of_every_kind_learn_with_it(rule):
    settings = {**tiny(rule), "units": (6, 5), "dropout": 0.5}
    network = build_network(recipe("digits", rule=rule, **settings), digits())
    network.run_eagerly = True
    data = digits().train
    before = [keras.ops.convert_to_numpy(one) for one in network.forward_variables]
    for phase in network.rule.passes:
        network.set_phase(phase)
        logs = network.train_on_batch(data.images[:32], data.labels[:32], return_dict=True)
    assert all(float(value) == float(value) for value in logs.values())
    after = [keras.ops.convert_to_numpy(one) for one in network.forward_variables]
    assert all((one != other).any() for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"dropout": 1}, "`dropout` must be at least 0 and below 1, got 1."),
        ({"units": (6, 5), "dropout": [0.5]}, "has 1 values, but the network has 2 hidden layers"),
        ({"layers": ("dense 6 dropout 0.1",), "dropout": 0.5}, "both say what training drops"),
        ({"transmission": "sign", "dropout": 0.5}, "`transmission` sign sends on; use continuous"),
        ({"model": "net.keras", "dropout": 0.5}, "a `model` says itself what it drops"),
    ],
)
def test_what_cannot_be_dropped_is_refused_by_name(settings, said):
    with pytest.raises(SettingError) as caught:
        recipe("digits", **settings)
    assert said in str(caught.value)


def test_a_comparison_gives_it_to_all_rules_alike():
    with pytest.raises(SettingError, match="`dropout` cannot differ between the rules"):
        dtp_tf.compare("digits", ["bp", "dtp"], rule_config={"bp": {"dropout": 0.5}})


def test_a_wrong_rate_is_refused_on_the_command_line():
    said = refusal(invoke("train", "digits", "--dropout", "0.5,x"), 2)
    assert "`dropout` must be a number, got 'x'." in said
