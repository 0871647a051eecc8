"""What the tests of presets share: a preset of a run, and the files that it has."""

import pytest
from helpers import trained

from dtp_tf.sharing.run_presets import save_run

FILES = ["README.md", "config.json", "metadata.json", "model.weights.h5"]


@pytest.fixture(name="saved", scope="module")
def fixture_saved(tmp_path_factory):
    """The preset of the shared run."""
    path = tmp_path_factory.mktemp("presets") / "tiny_digits"
    save_run(trained()[0], path)
    return path
