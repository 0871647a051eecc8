"""A comparison may give each rule its own optimizer with its arguments."""

import pytest

from dtp_tf.comparing.plan import make_plan, train_command
from dtp_tf.errors import SettingError

OWN = {
    "bp": {"optimizer": {"name": "sgd", "momentum": 0.9}, "learning_rate_schedule": "constant"},
    "dtp": {"inverse_optimizer": "adam epsilon=1e-3"},
}


def test_each_rule_has_its_own_optimizer(tmp_path):
    plan = make_plan("digits", "bp,dtp", seeds=1, rule_config=OWN, weight_ema=0.9)
    bp, dtp = plan.recipes
    assert (bp.optimizer, dtp.optimizer) == ("sgd momentum=0.9", "adam")
    assert dtp.inverse_optimizer == "adam epsilon=0.001"
    assert bp.weight_ema == dtp.weight_ema == 0.9
    assert "--optimizer 'sgd momentum=0.9'" in train_command(bp, tmp_path)
    assert "--weight-ema 0.9" in train_command(bp, tmp_path)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"optimizer": {"name": "sgd", "beta_1": 0.9}}, "with the rule bp: `optimizer`: sgd has"),
        ({"optimizer": "adam beta_1=1"}, "with the rule bp: `optimizer.beta_1` must be"),
    ],
)
def test_a_wrong_argument_is_refused_with_its_rule(own, said):
    with pytest.raises(SettingError) as caught:
        make_plan("digits", "bp", rule_config={"bp": own})
    assert said in str(caught.value)
