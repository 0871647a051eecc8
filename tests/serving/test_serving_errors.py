"""A model server is asked with patience, and every error is a sentence."""

import socket
import socketserver
import threading
import time

import numpy as np
import pytest
from helpers import invoke, refusal
from PIL import Image
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

from dtp_tf.errors import SettingError, UserError
from dtp_tf.serving.addresses import parse_address
from dtp_tf.serving.asking import answer
from dtp_tf.serving.client import ServerError
from dtp_tf.serving.connecting import connect

# -- patience --------------------------------------------------------------------------------------


@pytest.mark.slow
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
        ("digits", ["--label", "beta"], "does not serve model 'digits' labelled 'beta' (Unreco"),
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


@pytest.mark.slow
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
