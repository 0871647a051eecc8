"""A comparison is planned with equal conditions, and what cannot be compared is refused by name."""

import json

import keras
import numpy as np
import pytest
from compare_support import SMALL, fixture_runs  # noqa: F401
from helpers import invoke, refusal

import dtp_tf
from dtp_tf.comparing.plan import HELD_EQUAL, make_plan, train_command
from dtp_tf.console.tables import make_console
from dtp_tf.data.sets import load_data
from dtp_tf.errors import SettingError
from dtp_tf.recipes.recipe import RULES
from dtp_tf.rules.base import FORWARD
from dtp_tf.runs.folder import Run
from dtp_tf.training.building import build_network
from dtp_tf.training.loop import Loop

# -- what is held equal ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"initializer": "torch_uniform"}], ids=str)
def test_all_rules_of_a_seed_start_from_the_same_forward_weights_and_data(settings):
    plan = make_plan("digits", seeds=2, **SMALL, **settings)
    starts = {}
    for recipe in plan.recipes[: len(RULES) + 2]:  # the first seed's, and two of the other
        weights, splits = start_of(recipe)
        first_weights, first_splits = starts.setdefault(recipe.seed, (weights, splits))
        assert weights == first_weights, recipe.rule
        assert splits == first_splits, recipe.rule
    assert len(plan.recipes) == 2 * len(RULES)
    assert starts[0] != starts[1]  # seeds differ


def start_of(recipe):
    """Return the bytes of the forward weights and of the splits with which a run would start."""
    keras.utils.set_random_seed(recipe.seed)  # as `train` does
    data = load_data(recipe)
    network = build_network(recipe, data)
    splits = [(s.images.tobytes(), s.labels.tobytes()) for s in (data.train, data.validation)]
    return [np.asarray(v).tobytes() for v in network.forward_variables], splits


@pytest.mark.slow
def test_all_rules_of_a_seed_see_the_same_batches_in_the_same_order():
    def batches(recipe, epoch):
        loop = Loop(recipe, data, networks[recipe.rule], Run("x"), [], (), make_console(quiet=True))
        (order,) = (order for phase, order in loop._passes(epoch) if FORWARD in phase)
        loop._batches.select(epoch, order)
        return [np.asarray(images).tobytes() for images, _ in loop._training]

    recipes = make_plan("digits", seeds=1, **SMALL, crop=1).recipes
    data = load_data(recipes[0])
    networks = {recipe.rule: build_network(recipe, data) for recipe in recipes}
    first = batches(recipes[0], 1)
    assert len(set(first)) == len(first) > 3
    assert all(batches(recipe, 1) == first for recipe in recipes[1:])
    assert batches(recipes[0], 0) != first


def test_a_plan_is_every_rule_with_every_seed_one_seed_after_the_other():
    plan = make_plan("digits", ["bp", "ldrl"], seeds=2)
    order = [(recipe.rule, recipe.seed) for recipe in plan.recipes]
    assert order == [("bp", 0), ("ldrl", 0), ("bp", 1), ("ldrl", 1)]
    assert make_plan("digits").rules == tuple(RULES)
    assert len(make_plan("digits").recipes) == 3 * len(RULES)


def test_the_rules_differ_in_nothing_that_is_held_equal():
    for name in ("digits", "mnist-compare", "cifar10-compare"):
        recipes = make_plan(name, seeds=1).recipes
        for setting in HELD_EQUAL:
            assert len({getattr(recipe, setting) for recipe in recipes}) == 1, (name, setting)


# -- settings --------------------------------------------------------------------------------------


