"""The word `all` stands for every rule of the library in a comparison."""

import pytest

from dtp_tf.comparing.plan import make_plan
from dtp_tf.errors import SettingError
from dtp_tf.recipes.recipe import RULES


@pytest.mark.parametrize("rules", [None, "all", " all ", ["all"]])
def test_all_is_every_rule_of_the_library(rules):
    assert make_plan("digits", rules, seeds=1).rules == tuple(RULES)


def test_a_rule_of_ones_own_may_stand_beside_all(tmp_path):
    own = tmp_path / "mine.py"
    own.write_text("", encoding="utf-8")
    assert make_plan("digits", f"all,{own}:Mine", seeds=1).rules == (*RULES, f"{own}:Mine")


def test_a_rule_that_all_has_already_is_refused():
    with pytest.raises(SettingError, match="`rules` names dtp 2 times"):
        make_plan("digits", "all,dtp", seeds=1)
