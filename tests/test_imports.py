"""The package as Python and editors see it: any module first, and public names that are there."""

import ast
import importlib
import json
import pkgutil
import subprocess

import pytest
from forking import FRESH
from helpers import REPO, environment, python

PACKAGE = REPO / "dtp_tf"
STUBS = sorted(PACKAGE.rglob("__init__.pyi"))

# Imports each module as the first of an interpreter: a fork of one in which TensorFlow and Keras
# are forgotten, but their parts and other packages are not, so that their import takes no time. As
# in a fresh one, TensorFlow imports Keras, and what waits for Keras comes then.
FIRST_IMPORTS = """
import gc, importlib, json, os, sys, traceback
import click, grpc, h5py, jsonschema, matplotlib.figure, optuna, rich.console, sklearn.metrics
import tensorflow, tensorflow_datasets, tensorflow_serving.apis.predict_pb2
gc.freeze()
# What one of them has compiled the others read.
sys.dont_write_bytecode, sys.pycache_prefix = False, sys.argv[1]

class TensorFlowImportsKeras:
    def find_spec(name, path=None, target=None):
        if name == "tensorflow":
            import keras

sys.meta_path.insert(0, TensorFlowImportsKeras)
del sys.modules["tensorflow"], sys.modules["keras"]
failed = {}
for name in json.load(sys.stdin):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            importlib.import_module(name)
            message = ""
        except BaseException:
            message = traceback.format_exc()
        os.write(write, message.encode()[-3000:])
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as file:
        message = file.read()
    if os.waitpid(child, 0)[1] or message:
        failed[name] = message
print(json.dumps(failed))
"""


def module_names():
    """The names of all modules of the package, found without importing any but its wings."""
    found = pkgutil.walk_packages([str(PACKAGE)], "dtp_tf.")
    return ["dtp_tf", *(module.name for module in found)]


def names_in(stub):
    """The public names in a stub: {name: module, relative to the stub's}."""
    tree = ast.parse(stub.read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert imports
    return {alias.name: node.module for node in imports for alias in node.names}


def package_of(stub):
    return ".".join(stub.parent.relative_to(REPO).parts)


@pytest.mark.slow
def test_every_module_can_be_the_first_import_of_an_interpreter(tmp_path):
    names = module_names()
    assert {"dtp_tf.rules.dtp", "dtp_tf.network.trainer", "dtp_tf.commands.main"} < set(names)
    done = subprocess.run(
        [*FRESH, "-c", FIRST_IMPORTS, tmp_path], cwd=REPO, env=environment(),
        input=json.dumps(names), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {}


@pytest.mark.slow
@pytest.mark.parametrize("lines", ["import dtp_tf, keras", "import keras, dtp_tf"])
def test_keras_knows_every_class_that_its_files_name_as_soon_as_both_are_imported(lines, tmp_path):
    names = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            decorators = [ast.unparse(one) for one in getattr(node, "decorator_list", ())]
            if "keras.saving.register_keras_serializable('dtp_tf')" in decorators:
                names.add(f"dtp_tf>{node.name}")
    assert {"dtp_tf>DTPNetwork", "dtp_tf>Conv2DPair", "dtp_tf>FWDTP"} < names
    code = f"{lines}\nprint(*keras.saving.get_custom_objects())"
    assert set(python("-c", code, cwd=tmp_path, fresh=True).split()) >= names


@pytest.mark.parametrize("stub", STUBS, ids=package_of)
def test_every_public_name_is_where_the_stub_says_that_editors_read(stub):
    package = importlib.import_module(package_of(stub))
    names = names_in(stub)
    assert set(package.__all__) - {"__version__"} == set(names)
    for name, module in names.items():
        home = importlib.import_module(f"{package.__name__}.{module or name}")
        assert getattr(package, name) is (getattr(home, name) if module else home)


def test_every_wing_has_a_stub_and_says_what_goes_in_and_out():
    wings = {path.parent for path in PACKAGE.glob("*/*.py")}
    without = {PACKAGE / "commands"}  # nobody imports them
    assert {stub.parent for stub in STUBS} == {PACKAGE, *wings} - without
    for wing in wings:
        text = importlib.import_module(f"dtp_tf.{wing.name}").__doc__
        assert "In: " in text and "Out: " in text, wing.name


def test_the_package_is_typed():
    assert (PACKAGE / "py.typed").is_file()
