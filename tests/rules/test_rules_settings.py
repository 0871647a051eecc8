"""Every learning rule takes its settings, keeps them, and refuses the impossible by name."""

import json

import keras
import pytest
import reference
from rule_networks import (
    FROM_OUTPUT,
    NOISELESS,
    STEPPED,
    TRAINED,
    an_epoch,
    batch_of,
    close,
    give_noise,
    given,
    library,
    random_batch,
    random_net,
    random_noise,
)

import dtp_tf
from dtp_tf import rules
from dtp_tf.errors import SettingError
from dtp_tf.rules import BY_NAME

NOISY = [rule for rule in TRAINED if rule not in NOISELESS]
SMALL_NOISE = ("drl", "ddtp_linear", "ddtp_rhl", "ddtp_control", "ldrl")
PENALIZED = (
    "tp", "dtp", "sdtp", "ao_sdtp", "drl", "ddtp_linear", "ddtp_rhl", "ddtp_control",
    "weight_mirror",
)  # fmt: skip
BAD = [
    ("target_step", {"target_step": 0}, STEPPED),
    ("target_step", {"target_step": -0.1}, STEPPED),
    ("target_step", {"target_step": float("nan")}, STEPPED),
    ("target_step", {"target_step": "large"}, STEPPED),
    ("noise", {"noise": -0.1}, NOISY),
    ("noise", {"noise": float("nan")}, NOISY),
    ("noise", {"noise": [0.1, -0.1]}, NOISY),
    ("noise", {"noise": "loud"}, NOISY),
    ("noise", {"noise": 0}, (*SMALL_NOISE, "weight_mirror")),
    ("noise", {"noise": [0.1, 0.0]}, (*SMALL_NOISE, "weight_mirror")),
    ("inverse_l2", {"inverse_l2": -0.1}, PENALIZED),
    ("inverse_l2", {"inverse_l2": float("nan")}, PENALIZED),
    ("damping", {"damping": -0.1}, ("gnt",)),
    ("feedback_units", {"feedback_units": 0}, ("ddtp_rhl",)),
    ("feedback_units", {"feedback_units": 2.5}, ("ddtp_rhl",)),
    ("feedback_units", {"feedback_units": True}, ("ddtp_rhl",)),
    ("auxiliary_units", {"auxiliary_units": 0}, ("ao_sdtp",)),
    ("auxiliary_units", {"auxiliary_units": 2.5}, ("ao_sdtp",)),
    ("auxiliary_units", {"auxiliary_units": True}, ("ao_sdtp",)),
    ("denoising", {"denoising": "no"}, ("sdtp", "ao_sdtp")),
    ("denoising", {"denoising": 1}, ("sdtp", "ao_sdtp")),
    ("schedule", {"schedule": "sideways"}, TRAINED),
    ("inverse_steps", {"inverse_steps": 0, "schedule": "inverse-first"}, TRAINED),
    ("inverse_steps", {"inverse_steps": -1, "schedule": "inverse-first"}, TRAINED),
    ("inverse_steps", {"inverse_steps": 1.5, "schedule": "inverse-first"}, TRAINED),
    ("inverse_steps", {"inverse_steps": True, "schedule": "inverse-first"}, TRAINED),
    ("inverse_steps", {"inverse_steps": [2, 0], "schedule": "inverse-first"}, TRAINED),
    ("inverse_steps", {"inverse_steps": [], "schedule": "inverse-first"}, TRAINED),
    ("inverse_steps", {"inverse_steps": 2, "schedule": "parallel"}, TRAINED),
    ("inverse_steps", {"inverse_steps": 2, "schedule": "alternating"}, TRAINED),
    ("inverse_steps", {"inverse_steps": [1, 2], "schedule": "parallel"}, TRAINED),
]


