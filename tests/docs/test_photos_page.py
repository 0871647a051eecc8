"""The page on one's own photos can be followed from a small folder to a served model."""

import json
import pathlib
import re
import shlex

import pytest
from fake_model_server import FakeModelServer
from helpers import invoke, succeeded
from photos_support import photo, photo_folder, save

PAGE = pathlib.Path(__file__).parents[2] / "docs/photos.md"


@pytest.mark.slow
def test_the_page_leads_from_a_folder_to_a_served_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo_folder(tmp_path / "photos", 30, size=(40, 36))
    (tmp_path / "photos" / "cat" / ".DS_Store").write_bytes(b"")
    photo_folder(tmp_path / "new-photos", 3, start=900, size=(30, 50))
    save(tmp_path / "new-photos" / "cat" / "IMG_0900.jpg", photo(1, 0, (60, 40)))
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    lines = [shlex.split(line)[2:] for block in blocks for line in block.splitlines()]
    train, evaluate, other, predict, serve, ask = lines

    shown = succeeded(invoke(*train, "--epochs", 1))
    assert "data       photos: 32x32x3 images, 2 classes; " in shown
    assert re.search(r"classes    cat \d+, dog \d+ \(training images\)", shown)
    assert "left out   1 thumbnails or other files of a system: cat/.DS_Store" in shown
    assert (tmp_path / "exported_models/photos/1/saved_model.pb").is_file()
    assert "balanced accuracy" in succeeded(invoke(*evaluate))
    assert "new-photos all: accuracy" in succeeded(invoke(*other))
    (here,) = json.loads(succeeded(invoke(*predict, "--json")))
    assert "--model_name=photos" in succeeded(invoke(*serve, "--print-command"))
    with FakeModelServer({"photos": tmp_path / "exported_models/photos"}) as server:
        words = [word.replace("http://localhost:8501/v1/models/photos", server.url("photos"))
                 for word in ask]  # fmt: skip
        (there,) = json.loads(succeeded(invoke(*words, "--json")))
    assert there["classes"] == here["classes"]
    assert there["scores"] == pytest.approx(here["scores"], abs=1e-5)
