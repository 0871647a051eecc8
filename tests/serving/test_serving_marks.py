"""What a server says of a single image, a label or a version becomes the sentence that fits."""

import numpy as np
import pytest
from fake_model_server import FakeModelServer, ServingError
from helpers import digits, invoke, refusal, succeeded
from PIL import Image
from served import NAMES, small_classifier

from dtp_tf.export.saved_model import export
from dtp_tf.serving.connecting import connect

SCHEMES = ["http", "grpc"]
pytestmark = pytest.mark.slow  # an export and its first requests take seconds


@pytest.fixture(name="running", scope="module")
def fixture_running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    export(small_classifier(), NAMES, folder, "digits", digits().test.images[:8])
    with FakeModelServer({"digits": folder / "digits"}) as server:
        yield server


@pytest.fixture(name="server")
def fixture_server(running):
    running.reset()
    return running


@pytest.fixture(name="pictures")
def fixture_pictures(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(7)]
    for path, image in zip(paths, digits().test.images, strict=False):
        Image.fromarray(image[..., 0]).save(path)
    return paths


def url(server, scheme):
    return server.grpc_url() if scheme == "grpc" else server.url()


def cut_off(path):
    """Return the file of an image as it is; of the fourth, the beginning alone."""
    with open(path, "rb") as file:
        return file.read(60 if str(path).endswith("4.png") else -1)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_export_answers_several_good_images_and_one(server, pictures, scheme):
    for paths in (pictures, pictures[:1]):
        succeeded(invoke("predict", "--url", url(server, scheme), *paths))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_marked_image_is_named(server, pictures, scheme, monkeypatch):
    monkeypatch.setattr("dtp_tf.serving.asking.encode_image", cut_off)
    text = refusal(invoke("predict", "--url", url(server, scheme), *pictures), 1)
    assert f"cannot read image {pictures[4]}: it is damaged or has more than 100,000,000" in text


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_single_image_that_is_refused_is_named_too(server, pictures, scheme, monkeypatch):
    monkeypatch.setattr("dtp_tf.serving.asking.encode_image", lambda path: b"Dear reader")
    text = refusal(invoke("predict", "--url", url(server, scheme), pictures[2]), 1)
    assert f"image {pictures[2]}: " in text
    assert "it is no PNG, JPEG, GIF or BMP" in text


@pytest.mark.parametrize("scheme", SCHEMES)
def test_good_images_are_answered_beside_a_truncated_one(server, pictures, scheme):
    files = [path.read_bytes() for path in pictures[:6]]
    with connect(url(server, scheme)) as client:
        good = client.predict("image_bytes", {"image_bytes": files})
        mixed = client.predict("image_bytes", {"image_bytes": [*files, files[0][:60]]})
    assert mixed["classes"] == [*good["classes"], [""] * 5]
    assert mixed["scores"][6] == [-1] * 5
    assert mixed["errors"][:6] == [""] * 6
    assert "damaged" in mixed["errors"][6]
    np.testing.assert_allclose(mixed["scores"][:6], good["scores"], atol=1e-6)


def test_a_load_test_counts_marked_images_as_failures(server, pictures):
    server.distort = lambda outputs: {**outputs, "errors": np.array([b"it is damaged"], object)}
    text = refusal(invoke("load-test", server.url(), pictures[0], "--requests", 3), 1)
    assert "cannot read an image: it is damaged." in text


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_version_that_goes_in_the_middle_of_a_load_test_is_said(server, pictures, scheme):
    asked = []

    def distort(outputs):
        asked.append(1)
        if len(asked) > 20:
            raise ServingError("NOT_FOUND", "Servable not found for request: Specific(digits, 1)")
        return outputs

    server.distort = distort
    words = ("--version", 1, "--requests", 500, "--concurrency", 2)
    text = refusal(invoke("load-test", url(server, scheme), pictures[0], *words), 1)
    assert "does not serve version 1 of model 'digits' (Servable not found" in text
    assert len(asked) < 200


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("command", ["predict", "server-status", "load-test"])
def test_a_label_that_is_unknown_is_no_wrong_request(server, pictures, scheme, command):
    words = {
        "predict": ("predict", "--url", url(server, scheme), pictures[0]),
        "server-status": ("server-status", url(server, scheme)),
        "load-test": ("load-test", url(server, scheme), pictures[0], "--requests", 1),
    }[command]
    text = refusal(invoke(*words, "--label", "beta"), 1)
    assert "does not serve model 'digits' labelled 'beta' (Unrecognized servable version" in text


def test_an_old_export_without_errors_is_asked_as_before(server, pictures):
    server.distort = lambda outputs: {k: v for k, v in outputs.items() if k != "errors"}
    succeeded(invoke("predict", "--url", server.url(), *pictures))