@pytest.mark.parametrize(
    ("rule", "argument", "settings"),
    [
        pytest.param(rule, argument, settings, id=f"{rule}-{settings}")
        for argument, settings, names in BAD
        for rule in names
    ],
)
def test_an_impossible_setting_is_refused_by_its_name(rule, argument, settings):
    with pytest.raises(SettingError, match=f"`{argument}`") as caught:
        BY_NAME[rule](**settings)
    assert str(settings[argument]) in str(caught.value)


@pytest.mark.parametrize("rule", TRAINED)
def test_several_inverse_steps_need_the_inverse_first_schedule(rule):
    assert BY_NAME[rule](schedule="inverse-first", inverse_steps=2).inverse_steps == 2
    with pytest.raises(SettingError, match="inverse-first"):
        BY_NAME[rule](schedule="parallel", inverse_steps=2)


@pytest.mark.parametrize("rule", ["tp", "dtp", "sdtp", "ao_sdtp"])
def test_the_denoising_rules_take_no_noise_at_all_too(rule):
    net, (x, y) = random_net(rule, 2), random_batch()
    (eps,) = random_noise(rule, net)
    network = library(net, rule, noise=0)
    expected = reference.feedback_losses(rule, net, reference.activations(net, x), y, 0, eps)
    for layer in network.trained_feedback:
        loss = network.rule.inverse_loss(
            network, batch_of(network, x, y), layer, given(eps[layer + 1])
        )
        close(loss, expected[layer + 1])


@pytest.mark.parametrize(
    ("rule", "argument"),
    [(rule, "noise") for rule in NOISY] + [(rule, "inverse_steps") for rule in TRAINED],
)
def test_a_list_that_has_not_one_value_for_each_trained_layer_is_refused(rule, argument):
    value = [0.1] * 7 if argument == "noise" else [2] * 7
    made = BY_NAME[rule](schedule="inverse-first", **{argument: value})
    network = dtp_tf.DTPNetwork([dtp_tf.DensePair(4), dtp_tf.DensePair(4)], 3, rule=made)
    with pytest.raises(SettingError, match=f"`{argument}` has 7 values.*{type(made).__name__}"):
        network.build((None, 5))


def test_steps_that_differ_need_a_list_of_optimizers():
    with pytest.raises(SettingError, match="`inverse_steps` differ.*`inverse_optimizer`"):
        library(random_net(), schedule="inverse-first", inverse_steps=[1, 2])
    # Equal numbers in a list do not.
    library(random_net(), schedule="inverse-first", inverse_steps=[2, 2])


@pytest.mark.slow
@pytest.mark.parametrize("rule", TRAINED)
def test_a_list_of_optimizers_of_the_wrong_length_is_refused(rule):
    optimizers = [keras.optimizers.SGD(0.1) for _ in range(5)]
    with pytest.raises(SettingError, match="`inverse_optimizer` has 5 optimizers"):
        library(random_net(rule), rule, inverse_optimizer=optimizers)


@pytest.mark.parametrize("rule", BY_NAME)
def test_a_layer_that_is_refused_its_inverse_is_named(rule):
    pairs = [dtp_tf.DensePair(4), dtp_tf.DensePair(4, inverse=False)]
    if rule in ("tp", "dtp", "fwdtp", "ao_sdtp", *FROM_OUTPUT):
        with pytest.raises(SettingError, match=f"pair 2 has no inverse.*{BY_NAME[rule].__name__}"):
            dtp_tf.DTPNetwork(pairs, 3, rule=BY_NAME[rule]())
    else:
        dtp_tf.DTPNetwork(pairs, 3, rule=BY_NAME[rule]())


SETTINGS = {
    "target_step": 0.25,
    "noise": 0.125,
    "inverse_l2": 0.5,
    "noise_directions": "orthogonal",
    "schedule": "inverse-first",
    "inverse_steps": 3,
    "damping": 0.75,
    "feedback_units": 5,
    "auxiliary_units": 6,
    "noise_samples": 2,
    "straight_through": True,
    "jacobian_norm": "analytic",
    "feedback_magnitudes": "fixed-random",
    "increment": 0.5,
    "orthogonality": 0.25,
    "denoising": False,
}


