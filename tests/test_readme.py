"""README and docs: their commands parse, their Python runs, and their names are real."""

import pathlib
import re
import shlex

import pytest

from dtp_tf.cli import main
from dtp_tf.recipes import RECIPES, SETTINGS
from dtp_tf.runs import Run

ROOT = pathlib.Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "exported_models/README.md", *sorted(ROOT.glob("docs/*.md"))]


def commands():
    found = []
    for page in PAGES:
        for line in page.read_text().splitlines():
            for part in line.replace("`", "\n").splitlines():
                match = re.search(r"python cli\.py ([^|&`]*)", part)
                if match:
                    found.append(shlex.split(match[1], comments=True))
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_in_the_docs_is_understood(words):
    name, *arguments = words or ["train"]
    if name not in main.commands:  # prose such as "python cli.py (or dtp-tf)"
        pytest.fail(f"{name} is no command")
    context = main.commands[name].make_context(name, arguments)
    settings = {k: v for k, v in context.params.items() if k in SETTINGS and v is not None}
    for setting, value in settings.items():
        if setting != "recipe":
            SETTINGS[setting].parse(setting, value)


def test_the_docs_name_enough_commands_to_be_worth_checking():
    named = {words[0] for words in commands() if words}
    assert named >= {"train", "evaluate", "predict", "recipes"}


def test_the_python_in_the_readme_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    assert len(names["history"].history["val_accuracy"]) == 3
    assert names["history"].history["val_accuracy"][-1] > 0.5
    assert (tmp_path / "exported_models/digits/1/saved_model.pb").is_file()


def test_the_two_commands_of_the_readme_stand_between_their_marks():
    text = (ROOT / "README.md").read_text()
    for mark in ("train command", "test command"):
        (block,) = re.findall(f"<!-- {mark} -->\n```sh\n(.*)\n```\n<!-- end -->", text)
        assert block.startswith("python3 -m venv .venv && .venv/bin/pip install")


def test_the_training_page_names_every_recipe_and_every_file_of_a_run():
    page = (ROOT / "docs/training.md").read_text()
    for name in RECIPES:
        assert f"`{name}`" in page
    for path in vars(Run("x")).values():
        if path.name != "x":
            assert path.name in page
