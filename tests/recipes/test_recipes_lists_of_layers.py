"""Lists with a value for each layer of trained feedback are counted before anything is read."""

import pytest
from battery import unchanged
from helpers import invoke, refusal

from dtp_tf.recipes.fitting import OF_TRAINED
from dtp_tf.recipes.recipe import SETTINGS
from dtp_tf.recipes.rules import RULES, trained_feedback
from dtp_tf.rules import BY_NAME


@pytest.mark.parametrize("rule", BY_NAME)
def test_recipes_count_as_many_layers_as_networks_have(rule):
    network = unchanged(rule)
    assert trained_feedback(rule, len(network.pairs)) == len(network.trained_feedback)


def test_every_list_of_the_feedback_is_counted():
    of_layers = {name for name, one in SETTINGS.items() if one.per_layer}
    assert set(OF_TRAINED) == of_layers - {"dropout", "learning_rate"}
    assert trained_feedback("mine.py:Mine", 3) is None and set(RULES) == set(BY_NAME)


WRONG = {
    "--noise-samples": "2,3,4",
    "--noise": "0.1,0.2,0.3",
    "--inverse-learning-rate": "0.1,0.2,0.3",
    "--inverse-optimizer": "adam epsilon=1e-3,1e-4,1e-5",
}


@pytest.mark.parametrize("flag", WRONG)
def test_train_compare_and_tune_refuse_a_list_of_another_length(tmp_path, flag):
    said = "the rule dtp trains the feedback of 2 layers; give one value for all, or 2."
    given, made = (flag, WRONG[flag]), tmp_path / "made"
    assert said in refusal(invoke("train", "digits", *given, "--run-dir", made), 2)
    compare = ("compare", "digits", "--rules", "bp,dtp", *given, "--out", made)
    assert said in refusal(invoke(*compare), 2)
    assert said in refusal(invoke("tune", "digits", *given, "--out", made), 2)
    assert not made.exists()