def taken(rule):
    """The names of the settings that a rule takes."""
    steps = {"target_step"} if rule in STEPPED else set()
    trains = (*TRAINED, "autoencoder")
    feedback = {"schedule", "inverse_steps"} if rule in trains else set()
    noise = {"noise", "noise_samples"} if rule in (*NOISY, "autoencoder") else set()
    directed = ("tp", "dtp", "sdtp", "ao_sdtp", *SMALL_NOISE)
    own = {"noise_directions"} if rule in directed else set()
    own |= {"inverse_l2"} if rule in PENALIZED else set()
    own |= {
        "gnt": {"damping"}, "ddtp_rhl": {"feedback_units"},
        "sdtp": {"denoising"}, "ao_sdtp": {"denoising", "auxiliary_units"},
        "sign_symmetry": {"feedback_magnitudes"}, "gait_prop": {"increment", "orthogonality"},
        "bp": {"straight_through"}, "ldrl": {"jacobian_norm"},
    }.get(rule, set())  # fmt: skip
    return steps | feedback | noise | own


@pytest.mark.parametrize("rule", BY_NAME)
def test_a_rule_is_made_again_from_its_configuration(rule):
    settings = {name: SETTINGS[name] for name in taken(rule)}
    made = BY_NAME[rule](**settings)
    assert made.get_config() == settings
    again = BY_NAME[rule].from_config(json.loads(json.dumps(made.get_config())))
    assert type(again) is BY_NAME[rule]
    assert again.get_config() == settings
    saved = json.loads(json.dumps(keras.saving.serialize_keras_object(made)))
    again = keras.saving.deserialize_keras_object(saved)
    assert type(again) is BY_NAME[rule]
    assert again.get_config() == settings


@pytest.mark.parametrize("rule", NOISY)
def test_lists_and_noise_schedules_survive_the_configuration(rule):
    noise = keras.optimizers.schedules.InverseTimeDecay(0.5, decay_steps=10, decay_rate=1.0)
    for given_noise in (noise, [0.25, noise]):
        made = BY_NAME[rule](noise=given_noise, schedule="inverse-first", inverse_steps=[3, 1])
        saved = json.loads(json.dumps(keras.saving.serialize_keras_object(made)))
        again = keras.saving.deserialize_keras_object(saved)
        assert list(again.inverse_steps) == [3, 1]
        *before, last = again.noise if isinstance(given_noise, list) else [again.noise]
        assert before == given_noise[:-1] if isinstance(given_noise, list) else before == []
        assert isinstance(last, keras.optimizers.schedules.InverseTimeDecay)
        assert float(last(10)) == 0.25  # 0.5 / (1 + 10/10)


@pytest.mark.parametrize("rule", NOISY)
@pytest.mark.slow
def test_a_noise_schedule_follows_the_training_step(monkeypatch, rule):
    net, (x, y) = random_net(rule, 2), random_batch()
    (eps,) = random_noise(rule, net)
    give_noise(monkeypatch, [eps])
    # 1, 1/2, 1/3, .. at the steps 0, 1, 2, ..
    noise = keras.optimizers.schedules.InverseTimeDecay(1.0, decay_steps=1, decay_rate=1.0)
    network = library(net, rule, noise=noise, schedule="parallel", inverse_steps=1)
    network.optimizer.learning_rate = 0.0
    network.inverse_optimizer.learning_rate = 0.0
    h = reference.activations(net, x)
    for sigma in (1, 1 / 2, 1 / 3):
        expected = reference.feedback_losses(rule, net, h, y, sigma, eps)
        network.reset_metrics()
        logs = an_epoch(network, x, y)
        for i, loss in expected.items():
            assert float(logs[f"inverse_loss_{i}"]) == pytest.approx(loss.mean(), 1e-4)
    assert int(network.step) == 3


def test_every_rule_says_what_it_is_and_where_it_comes_from():
    for name, rule in BY_NAME.items():
        assert issubclass(rule, rules.Rule)
        assert "References:" in rule.__doc__, name
