"""What the tests of `serve` share: exports, and a machine with nothing that could serve them."""

import shutil

import pytest
from served import small_classifier, write_version


@pytest.fixture(name="export_dir", scope="module")
def fixture_export_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("exports")
    write_version(small_classifier(seed=2), path / "digits" / "3")
    write_version(small_classifier(seed=2), path / "old" / "1", signatures=["serving_default"])
    shutil.copytree(path / "digits" / "3", path / "digits" / "12")
    (path / "digits" / "notes").mkdir()
    (path / "digits" / "77").mkdir()  # no model
    (path / "empty").mkdir()
    return path


@pytest.fixture(name="nothing_installed")
def fixture_nothing_installed(tmp_path, monkeypatch):
    """A PATH with neither a model server nor docker."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"
