"""Settings that the class of a user's own rule has no use for are refused by name."""

import pytest
from helpers import invoke, refusal

from dtp_tf.errors import SettingError
from dtp_tf.recipes.recipe import recipe
from dtp_tf.rules import BY_NAME, find_rule
from dtp_tf.rules.own_settings import arguments, check_own_rule, unused_settings

PLAIN = "from dtp_tf.rules import BP\n\n\nclass Mine(BP):\n    pass\n"
HANDS_ON = """
from dtp_tf.rules import DTP


class Mine(DTP):
    def __init__(self, share=0.5, **kwargs):
        super().__init__(**kwargs)
        self.share = share
"""
GIVEN = [
    ("noise", 0.2), ("target_step", 0.1), ("noise_samples", 2), ("damping", 1.0),
    ("inverse_steps", 1), ("schedule", "parallel"), ("inverse_epochs_before", 2),
    ("inverse_optimizer", "sgd"), ("inverse_learning_rate", 0.5), ("inverse_activation", "relu"),
    ("inverse_first", True), ("noise_decay_epochs", 3.0), ("symmetric_start", True),
    ("inverse_initializer", "he_normal"), ("inverse_learning_rate_schedule", "cosine"),
]  # fmt: skip


@pytest.fixture
def place(tmp_path):
    file = tmp_path / "mine.py"

    def written(text):
        file.write_text(text)
        return f"{file}:Mine"

    return written


def checked(settled):
    check_own_rule(settled, find_rule(settled.rule))


@pytest.mark.parametrize(("name", "value"), GIVEN)
def test_what_a_class_has_no_use_for_is_refused(place, name, value):
    settled = recipe("digits", rule=place(PLAIN), **{name: value})
    with pytest.raises(SettingError, match=f"`{name}` has no place in the rule .*mine.py:Mine"):
        checked(settled)


@pytest.mark.parametrize(("name", "value"), [one for one in GIVEN if one[0] != "damping"])
def test_a_class_that_hands_its_arguments_on_takes_those_of_the_one_it_extends(place, name, value):
    checked(recipe("digits", rule=place(HANDS_ON), **{name: value}))


def test_what_nobody_gave_is_no_reason_to_refuse(place):
    checked(recipe("digits", rule=place(PLAIN)))


def test_train_compare_and_tune_refuse_before_anything_is_made(place, tmp_path):
    rule, made = place(PLAIN), tmp_path / "made"
    said = "`noise` has no place in the rule"
    train = ("train", "digits", "--rule", rule, "--noise", "0.2", "--run-dir", made)
    assert said in refusal(invoke(*train), 2)
    compare = ("compare", "digits", "--rules", rule, "--noise", "0.2", "--out", made)
    assert said in refusal(invoke(*compare), 2)
    search = tmp_path / "space.yaml"
    search.write_text("noise: {low: 0.1, high: 0.3}\n")
    tune = ("tune", "digits", "--rule", rule, "--search", search, "--out", made)
    assert said in refusal(invoke(*tune), 2)
    assert not made.exists()


def test_the_rules_of_the_library_take_what_their_classes_do():
    assert {"noise", "target_step"} <= arguments(BY_NAME["dtp"])
    assert "noise" not in unused_settings(BY_NAME["dtp"])
    assert "noise" in unused_settings(BY_NAME["kp"])