def test_a_setting_of_rules_goes_to_the_rules_that_take_it():
    plan = make_plan("digits", "bp,dtp,ldrl", seeds=1, noise=0.05, learning_rate=0.01)
    bp, dtp, ldrl = plan.recipes
    assert (bp.noise, dtp.noise, ldrl.noise) == (None, 0.05, 0.05)
    assert {recipe.learning_rate for recipe in plan.recipes} == {0.01}


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_a_rule_config_sets_what_one_rule_needs_above_the_flags(tmp_path, suffix):
    path = tmp_path / f"rules{suffix}"
    path.write_text(json.dumps({"ldrl": {"noise": 0.2, "learning_rate": 0.5}, "tp": {}}))
    plan = make_plan("digits", "dtp,ldrl", seeds=1, noise=0.1, rule_config=path)
    assert [recipe.noise for recipe in plan.recipes] == [0.1, 0.2]
    assert [recipe.learning_rate for recipe in plan.recipes] == [
        dtp_tf.recipe("digits").learning_rate, 0.5,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "given, named",
    [
        ({"rules": "bp,nonsense"}, "`rules` must be one of tp,.*got 'nonsense'"),
        ({"rules": "bp,bp"}, "`rules` names bp 2 times"),
        ({"rules": ","}, "`rules` needs at least one rule"),
        ({"rules": "a/x.py:A,b/x.py:A"}, "would share a folder"),
        ({"rules": "bp,fa", "noise": 0.1}, "`noise` is taken by none of the rules bp, fa"),
        ({"seeds": 0}, "`seeds` must be a whole number of at least 1, got 0"),
        ({"seed": 1}, "give `seeds` instead"),
        ({"rule": "bp"}, "give `rules` instead"),
        ({"epochs": 0}, "`epochs` must be at least 1, got 0"),
        ({"inverse_steps": 3, "rules": "bp,dtp"}, "with the rule dtp: `inverse_steps` 3 needs"),
        ({"rule_config": {"dtq": {}}}, "unknown rule 'dtq'.*Did you mean 'dtp'"),
        ({"rule_config": {"dtp": {"nose": 1}}}, "dtp: unknown setting 'nose'"),
        ({"rule_config": {"dtp": 3}}, "dtp must have settings by name, got 3"),
        ({"rule_config": {"bp": {"noise": 1}}}, "with the rule bp: `noise` has no place"),
        ({"rule_config": {"bp": {"epochs": 1}}}, "bp: `epochs` cannot differ between the rules"),
        ({"rule_config": {"bp": {"seed": 1}}}, "bp: `seed` cannot differ between the rules"),
        ({"rule_config": "missing.yaml"}, "missing.yaml cannot be read"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(given, named):
    with pytest.raises(SettingError, match=named):
        make_plan("digits", **given)


@pytest.mark.parametrize(
    "words", [["--rules", "nonsense"], ["--rules", "bp", "--noise", "1"], ["--seeds", "0"],
              ["--rule-config", "missing.json"], ["nonsense"]],
    ids=" ".join,
)
def test_wrong_use_is_one_sentence_and_exit_code_2(words, tmp_path):
    refusal(invoke("compare", *words, "--out", tmp_path / "out"), 2)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("flag", ["--seed", "--rule"])
def test_what_a_comparison_varies_is_no_flag(flag):
    result = invoke("compare", flag, "1")
    assert result.exit_code == 2
    assert "No such option" in result.stderr and flag in result.stderr


def test_a_rule_of_ones_own_that_is_missing_is_refused_before_any_run(tmp_path, runs):
    words = "--rules", f"bp,{tmp_path}/mine.py:Mine", "--out", tmp_path / "out"
    assert "there is no file" in refusal(invoke("compare", *words), 2)
    assert not runs


@pytest.mark.slow
def test_the_command_of_a_run_trains_by_its_recipe(tmp_path):
    from dtp_tf.commands.main import main

    settings = {**SMALL, "crop": 1, "flip": True, "noise": 0.1, "early_stopping": 3}
    for recipe in make_plan("mnist-paper", seeds=2, **settings).recipes:
        words = train_command(recipe, tmp_path).split()
        assert words[:4] == ["python", "cli.py", "train", "mnist-paper"]
        context = main.commands["train"].make_context("train", words[3:])
        given = {k: v for k, v in context.params.items() if k in recipe.to_dict()}
        name = given.pop("recipe")
        given = {k: v for k, v in given.items() if v is not None}
        assert dtp_tf.recipe(name, **given) == recipe
