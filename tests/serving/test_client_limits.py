"""Whatever a server sends, a request ends by its deadline, and its answer has limits."""

import contextlib
import json
import socket
import threading
import time

import numpy as np
import pytest
from helpers import invoke, refusal
from PIL import Image

from dtp_tf.errors import UserError
from dtp_tf.serving.asking import MAX_INPUT, answer, pixel_shape
from dtp_tf.serving.client import MAX_ANSWER, ServerError
from dtp_tf.serving.connecting import connect

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
TIMEOUT = 0.6


def drip(content, pause=0.05):
    """Send a byte now and then, for ever."""

    def send(client):
        while True:
            for i in range(len(content)):
                client.sendall(content[i : i + 1])
                time.sleep(pause)

    return send


def flood(first, content):
    """Send something, and then the same again and again."""

    def send(client):
        client.sendall(first)
        while True:
            client.sendall(content * 100)

    return send


def once(content):
    return lambda client: client.sendall(content)


def body(content):
    content = content if isinstance(content, bytes) else json.dumps(content).encode()
    return once(HEAD + b"Content-Length: %d\r\n\r\n" % len(content) + content)


@contextlib.contextmanager
def rude(*behaviours):
    """A server that reads a request and does as it likes, once for each connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    waiting = list(behaviours)
    clients = []

    def serve():
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                clients.append(client)
                behave = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                threading.Thread(target=talk, args=(client, behave), daemon=True).start()

    def talk(client, behave):
        with contextlib.suppress(OSError):
            client.recv(65536)
            behave(client)
            while client.recv(65536):
                behave(client)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1/models/m"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for client in clients:
            client.close()
        thread.join(5)


def failure(url, call=lambda client: client.status(), timeout=TIMEOUT):
    """Return the error of a request, and the seconds that it took."""
    start = time.monotonic()
    with connect(url, timeout=timeout, retries=0) as client:
        with pytest.raises(ServerError) as caught:
            call(client)
    return caught.value, time.monotonic() - start


# -- one deadline ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "behave",
    [
        lambda client: time.sleep(5),
        drip(b"HTTP/1.1 200 OK\r\n"),
        drip(HEAD + b"X: " + b"y" * 500),
        drip(CHUNKED + b"1\r\n[\r\n" * 100),
        flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        flood(CHUNKED, b"1;" + b"x" * 1000 + b"\r\n \r\n"),
        flood(CHUNKED + b"0\r\n", b"X-More: trailer\r\n"),
        once(HEAD + b"Content-Length: 100\r\n\r\n{"),
    ],
    ids=["silence", "a slow line", "a slow header", "slow chunks", "continue", "tiny chunks",
         "trailers", "a body that does not come"],
)  # fmt: skip
@pytest.mark.slow
def test_a_request_ends_by_its_deadline_whatever_the_server_sends(behave):
    with rude(behave) as url:
        error, seconds = failure(url)
    assert error.kind == "timeout"
    assert f"did not answer within {TIMEOUT} s; raise --timeout." in str(error)
    assert seconds < TIMEOUT + 1


def test_a_server_that_reads_nothing_does_not_hold_the_client():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/models/m"
        images = {"image_bytes": [bytes(20_000_000)]}
        error, seconds = failure(url, lambda client: client.predict("image_bytes", images))
    assert error.kind == "timeout"
    assert seconds < TIMEOUT + 3  # of which some to write the request down


@pytest.mark.slow
def test_the_deadline_counts_anew_for_each_request():
    answered = body({"model_version_status": []})

    def slow(client):
        time.sleep(0.4)
        answered(client)

    with rude(slow) as url, connect(url, timeout=1, retries=0) as client:
        for _ in range(4):
            assert client.status() == []


def test_too_many_headers_are_an_error_at_once():
    with rude(flood(HEAD, b"X: y\r\n")) as url:
        error, _ = failure(url, timeout=5)
    assert error.kind == "broken"


def test_a_connection_that_the_server_announces_to_close_is_read_to_the_end():
    content = json.dumps({"model_version_status": []}).encode()
    closing = HEAD + b"Connection: close\r\n\r\n" + content

    def close(client):
        client.sendall(closing)
        client.shutdown(socket.SHUT_RDWR)

    with rude(close) as url, connect(url, timeout=3, retries=0) as client:
        assert client.status() == client.status() == []


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_host_that_does_not_exist_is_said_at_once_and_not_asked_again(tmp_path, scheme):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    host = "no.such.host.invalid"
    url = f"http://{host}/v1/models/m" if scheme == "http" else f"grpc://{host}/m"
    start = time.monotonic()
    text = refusal(invoke("predict", "--url", url, tmp_path / "a.png"), 1)
    assert time.monotonic() - start < 12
    assert f"Error: there is no host '{host}' (" in text


def test_a_name_that_is_too_long_for_a_host_is_a_sentence():
    for host in ("a" * 300, "ü" * 70 + ".de"):
        error, _ = failure(f"http://{host}/v1/models/m")
        assert error.kind == "no host"


# -- how much, and what it looks like --------------------------------------------------------------


@pytest.mark.parametrize("start", [CHUNKED, HEAD + b"Content-Length: 99999999999\r\n\r\n"])
def test_an_answer_has_at_most_so_many_bytes(start):
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"

    def send(client):
        client.sendall(start)
        while True:
            client.sendall(chunk)

    for call, limit in (
        (lambda client: client.status(), "4,000,000"),
        (lambda client: client.predict("x", {"x": [b""]}), f"{MAX_ANSWER:,}"),
    ):
        with rude(send) as url:
            error, _ = failure(url, call, timeout=20)
        assert error.kind == "too large"
        assert f"answers with more than {limit} bytes" in str(error)


def version(**changes):
    return {"model_version_status": [{"version": "1", "state": "AVAILABLE", **changes}]}


def metadata(shape=(), dtype="DT_UINT8", spec="1"):
    tensor = {"dtype": dtype, "tensor_shape": {"dim": [{"size": size} for size in shape]}}
    signature = {"inputs": {"images": tensor}, "outputs": {}, "method_name": "x"}
    signatures = {"signature_def": {"serving_default": signature}}
    return {"model_spec": {"version": spec}, "metadata": {"signature_def": signatures}}


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        b"", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000, b"[1]", b"NaN",
        b'{"model_version_status": [], "model_version_status": []}', {}, version(version="1.5"),
        version(version="9" * 30), version(version=None), version(version="x"), version(state=3),
        version(status=[]), version(status={"error_message": 7}), version(status="\ud800"),
        {"model_version_status": [version()["model_version_status"][0]] * 10_001},
        {"model_version_status": {"version": "1"}}, version(version=1.5),
        b'{"model_version_status": [{"version": 1e999}]}',
    ],
)  # fmt: skip
def test_what_is_no_status_is_a_sentence(content):
    with rude(body(content)) as url:
        error, seconds = failure(url, timeout=20)
    assert error.kind == "bad answer"
    assert "answered with" in str(error)
    assert len(str(error)) < 600
    assert seconds < 10


@pytest.mark.parametrize(
    "content",
    [
        b"{}", metadata(spec=None), metadata(dtype=7), metadata(shape=["x"]),
        metadata(shape=["9" * 40]), metadata(shape=[1.5]), metadata(shape=[None]),
        {"model_spec": [], "metadata": []}, {"model_spec": {"version": "1"}, "metadata": {}},
    ],
)  # fmt: skip
def test_what_is_no_metadata_is_a_sentence(content):
    with rude(body(content)) as url:
        error, _ = failure(url, lambda client: client.signatures(), timeout=20)
    assert error.kind == "bad answer"


def test_metadata_as_a_server_writes_them_are_understood():
    with rude(body(metadata(["-1", "8", "8", "1"]))) as url, connect(url) as client:
        _, signatures = client.signatures()
    assert pixel_shape(signatures, client.address) == (8, 8, 1)


@pytest.mark.parametrize("size", [["-1", "30000", "30000", "3"], ["-1", "2000000", "1", "3"]])
def test_a_model_that_wants_huge_images_gets_none(tmp_path, size):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    with rude(body(metadata(size))) as url, connect(url) as client:
        with pytest.raises(UserError, match="and the limit is 4,000,000") as caught:
            answer(client, [tmp_path / "a.png"], top=1)
    assert "30,000 x 30,000 x 3" in str(caught.value) or "2,000,000 x 1 x 3" in str(caught.value)
    assert MAX_INPUT == 4_000_000


GOOD = {"classes": [["a", "b"]], "scores": [[0.75, 0.25]], "probabilities": [[0.75, 0.25]]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"classes": ["ab"]}, {"classes": [["a", "\ud800"]]}, {"classes": "x"}, {"classes": None},
        {"classes": [[["a"], "b"]]}, {"classes": {"a": 1}}, {"scores": [[10**400, 0]]},
        {"scores": [[True, False]]}, {"scores": [["1", "0"]]}, {"scores": [[float("nan"), 0]]},
        {"scores": [[float("inf"), 0]]}, {"scores": [[0.5]]}, {"scores": []}, {"errors": 3},
        {"errors": []}, {"errors": [None]}, {"errors": ["", ""]}, {"errors": {"0": ""}},
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_used_is_a_sentence(tmp_path, wrong):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    with rude(body({"outputs": {**GOOD, **wrong}})) as url, connect(url) as client:
        client.signatures = lambda: (1, {"image_bytes": {}})
        with pytest.raises(ServerError) as caught:
            answer(client, [tmp_path / "a.png"], top=2)
    assert caught.value.kind == "bad answer"


@pytest.mark.parametrize("probabilities", [3, [], [3], [[]], {}, None, "x", [None]])
def test_probabilities_of_another_kind_do_not_matter(tmp_path, probabilities):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    outputs = {**GOOD, "probabilities": probabilities}
    with rude(body({"outputs": outputs})) as url, connect(url) as client:
        client.signatures = lambda: (1, {"image_bytes": {}})
        (one,) = answer(client, [tmp_path / "a.png"], top=2)
    assert one["classes"] == ["a", "b"]


@pytest.mark.parametrize("content", [b"[" * 1_000_000, b'{"outputs": {}, "outputs": {}}'])
def test_a_prediction_that_is_nested_or_doubled_is_a_sentence(content):
    with rude(body(content)) as url:
        error, _ = failure(url, lambda client: client.predict("x", {"x": [b""]}), timeout=20)
    assert error.kind == "bad answer"


def test_names_with_control_characters_reach_the_terminal_as_escapes(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    name = "\x1b[31mred\u202e"
    outputs = {**GOOD, "classes": [[name, "b"]]}
    bytes_in = {"image_bytes": {"dtype": "DT_STRING", "tensor_shape": {"dim": [{"size": "-1"}]}}}
    about = metadata()
    about["metadata"]["signature_def"]["signature_def"] = {"image_bytes": {"inputs": bytes_in}}
    with rude_in_turn(about, {"outputs": outputs}) as url:
        result = invoke("predict", "--url", url, tmp_path / "a.png")
        assert result.exit_code == 0, result.stderr
    assert "\x1b" not in result.stdout
    assert "\u202e" not in result.stdout
    assert "\\x1b[31mred\\u202e" in result.stdout


@contextlib.contextmanager
def rude_in_turn(*contents):
    """A server with one answer after the other, over one connection."""
    waiting = [body(content) for content in contents]
    with rude(lambda client: waiting and waiting.pop(0)(client)) as url:
        yield url


# -- addresses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        "http://a b/v1/models/m", "http://h/v1/models/a\nb", "http://h/v1/models/\udcff",
        "http://h/\x1b[31m/v1/models/m", "grpc://h/m\x07", "http://h\u202e/v1/models/m",
    ],
)  # fmt: skip
def test_a_url_with_signs_that_cannot_be_printed_is_no_url(wrong):
    text = refusal(invoke("server-status", wrong), 2)
    assert "is no URL of a model" in text
    assert text.isprintable()


@pytest.mark.parametrize("url", ["http://h/v1/models/m/versions/{}", "grpc://h/m/versions/{}"])
@pytest.mark.parametrize("version", ["9" * 19, "9" * 5000])
def test_a_version_that_no_server_has_is_refused(url, version):
    text = refusal(invoke("server-status", url.format(version)), 2)
    assert "a version has 18 digits at most" in text
    if len(version) < 100:
        words = ("server-status", "http://h/v1/models/m", "--version", version)
        assert "a version has 18 digits at most" in refusal(invoke(*words), 2)


@pytest.mark.parametrize("label", ["", "\x1b[31m", "a\nb"])
def test_a_label_that_cannot_be_printed_is_refused(label):
    text = refusal(invoke("server-status", "http://h/v1/models/m", "--label", label), 2)
    assert "is no label" in text


# -- gRPC ------------------------------------------------------------------------------------------


def test_a_tensor_that_says_it_is_huge_is_not_made():
    from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2

    from dtp_tf.serving.grpc import _as_lists

    def tensor(*sizes):
        shape = tensor_shape_pb2.TensorShapeProto()
        for size in sizes:
            shape.dim.add(size=size)
        return tensor_pb2.TensorProto(
            dtype=types_pb2.DT_FLOAT, tensor_shape=shape, float_val=[1.0]
        )

    for sizes in ((30_000, 30_000, 3), (2**40,), (-1, 5), (2**62, 2**62)):
        with pytest.raises(ValueError, match="too large"):
            _as_lists(tensor(*sizes))
    assert np.array(_as_lists(tensor(2, 3))).shape == (2, 3)
