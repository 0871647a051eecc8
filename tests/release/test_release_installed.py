"""What whoever installed the package reads and calls: no clone, no cli.py."""

import subprocess

import click
import pytest
from forking import FRESH
from helpers import REPO, environment

from dtp_tf.commands.main import main

READ = """
from dtp_tf.commands.main import main
from dtp_tf.errors import UserError
from dtp_tf.machines.cluster import find_cluster
from dtp_tf.recipes.commands import train_command
from dtp_tf.recipes.recipe import recipe

for words in ([], *([name] for name in main.commands)):
    try:
        main([*words, "-h"], prog_name="dtp-tf")
    except SystemExit as end:
        assert end.code == 0
print(train_command(recipe("digits"), None))
try:
    find_cluster({})
except UserError as error:
    print(error)
"""


@pytest.fixture
def installed(tmp_path):
    """Runs Python in a folder that holds the package alone, as site-packages does."""
    (tmp_path / "dtp_tf").symlink_to(REPO / "dtp_tf")

    def run(*words):
        variables = {**environment(), "PYTHONPATH": str(tmp_path)}
        done = subprocess.run(
            [*FRESH, *words], cwd=tmp_path, env=variables, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.slow
def test_whoever_has_no_clone_is_told_of_no_script_that_is_there_alone(installed):
    text = installed("-c", READ)
    assert "Start with:  dtp-tf train" in text
    assert "Example:  dtp-tf evaluate runs/" in text
    assert "\ndtp-tf train digits --rule dtp" in text
    assert "on this machine: dtp-tf launch --workers 2 train" in " ".join(text.split())
    assert "cli.py" not in text


@pytest.mark.slow
def test_the_package_can_be_called_as_a_module(installed):
    text = installed("-m", "dtp_tf", "recipes", "-h")
    assert text.startswith("Usage: python -m dtp_tf recipes ")


def test_each_command_called_by_itself_has_the_short_flag_for_its_help():
    for name, command in main.commands.items():
        context = click.Context(command, info_name=name, **command.context_settings)
        assert "-h" in command.get_help_option_names(context)
