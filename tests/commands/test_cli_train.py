"""`train` from the command line: what it is asked for, and what it prints as JSON."""

import json
import shutil

import pytest
from helpers import (
    DETERMINISTIC,
    TINY,
    arrays,
    assert_same_arrays,
    deterministic_run,
    flags,
    invoke,
    refusal,
    succeeded,
    trained,
)

import dtp_tf
from dtp_tf.errors import UserError
from dtp_tf.files import read_json, write_json
from dtp_tf.recipes.recipe import RULES


@pytest.fixture
def asked(monkeypatch):
    """What `train` would be called with; the call itself is refused."""
    seen = {}

    def note(recipe, **kwargs):
        seen.update(recipe=recipe, **kwargs)
        raise UserError("noted.")

    monkeypatch.setattr("dtp_tf.training.train.train", note)
    return seen


# -- what train is asked for -----------------------------------------------------------------------


def test_flags_override_the_recipe(asked, tmp_path):
    words = ("cifar10", "--units", "30, 20", "--epochs", "7", "--no-flip", "--deterministic")
    refusal(invoke("train", *words, "--early-stopping", "none", "--seed", "9"), 1)
    assert asked["recipe"] == dtp_tf.recipe(
        "cifar10", units=(30, 20), epochs=7, flip=False, deterministic=True, seed=9
    )


def test_without_a_recipe_the_digits_are_trained(asked):
    refusal(invoke("train"), 1)
    assert asked["recipe"] == dtp_tf.recipe("digits")
    assert asked["export_dir"] == "exported_models"
    assert (asked["resume"], asked["run_dir"], asked["data_dir"]) == (None, None, None)


def test_folders_are_passed_on(asked):
    refusal(invoke("train", "--run-dir", "a", "--data-dir", "b", "--export-dir", "c"), 1)
    assert (asked["run_dir"], asked["data_dir"], asked["export_dir"]) == ("a", "b", "c")
    refusal(invoke("train", "--no-export"), 1)
    assert asked["export_dir"] is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.json", '{"epochs": 5, "units": [8, 9], "noise": 0.25}'),
        ("c.yaml", "epochs: 5\nunits: [8, 9]\nnoise: 0.25\n"),
        ("c.yml", "epochs: 5\nunits: 8,9\nnoise: 0.25\n"),
    ],
)
def test_a_config_file_stands_between_the_recipe_and_the_flags(asked, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    refusal(invoke("train", "mnist", "--config", tmp_path / name, "--epochs", "6"), 1)
    assert asked["recipe"] == dtp_tf.recipe("mnist", epochs=6, units=(8, 9), noise=0.25)


def test_a_config_file_may_name_its_recipe_and_the_command_may_name_another(asked, tmp_path):
    (tmp_path / "c.json").write_text('{"recipe": "mnist", "epochs": 5}')
    refusal(invoke("train", "--config", tmp_path / "c.json"), 1)
    assert asked["recipe"] == dtp_tf.recipe("mnist", epochs=5)
    refusal(invoke("train", "cifar10", "--config", tmp_path / "c.json"), 1)
    assert asked["recipe"] == dtp_tf.recipe("cifar10", epochs=5)


def test_the_config_of_a_run_may_be_had_with_another_rule(asked, tmp_path):
    """What it says of its own rule is left out; all else stays."""
    first = dtp_tf.recipe("digits", noise=0.25, schedule="alternating", epochs=3, units=(8, 9))
    write_json(tmp_path / "config.json", first.to_dict())
    for rule in RULES:
        refusal(invoke("train", "--config", tmp_path / "config.json", "--rule", rule), 1)
        expected = dtp_tf.recipe("digits", rule=rule, epochs=3, units=(8, 9))
        assert asked["recipe"] == (first if rule == "dtp" else expected)
    words = ("--config", tmp_path / "config.json", "--rule", "drl", "--noise", "0.5")
    refusal(invoke("train", *words), 1)
    assert asked["recipe"] == dtp_tf.recipe(
        "digits", rule="drl", epochs=3, units=(8, 9), noise=0.5
    )


def test_what_a_config_file_says_of_no_rule_by_name_is_not_left_out(asked, tmp_path):
    (tmp_path / "c.json").write_text('{"noise": 0.25}')
    refusal(invoke("train", "--config", tmp_path / "c.json", "--rule", "drl"), 1)
    assert asked["recipe"] == dtp_tf.recipe("digits", rule="drl", noise=0.25)
    text = refusal(invoke("train", "--config", tmp_path / "c.json", "--rule", "bp"), 2)
    assert "`noise` has no place in the rule bp" in text


def test_lists_of_the_layers_come_as_numbers_with_commas(asked):
    words = ("--rule", "ldrl", "--noise", "0.1,0.2,0.3", "--inverse-steps", "1,2,3")
    refusal(invoke("train", *words, "--inverse-learning-rate", "1e-3,2e-3,3e-3"), 1)
    assert asked["recipe"] == dtp_tf.recipe(
        "digits", rule="ldrl", noise=(0.1, 0.2, 0.3), inverse_steps=(1, 2, 3),
        inverse_learning_rate=(0.001, 0.002, 0.003),
    )  # fmt: skip


def test_the_config_of_a_run_of_a_recipe_made_in_python_is_understood(asked, tmp_path):
    recipe = dtp_tf.Recipe(units=(8, 9), epochs=5)
    write_json(tmp_path / "config.json", recipe.to_dict())
    refusal(invoke("train", "--config", tmp_path / "config.json"), 1)
    assert asked["recipe"] == recipe


@pytest.mark.slow
def test_the_config_of_a_run_reproduces_the_run(tmp_path):
    """A deterministic run, so that equal means equal bits."""
    config = deterministic_run() / "config.json"
    words = ("--config", config, "--no-export", "--run-dir", tmp_path / "run")
    succeeded(invoke("train", *words))
    assert read_json(tmp_path / "run" / "config.json") == read_json(config)
    assert read_json(config)["epochs"] == DETERMINISTIC["epochs"]
    assert_same_arrays(
        arrays(tmp_path / "run" / "last.keras"), arrays(deterministic_run() / "last.keras")
    )


# -- JSON ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_train_prints_nothing_but_json_on_standard_output(tmp_path):
    result = invoke(
        "train", *flags({**TINY, "epochs": 1}), "--run-dir", tmp_path / "run", "--export-dir",
        tmp_path / "exported", "--json",
    )
    content = json.loads(succeeded(result))
    assert content.pop("run_dir") == str(tmp_path / "run")
    assert content.pop("export") == str(tmp_path / "exported" / "digits" / "1")
    assert content == read_json(tmp_path / "run" / "metrics.json")
    assert "epoch 1/1  loss" in result.stderr


@pytest.mark.slow
def test_train_without_an_export_says_so_in_json(tmp_path, monkeypatch):
    run = shutil.copytree(trained()[0], tmp_path / "run")
    content = json.loads(succeeded(invoke("train", "--resume", run, "--no-export", "--json")))
    assert content["export"] is None
    assert content["run_dir"] == str(run)
