"""A model server gives the same answers by REST and gRPC as the local command."""

import base64
import json

import numpy as np
import pytest
from helpers import digits, invoke, python, refusal, succeeded
from PIL import Image
from served import NAMES
from serving_support import (  # noqa: F401
    SCHEMES,
    ask,
    assert_same_answers,
    fixture_home,
    fixture_pictures,
    fixture_running,
    fixture_server,
    url,
)

from dtp_tf.data.image_files import encode_image, read_image
from dtp_tf.serving.asking import answer
from dtp_tf.serving.connecting import connect

# -- the same answers as the local command ---------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_server_answers_as_the_local_command_does(server, home, pictures, scheme):
    remote = ask("--url", url(server, scheme), *pictures, "--top", 5)
    local = ask(home / "2.keras", *pictures, "--top", 5)
    assert_same_answers(remote, local)
    assert len({one["classes"][0] for one in remote}) > 1  # the images do differ


@pytest.mark.slow
def test_a_jpeg_is_sent_as_it_is(server, home, tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(np.kron(digits().test.images[7, ..., 0], np.ones((8, 8), np.uint8))).save(path)
    (remote,) = ask("--url", server.url(), path)
    sent = json.loads(server.seen[-1][1])["inputs"]["image_bytes"]
    assert base64.b64decode(sent[0]["b64"]) == path.read_bytes()
    (local,) = ask(home / "2.keras", path)
    assert remote["classes"] == local["classes"]
    # The decoders may round differently.
    assert remote["scores"] == pytest.approx(local["scores"], abs=0.02)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_table_is_that_of_the_local_command(server, home, pictures, scheme):
    remote = succeeded(invoke("predict", "--url", url(server, scheme), pictures[0], pictures[8]))
    assert remote == succeeded(invoke("predict", home / "2.keras", pictures[0], pictures[8]))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_export_without_image_bytes_gets_fitted_pixels(server, home, pictures, scheme):
    remote = ask("--url", url(server, scheme, "old"), *pictures)
    assert_same_answers(remote, ask(home / "2.keras", *pictures))
    if scheme == "http":
        request = json.loads(server.seen[-1][1])
        assert request["signature_name"] == "serving_default"
        assert np.shape(request["inputs"]["images"]) == (len(pictures), 8, 8, 1)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("words", "version"),
    [([], 2), (["--version", 1], 1), (["--label", "stable"], 1), (["--label", "canary"], 2)],
)
def test_a_version_or_a_label_chooses_who_answers(server, home, pictures, scheme, words, version):
    remote = ask("--url", url(server, scheme), pictures[0], *words)
    assert_same_answers(remote, ask(home / f"{version}.keras", pictures[0]))
    other = ask(home / f"{3 - version}.keras", pictures[0])
    assert remote[0]["scores"] != pytest.approx(other[0]["scores"], abs=1e-3)


def test_the_url_may_name_the_version(server, home, pictures):
    for pin in ("/versions/1", "/labels/stable"):
        remote = ask("--url", server.url() + pin, pictures[0])
        assert_same_answers(remote, ask(home / "1.keras", pictures[0]))
    remote = ask("--url", server.grpc_url() + "/labels/stable", pictures[0])
    assert_same_answers(remote, ask(home / "1.keras", pictures[0]))


def test_batches_have_the_size_that_was_asked_for(server, home, pictures):
    remote = ask("--url", server.url(), *pictures, "--batch-size", 4)
    sizes = [
        len(json.loads(body)["inputs"]["image_bytes"])
        for path, body in server.seen
        if path.endswith(":predict")
    ]
    assert sizes == [4, 4, 2]
    assert_same_answers(remote, ask(home / "2.keras", *pictures))
    assert server.connections == 1  # it stays open


@pytest.mark.parametrize("scheme", SCHEMES)
def test_more_classes_than_the_server_names_are_refused(server, pictures, scheme):
    words = ("predict", "--url", url(server, scheme), pictures[0], "--top", 6)
    assert "names the 5 best classes only; ask for --top 5 or fewer" in refusal(invoke(*words), 1)
    assert server.failures == []


@pytest.mark.slow
def test_the_client_in_python_is_as_in_its_docstring(server, pictures):
    with connect(server.url()) as client:
        (one,) = answer(client, [pictures[0]], top=3)
    assert len(one["classes"]) == 3
    assert set(one["classes"]) < set(NAMES)


# -- images ----------------------------------------------------------------------------------------


def test_what_is_sent_has_the_pixels_that_are_read_here(pictures, tmp_path):
    for path in pictures:
        sent = tmp_path / "sent"
        sent.write_bytes(encode_image(path))
        np.testing.assert_array_equal(read_image(sent), read_image(path))
        with Image.open(sent) as image:
            assert image.format == "PNG"
            assert image.mode in ("L", "RGB")
    assert encode_image(pictures[0]) == pictures[0].read_bytes()


def test_a_transparent_colour_does_not_reach_the_server(tmp_path):
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    image.save(tmp_path / "a.png", transparency=(0, 1, 2))
    (tmp_path / "sent").write_bytes(encode_image(tmp_path / "a.png"))
    with Image.open(tmp_path / "sent") as sent:
        assert "transparency" not in sent.info
        np.testing.assert_array_equal(np.asarray(sent), np.asarray(image))


@pytest.mark.parametrize("content", [None, b"", b"Dear reader"])
def test_no_image_is_sent_if_one_cannot_be_read(server, pictures, tmp_path, content):
    bad = tmp_path / "bad.png"
    if content is not None:
        bad.write_bytes(content)
    text = refusal(invoke("predict", "--url", server.url(), pictures[0], bad), 1)
    assert f"image {bad} " in text
    assert server.seen == []


# -- no TensorFlow ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_rest_client_imports_no_tensorflow_and_no_keras(server, pictures, tmp_path):
    program = f"""
import sys
from dtp_tf.commands.main import main
for words in (["predict", "--url", {server.url()!r}, {str(pictures[0])!r}, {str(pictures[-1])!r}],
              ["server-status", {server.url()!r}]):
    try:
        main(words)
    except SystemExit as end:
        print("exit", end.code)
import dtp_tf.serving.model_server, dtp_tf.serving.server_process, dtp_tf.serving.load_test
print("tensorflow" in sys.modules, "keras" in sys.modules, "grpc" in sys.modules)
"""
    lines = python("-c", program, cwd=tmp_path, fresh=True).splitlines()
    assert lines.count("exit 0") == 2
    assert lines[-1] == "False False False"
