"""The command line explains itself: every command, every option and every recipe, at once."""

import dataclasses
import json
import resource
import shlex
import subprocess
import sys

import click
import keras
import pytest
import tensorflow as tf
from helpers import REPO, invoke, python, refusal, succeeded

import dtp_tf
from dtp_tf.commands.main import main
from dtp_tf.recipes.named import RECIPES
from dtp_tf.recipes.recipe import RULE_SETTINGS, RULES, SETTINGS

COMMANDS = sorted(main.commands)


# -- it explains itself ----------------------------------------------------------------------------


def test_there_are_these_commands():
    assert COMMANDS == [
        "benchmark", "compare", "evaluate", "export", "import-torch", "launch", "load-test",
        "predict", "presets", "recipes", "report", "reproduce", "save-preset", "serve",
        "server-status", "train", "tune",
    ]  # fmt: skip


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_answers_everywhere(command, flag):
    text = succeeded(invoke(*([command] if command else []), flag))
    assert text.startswith("Usage: dtp-tf")
    assert "-h, --help" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_every_option_is_documented(command):
    found = main.commands[command]
    assert len(found.help) > 40
    for parameter in found.params:
        if isinstance(parameter, click.Option):
            assert parameter.help and len(parameter.help) > 8, parameter.name
            assert parameter.help.endswith((".", "]")), parameter.name


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example_that_it_understands(command):
    found = main.commands[command]
    assert found.epilog.startswith("Example:  python cli.py ")
    words = shlex.split(found.epilog)[3:]
    assert words[0] == command
    assert found.make_context(command, words[1:]).params  # refuses what it does not know


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "recipe"])
def test_every_setting_is_an_option_of_train_with_its_help(name):
    text = " ".join(succeeded(invoke("train", "-h")).split())
    assert "--" + name.replace("_", "-") in text
    option = {parameter.name: parameter for parameter in main.commands["train"].params}[name]
    assert SETTINGS[name].help in option.help
    assert SETTINGS[name].range_text() in option.help


@pytest.mark.slow
def test_help_takes_under_half_a_second_of_the_processor():
    def used():  # by child processes; the clock would count what else the machine does
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = used()
    done = subprocess.run([sys.executable, REPO / "cli.py", "--help"], capture_output=True)
    assert b"train" in done.stdout
    assert used() - before < 0.5


@pytest.mark.slow
def test_help_recipes_and_wrong_settings_do_not_wait_for_tensorflow(tmp_path):
    program = """
import sys
from dtp_tf.commands.main import main
for words in (["--help"], ["train", "--help"], ["recipes"], ["recipes", "cifar10"],
              ["train", "nonsense"], ["train", "--epochs", "0"]):
    try:
        main(words)
    except SystemExit as end:
        print("exit", end.code)
print("tensorflow" in sys.modules, "keras" in sys.modules)
"""
    lines = python("-c", program, cwd=tmp_path, fresh=True).splitlines()
    codes = [line for line in lines if line.startswith("exit ")]
    assert codes == ["exit 0", "exit 0", "exit 0", "exit 0", "exit 2", "exit 2"]
    assert lines[-1] == "False False"


def test_the_version_tells_keras_tensorflow_and_the_device():
    lines = succeeded(invoke("--version")).splitlines()
    assert f"dtp_tf {dtp_tf.__version__}" in lines
    assert f"keras {keras.__version__}" in lines
    assert f"tensorflow {tf.__version__}" in lines
    assert lines[-1].startswith(("device CPU", "device GPU"))


def test_no_command_at_all_shows_the_help():
    result = invoke()
    assert result.exit_code in (0, 2)  # click 8.2 changed it
    assert "Commands:" in result.stdout + result.stderr


# -- recipes ---------------------------------------------------------------------------------------


def test_recipes_lists_every_recipe_with_its_summary():
    lines = succeeded(invoke("recipes")).splitlines()
    assert [line.split()[0] for line in lines] == list(RECIPES)
    for line, named in zip(lines, RECIPES.values(), strict=True):
        assert line.endswith(named.summary)


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_explains_every_setting_of_a_recipe(name):
    text = succeeded(invoke("recipes", name))
    settled = dtp_tf.recipe(name).to_dict()
    words = " ".join(text.split())
    for setting, value in settled.items():
        if setting == "recipe" or (
            setting in RULE_SETTINGS and setting not in RULES[settled["rule"]]
        ):
            continue
        (line,) = [line for line in text.splitlines() if line.startswith(f"{setting} = ")]
        shown = line.split(" = ")[1]
        assert SETTINGS[setting].parse(setting, shown) == getattr(dtp_tf.recipe(name), setting)
        assert " ".join(SETTINGS[setting].help.split()) in words
        assert value is not None or shown == "none"
    assert text.startswith(f"{name}: {RECIPES[name].summary}")


@pytest.mark.parametrize("rule", RULES)
def test_recipes_shows_only_those_settings_of_rules_that_the_rule_takes(rule, monkeypatch):
    named = RECIPES["digits"]
    monkeypatch.setitem(RECIPES, "digits", dataclasses.replace(named, rules={rule: {}}))
    lines = succeeded(invoke("recipes", "digits")).splitlines()
    shown = [line.split(" = ")[0] for line in lines if " = " in line and line[0] != " "]
    assert set(shown) == set(SETTINGS) - {"recipe"} - (set(RULE_SETTINGS) - set(RULES[rule]))
    assert len(shown) == len(set(shown))
    assert f"rule = {rule}" in lines


def test_recipes_speak_json():
    everything = json.loads(succeeded(invoke("recipes", "--json")))
    assert everything == {name: dtp_tf.recipe(name).to_dict() for name in RECIPES}
    one = json.loads(succeeded(invoke("recipes", "cifar10", "--json")))
    assert one == everything["cifar10"]


def test_an_unknown_recipe_to_explain_is_refused():
    assert "Did you mean 'cifar10'?" in refusal(invoke("recipes", "cifar"), 2)
