"""Arguments of optimizers may differ from layer to layer, as rates do."""

import keras
import pytest

import dtp_tf
from dtp_tf.data.sets import load_data
from dtp_tf.errors import SettingError
from dtp_tf.training.building import build_network

SMALL = {"units": (6, 5), "batch_size": 32, "epochs": 2}
LISTED = "adam beta_2=0.95 epsilon=1e-3,1e-4,1e-5"


@pytest.fixture(scope="module")
def data():
    return load_data(dtp_tf.recipe("digits"))


def network(data, **settings):
    keras.utils.set_random_seed(0)
    return build_network(dtp_tf.recipe("digits", **{**SMALL, **settings}), data)


def test_each_layer_has_its_own_epsilon_and_all_share_the_rest(data):
    built = network(data, optimizer=LISTED, learning_rate=1e-2)
    optimizers = built.optimizer.optimizers
    assert [one.epsilon for one in optimizers] == [1e-3, 1e-4, 1e-5]
    assert {one.beta_2 for one in optimizers} == {0.95}


def test_the_inverses_have_theirs_by_their_own_places(data):
    settings = {"rule": "ldrl", "inverse_optimizer": "sgd momentum=0.5,0.9"}
    built = network(data, **settings)
    assert [one.momentum for one in built.inverse_optimizer] == [0.5, 0.9]


def test_a_mapping_and_words_say_the_same():
    mapped = {"name": "adam", "beta_2": 0.95, "epsilon": [1e-3, 1e-4, 1e-5]}
    assert dtp_tf.recipe("digits", **SMALL, optimizer=mapped) == dtp_tf.recipe(
        "digits", **SMALL, optimizer=LISTED
    )


@pytest.mark.parametrize("value", ["adam epsilon=1e-3,1e-4", "sgd weight_decay=0,0,0,0"])
def test_values_for_other_layers_are_refused_before_anything_is_read(value):
    with pytest.raises(SettingError, match="the network has 3 layers, the output included"):
        dtp_tf.recipe("digits", **SMALL, optimizer=value)


def test_values_for_other_inverses_are_refused_by_the_rule(data):
    with pytest.raises(SettingError, match="dtp trains the feedback of 1 layers"):
        network(data, inverse_optimizer="adam epsilon=1e-3,1e-4")


def test_a_list_where_one_value_is_wrong_is_refused_by_its_name():
    with pytest.raises(SettingError, match=r"`optimizer.epsilon` must be above 0, got 0"):
        dtp_tf.recipe("digits", **SMALL, optimizer="adam epsilon=1e-3,0,1e-4")


def test_the_penalty_of_the_feedback_may_differ_from_layer_to_layer(data):
    built = network(data, rule="drl", inverse_l2=(0.5, 0.25))
    assert [built.rule.l2(built, layer) for layer in built.trained_feedback] == [0.5, 0.25]
    with pytest.raises(SettingError, match="`inverse_l2` has 3 values, but DRL trains the"):
        network(data, rule="drl", inverse_l2=(0.5, 0.25, 0.1))
