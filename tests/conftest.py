import os

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# XLA need not optimize what runs for a fraction of a second: compiling is most of the time.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Let a worker that has nothing left to do take tests from the other: some take minutes."""
    if getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist = "worksteal"
