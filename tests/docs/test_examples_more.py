"""The notebooks on photos and on a rule of one's own run, and are stored with what a run shows."""

import copy
import os
import pathlib
import re
import shlex

import nbformat
import pytest
from nbclient import NotebookClient

from dtp_tf.commands.main import main

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOTEBOOKS = [ROOT / "examples/your_own_photos.ipynb", ROOT / "examples/your_own_rule.ipynb"]


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(cell):
    """Return what a cell shows, by kind; messages on standard error do not count."""
    kinds = set()
    for output in cell.outputs:
        assert output.output_type != "error", output
        kinds |= {output.get("name")} - {None} if "text" in output else set(output.data)
    return kinds - {"stderr"}


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_shows_what_is_stored_and_leaves_nothing_behind(path, tmp_path):
    """What it claims in words it asserts itself."""
    stored = nbformat.read(path, as_version=4)
    notebook = copy.deepcopy(stored)
    for cell in code_cells(notebook):
        cell.outputs, cell.execution_count = [], None
    folder = tmp_path / "here"
    folder.mkdir()
    # A MPLBACKEND would take the place of the one that puts figures into a notebook.
    env = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    env |= {"PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(tmp_path / "state")}
    client = NotebookClient(notebook, timeout=500, resources={"metadata": {"path": str(folder)}})
    client.execute(env=env)
    assert not list(folder.iterdir())
    assert [shown(cell) for cell in code_cells(stored)] == list(map(shown, code_cells(notebook)))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_stored_notebook_is_small_whole_and_free_of_logs_and_machine_paths(path):
    stored = nbformat.read(path, as_version=4)
    cells = code_cells(stored)
    assert path.stat().st_size < 700_000
    assert stored.metadata.kernelspec.name == "python3"
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not any("stderr" == output.get("name") for cell in cells for output in cell.outputs)
    assert any("image/png" in shown(cell) for cell in cells)
    text = path.read_text(encoding="utf-8")
    assert not re.search(
        r"/(home|Users|root|tmp|work)/|[A-Z]:\\\\|oneDNN|site-packages|\\u001b", text
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_files_and_commands_that_a_notebook_names_are_real(path):
    cells = nbformat.read(path, as_version=4).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    files = re.findall(r"`((?:dtp_tf|docs|examples|tests)/[\w/.]+)`", prose)
    commands = re.findall(r"`python cli\.py ([^`]+)`", prose)
    assert files and commands
    assert [file for file in files if not (ROOT / file).is_file()] == []
    for command in commands:
        name, *arguments = shlex.split(command)
        main.commands[name].make_context(name, arguments)
