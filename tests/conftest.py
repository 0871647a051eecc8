import atexit
import os
import shutil
import sys
import tempfile

import forking
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# XLA need not optimize what runs for a fraction of a second: compiling is most of the time.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
# Where it is noted which files of rules a user has named: none of the tests' are the user's.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp()
atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)
forking.install()


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Let a worker that has nothing left to do take tests from the other: some take minutes."""
    if getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist = "worksteal"


def pytest_collection_finish(session):
    """Let TensorFlow not optimize graphs either, where tests have made this process import it."""
    if "tensorflow" in sys.modules:
        options = {"disable_meta_optimizer": True}
        sys.modules["tensorflow"].config.optimizer.set_experimental_options(options)
