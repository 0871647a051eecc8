"""What the tests of asking a model server share: the server, pictures, and how to ask."""

import json

import numpy as np
import pytest
from fake_model_server import FakeModelServer
from helpers import digits, invoke, succeeded
from PIL import Image
from served import save_classifier, small_classifier, write_version

SCHEMES = ["http", "grpc"]


@pytest.fixture(name="home", scope="module")
def fixture_home(tmp_path_factory):
    """A folder with model files for local answers, and SavedModels of the same for a server."""
    path = tmp_path_factory.mktemp("served")
    for version in (1, 2):
        classifier = small_classifier(seed=version)
        save_classifier(classifier, path / f"{version}.keras")
        write_version(classifier, path / "digits" / str(version))
    write_version(classifier, path / "old" / "1", signatures=["serving_default"])
    return path


@pytest.fixture(name="running", scope="module")
def fixture_running(home):
    models = {name: home / name for name in ("digits", "old")}
    with FakeModelServer(models, labels={"digits": {"stable": 1, "canary": 2}}) as server:
        yield server


@pytest.fixture(name="server")
def fixture_server(running):
    running.reset()
    return running


@pytest.fixture(name="pictures")
def fixture_pictures(tmp_path):
    """Image files of many kinds: what a graph decodes, and what it does not."""
    small = digits().test.images[7, ..., 0]
    large, other = (
        np.kron(digits().test.images[i, ..., 0], np.ones((3, 5), np.uint8)) for i in (8, 9)
    )
    colour = np.stack([other, other // 2, 90 - other // 3], axis=-1)
    alpha = np.concatenate([colour, colour[..., :1]], axis=-1)
    saved = {
        "small.png": Image.fromarray(small),
        "large.png": Image.fromarray(large),
        "colour.png": Image.fromarray(colour),
        "colour.bmp": Image.fromarray(colour),
        "grey.tiff": Image.fromarray(large),
        "palette.gif": Image.fromarray(colour).quantize(16),
        "alpha.png": Image.fromarray(alpha),
        "deep.png": Image.fromarray(large.astype(np.uint16) * 200),
        "with [brackets].png": Image.fromarray(small),
    }
    for name, image in saved.items():
        image.save(tmp_path / name)
    Image.fromarray(colour).save(tmp_path / "colour.webp", lossless=True)
    return [*(tmp_path / name for name in saved), tmp_path / "colour.webp"]


def url(server, scheme, name="digits"):
    return server.grpc_url(name) if scheme == "grpc" else server.url(name)


def ask(*words):
    return json.loads(succeeded(invoke("predict", *words, "--json")))


def assert_same_answers(ours, theirs, tolerance=1e-5):
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        assert one["image"] == other["image"]
        assert one["classes"] == other["classes"]
        assert one["scores"] == pytest.approx(other["scores"], abs=tolerance)
