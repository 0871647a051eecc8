"""Asking a model server by REST and gRPC: the same answers as here, and every error a sentence."""

import base64
import json
import socket
import socketserver
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from fake_model_server import FakeModelServer
from helpers import digits, invoke, python, refusal, succeeded
from PIL import Image
from served import NAMES, save_classifier, small_classifier, write_version

from dtp_tf.data.image_files import encode_image, encode_pixels, read_image
from dtp_tf.data.images import fit_image
from dtp_tf.errors import SettingError, UserError
from dtp_tf.serving.addresses import parse_address
from dtp_tf.serving.asking import answer
from dtp_tf.serving.client import ServerError, describe
from dtp_tf.serving.connecting import connect

SCHEMES = ["http", "grpc"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with model files for local answers, and SavedModels of the same for a server."""
    path = tmp_path_factory.mktemp("served")
    for version in (1, 2):
        classifier = small_classifier(seed=version)
        save_classifier(classifier, path / f"{version}.keras")
        write_version(classifier, path / "digits" / str(version))
    write_version(classifier, path / "old" / "1", signatures=["serving_default"])
    return path


@pytest.fixture(scope="module")
def running(home):
    models = {name: home / name for name in ("digits", "old")}
    with FakeModelServer(models, labels={"digits": {"stable": 1, "canary": 2}}) as server:
        yield server


@pytest.fixture
def server(running):
    running.reset()
    return running


@pytest.fixture
def pictures(tmp_path):
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


# -- the same answers as the local command ---------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_server_answers_as_the_local_command_does(server, home, pictures, scheme):
    remote = ask("--url", url(server, scheme), *pictures, "--top", 5)
    local = ask(home / "2.keras", *pictures, "--top", 5)
    assert_same_answers(remote, local)
    assert len({one["classes"][0] for one in remote}) > 1  # the images do differ


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


# -- patience --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_server_that_is_not_available_is_asked_again(server, home, pictures, scheme):
    server.failures = ["UNAVAILABLE"] * 3
    start = time.monotonic()
    remote = ask("--url", url(server, scheme), pictures[0])
    assert time.monotonic() - start >= 0.1 + 0.2 + 0.4
    assert server.failures == []
    assert_same_answers(remote, ask(home / "2.keras", pictures[0]))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_it_is_asked_so_many_times_and_no_more(server, pictures, scheme):
    server.failures = ["UNAVAILABLE"] * 5
    words = ("predict", "--url", url(server, scheme), pictures[0], "--retries", 2)
    text = refusal(invoke(*words), 1)
    assert "is not available for model 'digits' (failed on demand with UNAVAILABLE)" in text
    assert len(server.failures) == 2


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("code", ["INTERNAL", "INVALID_ARGUMENT", "NOT_FOUND"])
def test_other_failures_are_not_repeated(server, pictures, scheme, code):
    server.failures = [code] * 2
    text = refusal(invoke("predict", "--url", url(server, scheme), pictures[0]), 1)
    assert f"failed on demand with {code}" in text
    assert server.failures == [code]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_slow_server_is_given_up_after_the_timeout(server, pictures, scheme):
    server.delay = 3
    start = time.monotonic()
    words = ("predict", "--url", url(server, scheme), pictures[0], "--timeout", 0.3)
    assert "did not answer within 0.3 s; raise --timeout." in refusal(invoke(*words), 1)
    assert time.monotonic() - start < 2.9


def test_a_connection_that_the_server_ended_is_opened_again(server):
    with connect(server.url()) as client:
        client.status()
        client._connection.sock.shutdown(socket.SHUT_RDWR)
        assert [one["version"] for one in client.status()] == [2, 1]
    assert server.connections == 2


# -- what goes wrong is one sentence ---------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("name", "words", "expected"),
    [
        ("digitz", [], "does not serve model 'digitz' (Servable not found for request: Latest("),
        ("digits", ["--version", 9], "does not serve version 9 of model 'digits' (Servable not"),
        ("digits", ["--label", "beta"], "to model 'digits' labelled 'beta' (Unrecognized servable"),
    ],
)
def test_a_model_that_is_not_there_is_said(server, pictures, scheme, name, words, expected):
    result = invoke("predict", "--url", url(server, scheme, name), pictures[0], *words)
    assert expected in refusal(result, 1)
    assert result.stdout == ""


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_wrong_shape_is_a_sentence_with_the_servers_reason(server, scheme):
    with connect(url(server, scheme)) as client:
        with pytest.raises(ServerError, match="refused the request to model 'digits'") as caught:
            client.predict("serving_default", {"images": np.zeros((1, 9, 8, 1), np.uint8)})
    assert "\n" not in str(caught.value)
    assert caught.value.kind in ("400", "INVALID_ARGUMENT")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_corrupt_image_is_an_error_of_its_request(server, scheme):
    with connect(url(server, scheme)) as client:
        with pytest.raises(ServerError, match="refused the request"):
            client.predict("image_bytes", {"image_bytes": [b"Dear reader"]})


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_port_where_nobody_listens_is_said(pictures, scheme):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening, so nobody answers
        port = taken.getsockname()[1]
        where = f"grpc://127.0.0.1:{port}/m" if scheme == "grpc" else (
            f"http://127.0.0.1:{port}/v1/models/m"
        )  # fmt: skip
        text = refusal(invoke("predict", "--url", where, pictures[0]), 1)
    assert "nothing answers" in text
    assert f"127.0.0.1:{port}" in text


def test_the_ports_of_rest_and_grpc_are_told_apart(server, pictures):
    wrong = f"http://127.0.0.1:{server.grpc_port}/v1/models/digits"
    text = refusal(invoke("predict", "--url", wrong, pictures[0]), 1)
    assert "does not speak HTTP" in text
    wrong = f"grpc://127.0.0.1:{server.rest_port}/digits"
    words = ("predict", "--url", wrong, pictures[0], "--timeout", 3)
    text = refusal(invoke(*words), 1)
    assert "nothing answers by gRPC" in text or "did not answer within" in text


def test_a_host_that_does_not_exist_is_said(pictures):
    words = ("predict", "--url", "http://no.such.host.invalid/v1/models/m", pictures[0])
    text = refusal(invoke(*words), 1)
    assert "no.such.host.invalid" in text


@pytest.mark.parametrize(
    "garbage",
    [
        b"<html>It works!</html>", b"\xff\xfe", b"[1, 2]", b"{}", b'{"outputs": 3}',
        b'{"outputs": {"classes": [["a"]], "scores": [[NaN]]}}',
        b'{"outputs": {"classes": [["a", "b"]], "scores": [[0.5]]}}',
        b'{"outputs": {"classes": [["a"], ["b"]], "scores": [[0.5], [0.5]]}}',
        b'{"outputs": {"classes": [[7]], "scores": [[0.5]]}}',
        b'{"outputs": {"classes": [[]], "scores": [[]]}}',
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_a_sentence(server, tmp_path, garbage):
    server.garbage = garbage
    with connect(server.url()) as client:
        for call in (client.status, client.signatures):
            with pytest.raises(ServerError, match="answered with") as caught:
                call()
            assert caught.value.kind == "bad answer"
        client.signatures = lambda: (1, {"image_bytes": {}})
        with pytest.raises(ServerError, match="answered with"):
            answer(client, [_blank(tmp_path)], top=1)


def _blank(folder):
    path = folder / "blank.png"
    Image.new("L", (8, 8)).save(path)
    return path


def test_a_server_that_hangs_up_is_a_sentence(pictures):
    class HangUp(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(10)

    with socketserver.TCPServer(("127.0.0.1", 0), HangUp) as rude:
        threading.Thread(target=rude.serve_forever, kwargs={"poll_interval": 0.02}).start()
        where = f"http://127.0.0.1:{rude.server_address[1]}/v1/models/m"
        text = refusal(invoke("predict", "--url", where, pictures[0]), 1)
        rude.shutdown()
    assert "does not speak HTTP or broke off" in text


def test_a_model_that_takes_no_images_is_said(server, tmp_path):
    with connect(server.url()) as client:
        client.signatures = lambda: (1, {"serving_default": {"inputs": {"x": {"shape": [-1, 3]}}}})
        with pytest.raises(UserError, match="takes no images: it has neither a signature"):
            answer(client, [_blank(tmp_path)], top=1)


@pytest.mark.parametrize(
    "wrong",
    [
        "localhost:8501", "ftp://host/v1/models/m", "http://host:8501", "http://host:8501/m",
        "http://host:none/v1/models/m", "grpc://host:8500", "grpc://host:8500/v1/models/m",
        "http:///v1/models/m", "http://host/v1/models/m?x=1", "http://me@host/v1/models/m",
        "http://host/v1/models/m/versions/new", "http://host:99999/v1/models/m", "http://[::1/m",
    ],
)  # fmt: skip
def test_a_url_that_means_no_model_is_a_matter_of_usage(wrong):
    for words in (["predict", "--url", wrong, "a.png"], ["server-status", wrong]):
        text = refusal(invoke(*words), 2)
        assert f"{wrong!r} is no URL of a model; write http://HOST:8501/v1/models/NAME" in text


def test_a_version_is_said_once():
    where = "http://host/v1/models/m"
    for words in (["--url", where, "--version", 1, "--label", "a"],
                  ["--url", f"{where}/versions/1", "--version", 1],
                  ["--url", f"{where}/labels/a", "--version", 1]):  # fmt: skip
        assert "drop" in refusal(invoke("predict", "a.png", *words), 2)


def test_what_needs_a_server_is_refused_without_one():
    for option, value in (("--version", 1), ("--label", "a"), ("--timeout", 3),
                          ("--batch-size", 2), ("--retries", 2)):  # fmt: skip
        text = refusal(invoke("predict", "run", "a.png", option, value), 2)
        assert f"{option} needs --url, a server to ask." in text


def test_predict_needs_an_image_with_and_without_a_server():
    for words in ([], ["run"], ["--url", "http://host/v1/models/m"]):
        assert invoke("predict", *words).exit_code == 2


@pytest.mark.parametrize(
    ("text", "server", "path"),
    [
        ("http://h:1/v1/models/m", "http://h:1", "/v1/models/m"),
        ("http://h/v1/models/m/", "http://h:80", "/v1/models/m"),
        ("https://h/a/b/v1/models/m:predict", "https://h:443", "/a/b/v1/models/m"),
        ("http://[::1]:5/v1/models/m/labels/x", "http://[::1]:5", "/v1/models/m/labels/x"),
        ("grpc://h/m", "grpc://h:8500", "/v1/models/m"),
        ("grpc://h:7/m/versions/3", "grpc://h:7", "/v1/models/m/versions/3"),
    ],
)
def test_urls_are_understood(text, server, path):
    address = parse_address(text)
    assert (address.server, address.path, address.model) == (server, path, "m")
    assert parse_address(str(address)) == address


def test_a_version_and_a_label_exclude_each_other():
    with pytest.raises(SettingError, match="exclude each other"):
        parse_address("grpc://h/m", version=1, label="a")


# -- server-status ---------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_status_tells_versions_and_signatures(server, scheme):
    found = json.loads(succeeded(invoke("server-status", url(server, scheme), "--json")))
    assert found["url"] == url(server, scheme)
    assert found["model"] == "digits"
    assert found["versions"] == [
        {"version": 2, "state": "AVAILABLE", "error": None},
        {"version": 1, "state": "AVAILABLE", "error": None},
    ]
    assert found["version"] == 2
    outputs = {
        "classes": {"dtype": "string", "shape": [-1, 5]},
        "scores": {"dtype": "float32", "shape": [-1, 5]},
        "probabilities": {"dtype": "float32", "shape": [-1, 10]},
    }
    signatures = found["signatures"]
    assert set(signatures) == {"serving_default", "image_bytes", "classify"}
    assert signatures["serving_default"]["inputs"] == {
        "images": {"dtype": "uint8", "shape": [-1, 8, 8, 1]}
    }
    assert signatures["image_bytes"]["inputs"] == {
        "image_bytes": {"dtype": "string", "shape": [-1]}
    }
    for name in ("serving_default", "image_bytes"):
        assert signatures[name]["outputs"] == outputs
        assert signatures[name]["method"] == "tensorflow/serving/predict"
    assert signatures["classify"]["method"] == "tensorflow/serving/classify"


def test_the_status_of_both_interfaces_is_the_same(server):
    found = []
    for scheme in SCHEMES:
        with connect(url(server, scheme), label="stable") as client:
            found.append(describe(client))
            del found[-1]["url"]
    assert found[0] == found[1]
    assert found[0]["version"] == 1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_status_is_a_table_for_a_person(server, scheme):
    text = succeeded(invoke("server-status", url(server, scheme)))
    rows = [line.split() for line in text.splitlines()]
    assert ["2", "AVAILABLE", "-"] in rows
    assert ["serving_default", "input", "images", "uint8", "[n,", "8,", "8,", "1]"] in rows
    assert ["output", "probabilities", "float32", "[n,", "10]"] in rows


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_status_of_a_model_that_is_still_loading_has_no_signatures(server, scheme):
    server.loading = True
    found = json.loads(succeeded(invoke("server-status", url(server, scheme), "--json")))
    assert {one["state"] for one in found["versions"]} == {"LOADING"}
    assert found["signatures"] is None
    text = succeeded(invoke("server-status", url(server, scheme)))
    assert "no version is available" in text


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_status_of_an_unknown_model_is_a_sentence(server, scheme):
    text = refusal(invoke("server-status", url(server, scheme, "none")), 1)
    assert "does not serve model 'none' (Could not find any versions of model none)." in text


# -- no TensorFlow ---------------------------------------------------------------------------------


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
    lines = python("-c", program, cwd=tmp_path).splitlines()
    assert lines.count("exit 0") == 2
    assert lines[-1] == "False False False"


# -- the double keeps the contract -----------------------------------------------------------------


def post(server, verb, request, pin=""):
    """Return (status, content) of a request with nothing between it and the wire."""
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    try:
        with urllib.request.urlopen(f"{server.url()}{pin}:{verb}", body, timeout=30) as answered:
            return answered.status, json.load(answered)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def png(number):
    content = encode_pixels(digits().test.images[number])
    return {"b64": base64.b64encode(content).decode()}


def test_row_and_columnar_requests_by_pixels_and_by_bytes_have_one_answer(server):
    images = digits().test.images[:3].tolist()
    encoded = [png(i) for i in range(3)]
    by_bytes = {"signature_name": "image_bytes"}
    rows = [
        {"instances": images},
        {"instances": [{"images": image} for image in images]},
        {**by_bytes, "instances": encoded},
        {**by_bytes, "instances": [{"image_bytes": one} for one in encoded]},
    ]
    columns = [
        {"inputs": images},
        {"inputs": {"images": images}},
        {**by_bytes, "inputs": encoded},
        {**by_bytes, "inputs": {"image_bytes": encoded}},
    ]
    found = []
    for request in columns:
        status, content = post(server, "predict", request)
        assert status == 200, content
        found.append(content["outputs"])
    for request in rows:
        status, content = post(server, "predict", request)
        assert status == 200, content
        found.append({k: [one[k] for one in content["predictions"]] for k in found[0]})
    classifier = small_classifier(seed=2)
    exact = np.asarray(classifier(digits().test.images[:3]))
    for outputs in found:
        np.testing.assert_allclose(outputs["probabilities"], exact, atol=1e-5)
        assert [row[0] for row in outputs["classes"]] == [NAMES[i] for i in exact.argmax(axis=1)]


def test_examples_are_classified(server):
    request = {"signature_name": "classify", "examples": [{"image/encoded": png(3)}]}
    status, content = post(server, "classify", request)
    assert status == 200
    ((best, *others),) = content["results"]
    exact = np.asarray(small_classifier(seed=2)(digits().test.images[3:4]))[0]
    assert best == [NAMES[exact.argmax()], pytest.approx(float(exact.max()), abs=1e-5)]
    assert len(others) == 4


@pytest.mark.parametrize(
    ("verb", "request_", "pin", "code"),
    [
        ("predict", b"{", "", 400),
        ("predict", {}, "", 400),
        ("predict", {"instances": [], "inputs": []}, "", 400),
        ("predict", {"instances": [[[1.0]]]}, "", 400),
        ("predict", {"instances": [[[1]]]}, "", 400),
        ("predict", {"inputs": {"pixels": []}}, "", 400),
        ("predict", {"signature_name": "none", "instances": [1]}, "", 400),
        ("predict", {"signature_name": "image_bytes", "instances": [{"b64": "!"}]}, "", 400),
        ("classify", {"examples": [{"image/encoded": "x"}]}, "", 400),
        ("regress", {"examples": []}, "", 400),
        ("predict", {"instances": [1]}, "/versions/9", 404),
        ("predict", {"instances": [1]}, "/labels/none", 400),
    ],
)
def test_a_wrong_request_is_refused_with_a_reason(server, verb, request_, pin, code):
    status, content = post(server, verb, request_, pin)
    assert status == code
    assert list(content) == ["error"]
    assert len(content["error"]) > 10


def test_a_new_version_answers_as_soon_as_it_is_there(server, home, pictures, tmp_path):
    write_version(small_classifier(seed=1), tmp_path / "m" / "1")
    with FakeModelServer({"m": tmp_path / "m"}) as other, connect(other.url("m")) as client:
        assert_same_answers(answer(client, pictures[:1], 3), ask(home / "1.keras", pictures[0]))
        write_version(small_classifier(seed=2), tmp_path / "m" / "2")
        assert_same_answers(answer(client, pictures[:1], 3), ask(home / "2.keras", pictures[0]))


def test_fitting_here_is_what_the_graph_does(pictures):
    """Otherwise equal answers of the two would say nothing of the fitting."""
    for path in pictures:
        assert np.asarray(fit_image(read_image(path), (8, 8, 1))).std() > 10
