"""What the package says of itself agrees: version, requirements, files, workflows."""

import ast
import configparser
import fnmatch
import importlib.metadata
import pathlib
import re
import sys

import pytest
import yaml
from helpers import REPO, python
from packaging.requirements import Requirement

import dtp_tf

SETUP = configparser.ConfigParser()
SETUP.read(REPO / "setup.cfg")
PACKAGE = REPO / "dtp_tf"
# Required without being imported here, and why.
NOT_IMPORTED = {"importlib-resources"}  # by tensorflow-datasets
# Imported only where a file of that kind is to be read, and asked for by name then.
ASKED_FOR = {"pillow-heif"}


def requirements(text):
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [Requirement(line) for line in lines]


REQUIRED = requirements(SETUP["options"]["install_requires"])
EXTRAS = {name: requirements(text) for name, text in SETUP["options.extras_require"].items()}


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def imported():
    """The names of the distributions that the package imports anywhere."""
    found = {"pillow_heif": ["pillow-heif"], "torch": ["torch"]}
    found |= importlib.metadata.packages_distributions()
    tops = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                tops |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                tops.add(node.module.split(".")[0])
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("google."):
                tops = tops - {"google"} | {"google.protobuf"}
    found["google.protobuf"] = ["protobuf"]
    names = {top: found[top] for top in tops - set(sys.stdlib_module_names) - {"dtp_tf"}}
    return {plain(name) for distributions in names.values() for name in distributions}


# -- the version -----------------------------------------------------------------------------------


def test_the_version_is_the_newest_of_the_changelog_and_the_one_to_cite():
    headings = re.findall(r"^## \[(.+)\] - (.+)$", (REPO / "CHANGELOG.md").read_text(), re.M)
    citation = yaml.safe_load((REPO / "CITATION.cff").read_text())
    assert headings[0] == (citation["version"], str(citation["date-released"]))
    assert citation["version"] == dtp_tf.__version__
    versions = [tuple(map(int, version.split("."))) for version, _ in headings]
    assert versions == sorted(set(versions), reverse=True)
    assert citation["license"] == SETUP["metadata"]["license_expression"]


def test_the_version_is_written_once_in_the_code():
    assert SETUP["metadata"]["version"] == "attr: dtp_tf.__version__"
    written = re.compile(rf"[\"']{re.escape(dtp_tf.__version__)}[\"']")
    places = [path for path in PACKAGE.rglob("*.py") if written.search(path.read_text("utf-8"))]
    assert places == [PACKAGE / "__init__.py"]


# -- requirements ----------------------------------------------------------------------------------


def test_everything_that_is_imported_is_required_and_nothing_else():
    required = {plain(one.name) for one in REQUIRED}
    optional = {plain(one.name) for extra in ("onnx", "torch", "tune") for one in EXTRAS[extra]}
    users = {"onnx", "tf2onnx"}  # by Keras's export
    assert imported() == (required - NOT_IMPORTED) | (optional - users) | ASKED_FOR


def test_no_package_is_required_twice():
    required = [plain(one.name) for one in REQUIRED]
    more = [
        plain(one.name) for name, extra in EXTRAS.items() for one in extra
        if not one.extras and name != "test"
    ]  # fmt: skip
    assert len({*required, *more}) == len(required) + len(more)
    tests = {plain(one.name) for one in EXTRAS["test"]}
    # of extras that are not needed whole: torch is large, docs is thirty packages
    assert tests & {*required, *more} == {"safetensors", "nbformat"}


def test_every_requirement_has_a_floor_and_a_ceiling():
    for one in [*REQUIRED, *(one for extra in EXTRAS.values() for one in extra)]:
        signs = {part.operator for part in one.specifier}
        assert signs == ({">=", "<"} if not one.extras else set()), one


def test_the_extras_that_users_know_are_there():
    assert {"gpu", "onnx", "serving", "torch", "tune", "test"} <= set(EXTRAS)


HEAVY = [
    "tensorflow", "keras", "matplotlib", "sklearn", "optuna", "grpc", "PIL", "h5py", "torch",
    "onnx", "tensorflow_datasets", "jinja2", "rich.live",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("words", [None, ["--help"], ["train", "--help"]], ids=str)
def test_neither_the_package_nor_its_help_imports_what_it_does_not_need(words, tmp_path):
    command = "from dtp_tf.commands.main import main\n"
    command += f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
    code = "import sys, dtp_tf\n" + (command if words else "")
    code += f"print([name for name in {HEAVY} if name in sys.modules])"
    assert python("-c", code, cwd=tmp_path, fresh=True).splitlines()[-1] == "[]"


# -- files -----------------------------------------------------------------------------------------


def test_every_file_of_the_package_is_in_the_wheel():
    patterns = SETUP["options.package_data"]["dtp_tf"].split()
    for path in PACKAGE.rglob("*"):
        name = path.relative_to(PACKAGE).as_posix()
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            assert any(
                fnmatch.fnmatch(name, pattern) and name.count("/") == pattern.count("/")
                for pattern in patterns
            ), name
    for path in PACKAGE.rglob("*.py"):
        assert (path.parent / "__init__.py").exists(), path


# -- workflows and hooks ---------------------------------------------------------------------------

WORKFLOWS = sorted((REPO / ".github/workflows").glob("*.yml"))


def steps(workflow):
    return [(job, step) for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_calls_parts_that_a_developer_calls_and_may_only_read(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["cancel-in-progress"] is True
    for job, step in steps(workflow):
        if "uses" in step:
            assert re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"])
            continue
        name, *parts = step["run"].split(" ", 1)
        assert name == ".ci/run"
        matrix = job["strategy"]["matrix"]
        for part in matrix["part"] if "matrix" in parts[0] else parts[0].split():
            assert (REPO / ".ci" / part).is_file()


def test_the_workflows_test_every_python_that_is_promised():
    workflow = yaml.safe_load((REPO / ".github/workflows/ci.yml").read_text())
    tested = workflow["jobs"]["tests"]["strategy"]["matrix"]["python"]
    stated = re.findall(r"Python :: (3\.\d+)$", SETUP["metadata"]["classifiers"], re.M)
    assert tested == stated
    minor = [int(version.split(".")[1]) for version in tested]
    assert SETUP["options"]["python_requires"] == f">=3.{minor[0]},<3.{minor[-1] + 1}"
    assert f"Python {tested[0]} to {tested[-1]} " in (REPO / "README.md").read_text()
    assert f'"py3{minor[0]}"' in (REPO / "ruff.toml").read_text()


def test_the_environment_of_the_parts_is_the_one_that_the_readme_sets_up():
    command = (REPO / ".ci/environment").read_text().splitlines()[-1]
    assert f"\n{command} && " in (REPO / "README.md").read_text()


def test_the_hook_before_a_commit_runs_the_linters_of_ci():
    (repository,) = yaml.safe_load((REPO / ".pre-commit-config.yaml").read_text())["repos"]
    (hook,) = repository["hooks"]
    program, part = hook["entry"].split()
    assert pathlib.Path(REPO, program).stat().st_mode & 0o100
    assert (REPO / ".ci" / part).is_file()
