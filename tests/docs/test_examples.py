"""The notebook runs from top to bottom, and is stored with the outputs of such a run."""

import copy
import os
import pathlib
import re

import nbformat
import pytest
from nbclient import NotebookClient

from dtp_tf.commands.main import main

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "examples/difference_target_propagation.ipynb"


@pytest.fixture(scope="module")
def stored():
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def executed(stored, tmp_path_factory):
    """The notebook as a run of now leaves it, with a last cell that shows the test accuracy."""
    notebook = copy.deepcopy(stored)
    for cell in code_cells(notebook):
        cell.outputs, cell.execution_count = [], None
    notebook.cells.append(nbformat.v4.new_code_cell('result["accuracy"]'))
    # A MPLBACKEND would take the place of the one that puts figures into a notebook.
    env = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    env["PYTHONPATH"] = str(ROOT)
    folder = tmp_path_factory.mktemp("notebook")
    client = NotebookClient(notebook, timeout=500, resources={"metadata": {"path": str(folder)}})
    client.execute(env=env)
    assert not list(folder.iterdir())  # it leaves nothing behind
    return notebook


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def shown(cell):
    """Return what a cell shows, by kind; messages on standard error do not count."""
    kinds = set()
    for output in cell.outputs:
        assert output.output_type != "error", output
        if output.output_type == "stream":
            kinds |= {output.name} - {"stderr"}
        else:
            kinds |= set(output.data)
    return kinds


@pytest.mark.slow
def test_the_notebook_runs_and_classifies_at_least_95_percent_of_the_test_images(executed):
    accuracy = float(executed.cells[-1].outputs[-1].data["text/plain"])
    assert 0.95 <= accuracy <= 1


@pytest.mark.slow
def test_the_stored_notebook_shows_what_a_run_shows(stored, executed):
    cells = code_cells(stored)
    assert [shown(cell) for cell in cells] == [shown(cell) for cell in code_cells(executed)[:-1]]
    assert sum("image/png" in shown(cell) for cell in cells) >= 9
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


def test_the_stored_notebook_is_small_and_free_of_errors_logs_and_machine_paths(stored):
    assert NOTEBOOK.stat().st_size < 700_000
    assert stored.metadata.kernelspec.name == "python3"
    for output in outputs(stored):
        assert output.output_type != "error"
        assert output.get("name") != "stderr"
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert not re.search(r"/(home|Users|root|tmp|work)/|[A-Z]:\\\\|oneDNN|site-packages", text)


def test_the_files_and_commands_that_the_notebook_names_are_real(stored):
    prose = "\n".join(cell.source for cell in stored.cells if cell.cell_type == "markdown")
    files = re.findall(r"`((?:dtp_tf|docs|examples)/[\w/.]+)`", prose)
    commands = re.findall(r"`python cli\.py ([^`]+)`", prose)
    assert files and commands
    for file in files:
        assert (ROOT / file).is_file(), file
    for command in commands:
        name, *arguments = command.split()
        main.commands[name].make_context(name, arguments)
