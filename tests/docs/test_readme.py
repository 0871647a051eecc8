"""README and docs: their commands parse, their Python runs, and their names are real."""

import json
import pathlib
import re
import shlex

import pytest
from fake_model_server import FakeModelServer
from helpers import digits, invoke, succeeded
from PIL import Image

from dtp_tf.commands.main import main
from dtp_tf.recipes.named import RECIPES
from dtp_tf.recipes.recipe import SETTINGS
from dtp_tf.runs.folder import Run

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "exported_models/README.md",
    *sorted(ROOT.glob("docs/*.md")),
]  # fmt: skip


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
    assert named == set(main.commands)


@pytest.mark.slow
def test_the_python_in_the_readme_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    names = {}
    for code in blocks:
        exec(compile(code, "README.md", "exec"), names)
    assert names["classifier"].output_shape == (None, 10)
    assert names["network"].example_shape == (8, 8, 1)
    assert len(names["history"].history["val_accuracy"]) == 3
    assert names["history"].history["val_accuracy"][-1] > 0.5
    assert (tmp_path / "exported_models/digits/1/saved_model.pb").is_file()


@pytest.mark.slow
def test_the_lines_that_serve_work_from_the_readme_alone(tmp_path, monkeypatch):
    """All but the server itself, for which a stand-in answers from the export."""
    monkeypatch.chdir(tmp_path)
    section = (ROOT / "README.md").read_text().split("\n## Serve\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    lines = [shlex.split(line, comments=True)[2:] for line in block.splitlines()]
    assert len(lines) < 10
    export, serve, predict, status, load_test, compose = lines
    succeeded(invoke(*export))
    assert "--model_name=digits" in succeeded(invoke(*serve, "--print-command"))
    seven = digits().test.images[digits().test.labels == 7][0, ..., 0]
    Image.fromarray(seven).save("seven.png")
    with FakeModelServer({"digits": tmp_path / "exported_models/digits"}) as server:

        def asked(words, *more):
            words = [word.replace("http://localhost:8501/v1/models/digits", server.url())
                     for word in words]
            return succeeded(invoke(*words, *more))

        (answer,) = json.loads(asked(predict, "--json"))
        assert answer["classes"][0] == "7"
        assert "AVAILABLE" in asked(status)
        levels = json.loads(asked(load_test, "--requests", "8", "--json"))["levels"]
        assert [(level["concurrency"], level["requests"]) for level in levels] == [(1, 8), (4, 8)]
    assert "tensorflow/serving" in (
        succeeded(invoke(*compose)) + (tmp_path / "compose.yaml").read_text()
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_of_the_code_that_a_page_names_is_there(page):
    for path in re.findall(r"`((?:dtp_tf|tests|benchmarks|examples)/[\w/.]+)`", page.read_text()):
        assert (ROOT / path).exists(), path


def test_the_page_on_the_code_shows_every_wing_in_its_layer():
    page = (ROOT / "docs/architecture.md").read_text()
    wings = {path.parent.name for path in ROOT.glob("dtp_tf/*/__init__.py")}
    contract = (ROOT / "setup.cfg").read_text().split("layers =")[1].split("[")[0]
    assert set(re.findall(r"\w+", contract)) >= wings
    for wing in wings:
        assert f"| `{wing}/` |" in page, wing
    picture = page.split("```mermaid")[1].split("```")[0]
    layers = [set(re.findall(r"\w+", line)) for line in contract.strip().splitlines()]
    place = {name: i for i, names in enumerate(layers) for name in names}
    for line in picture.splitlines():
        sides = [re.findall(r"\w+", re.sub(r"\[.*?\]", "", side)) for side in line.split("-->")]
        for above, below in zip(sides, sides[1:], strict=False):
            for one in above:
                assert all(place[one] < place[other] for other in below), line


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
