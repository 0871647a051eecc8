"""Tables of results: the command beside a figure still has the settings that the figure is of.

A recipe that gets better settings changes what a command means that leans on it.
"""

import csv
import json
import shlex

import pytest
from helpers import REPO

import dtp_tf
from dtp_tf.commands.main import main
from dtp_tf.recipes.recipe import SETTINGS


def rows(path):
    """Return the rows of a table that are of one training each."""
    with open(path, newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if " train " in row.get("command", "")]


TABLES = [path for path in sorted((REPO / "docs").rglob("*.csv")) if rows(path)]
OF_RUNS = ("runs.csv", "comparison.csv")
RUNS = [
    path
    for path in sorted((REPO / "docs").rglob("config.json"))
    if any((path.parents[1] / name).exists() for name in OF_RUNS)
]
# Of these a table says how far the training came.
REACHED = {"epochs"}


def settled(command):
    """Return the recipe that a command trains by."""
    words = shlex.split(command)
    words = words[words.index("train") + 1 :]
    given = main.commands["train"].make_context("train", words).params
    flags = {name: value for name, value in given.items() if value is not None}
    name = flags.pop("recipe")
    return dtp_tf.recipe(name, **{key: flags[key] for key in flags.keys() & SETTINGS.keys()})


@pytest.mark.parametrize("path", TABLES, ids=lambda path: str(path.relative_to(REPO)))
def test_a_command_settles_to_what_its_row_says(path):
    for row in rows(path):
        recipe = settled(row["command"])
        for name in row.keys() & SETTINGS.keys() - REACHED:
            if row[name] != "":
                expected = SETTINGS[name].parse(name, row[name])
                assert getattr(recipe, name) == expected, (row["command"], name)


@pytest.mark.parametrize("path", RUNS, ids=lambda path: str(path.parent.relative_to(REPO)))
def test_a_kept_run_has_the_settings_of_the_command_in_its_table(path):
    folder = path.parent
    commands = [
        row["command"]
        for table in TABLES
        if table.parent == folder.parent and table.name in OF_RUNS
        for row in rows(table)
        if row.get("folder", f"{row['rule']}-{row['seed']}") == folder.name
    ]
    assert len(commands) == 1
    kept = dtp_tf.Recipe.from_dict(json.loads(path.read_text(encoding="utf-8")))
    assert settled(commands[0]) == kept
