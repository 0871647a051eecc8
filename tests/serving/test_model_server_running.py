"""`serve` runs a server that starts, answers and stops, or says in one sentence what is wrong."""

import contextlib
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import psutil
import pytest
import yaml
from fake_model_server import FakeModelServer
from helpers import digits, invoke, killed_at_the_end, refusal, sentence, start, succeeded
from model_server_support import fixture_export_dir, fixture_nothing_installed  # noqa: F401
from PIL import Image
from served import NAMES

# A stand-in for the server: it forwards its REST port to a double in the tests' process.
STAND_IN = """#!{python}
import os, pathlib, signal, socket, sys, threading, time

flags = dict(word[2:].split("=", 1) for word in sys.argv[1:])
pathlib.Path({home!r}, "flags").write_text("\\n".join(sys.argv[1:]))
pathlib.Path({home!r}, "pid").write_text(str(os.getpid()))
behave = pathlib.Path({home!r}, "behave").read_text()
print("2026-01-01 00:00:00.000001: I tensorflow_serving/model_servers/server.cc:77] Building",
      flush=True)
print("2026-01-01 00:00:00.000002: E tensorflow_serving/util/retrier.cc:37] An error", flush=True)
if "die" in behave:
    print("Failed to start server. Error: Unknown: 1 servable did not load", flush=True)
    print("", flush=True)
    sys.exit(255)
if "deaf" in behave:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "child" in behave and os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pathlib.Path({home!r}, "child").write_text(str(os.getpid()))
    while True:
        time.sleep(1)
if "silent" in behave:
    time.sleep(1000)

def pump(source, target):
    try:
        while content := source.recv(65536):
            target.sendall(content)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

listener = socket.create_server(("", int(flags["rest_api_port"])))
while True:
    client, _ = listener.accept()
    server = socket.create_connection(("127.0.0.1", {port}))
    for pair in ((client, server), (server, client)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
"""


def free_port():
    with socket.socket() as one:
        one.bind(("", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def double(export_dir):
    models = {name: export_dir / name for name in ("digits", "old")}
    shutil.rmtree(export_dir / "digits" / "77")
    with FakeModelServer(models) as server:
        (export_dir / "digits" / "77").mkdir()
        server.versions = lambda name: {"digits": [12], "old": [1]}.get(name, [])
        yield server


def executable(path, text):
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def stand_in(double, tmp_path, monkeypatch):
    """A folder with what the stand-in is to do (`behave`) and what it saw (`flags`, `pid`)."""
    double.reset()
    home = tmp_path / "stand-in"
    (home / "bin").mkdir(parents=True)
    text = STAND_IN.format(python=sys.executable, home=str(home), port=double.rest_port)
    executable(home / "bin" / "tensorflow_model_server", text)
    (home / "behave").write_text("")
    monkeypatch.setenv("PATH", f"{home / 'bin'}:{os.environ['PATH']}")
    yield home
    if (home / "pid").exists():  # a killed `serve` cannot stop its server
        with contextlib.suppress(psutil.NoSuchProcess):
            left = psutil.Process(int((home / "pid").read_text()))
            if str(home) in " ".join(left.cmdline()):
                left.kill()


def serve(*words, cwd, ports=None):
    """Start `serve` in a process of its own; its ports are the first two of its arguments."""
    rest, grpc = ports or (free_port(), free_port())
    process = start("serve", *words, "--rest-port", rest, "--grpc-port", grpc, cwd=cwd)
    return process, rest


def read_until(process, text, seconds=60):
    """Return what the process printed up to a line with `text`."""
    lines = []
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    for line in process.stdout:
        lines.append(line)
        if text in line:
            break
    timer.cancel()
    assert text in "".join(lines), ("".join(lines), process.stderr.read())
    return "".join(lines)


def gone(pid, seconds=5):
    """Whether a process is gone, or about to be."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


# -- what can run it -------------------------------------------------------------------------------


@pytest.mark.slow
def test_without_a_server_one_sentence_says_how_to_get_one(export_dir, nothing_installed):
    text = refusal(invoke("serve", "digits", "--export-dir", export_dir), 1)
    assert "there is no tensorflow_model_server on the PATH, and there is no docker" in text
    assert "Debian package tensorflow-model-server" in text
    assert "install Docker" in text


def test_a_docker_without_an_engine_does_not_do(export_dir, nothing_installed):
    executable(nothing_installed / "docker", "#!/bin/sh\nexit 1\n")
    text = refusal(invoke("serve", "digits", "--export-dir", export_dir), 1)
    assert "the engine of the docker on the PATH does not answer" in text
    text = refusal(invoke("serve", "digits", "--export-dir", export_dir, "--docker"), 1)
    assert "the engine of the docker on the PATH does not answer" in text


def test_docker_is_taken_where_its_engine_answers_and_there_is_no_binary(
    export_dir, nothing_installed
):
    words = ("serve", "digits", "--export-dir", export_dir, "--print-command")
    executable(nothing_installed / "docker", "#!/bin/sh\necho 27.1\n")
    assert succeeded(invoke(*words)).startswith("docker run ")
    executable(nothing_installed / "tensorflow_model_server", "#!/bin/sh\n")
    assert succeeded(invoke(*words)).startswith("tensorflow_model_server ")
    assert succeeded(invoke(*words, "--docker")).startswith("docker run ")


# -- a server that runs ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_waits_for_a_prediction_says_how_to_ask_and_stops(
    export_dir, double, stand_in, tmp_path, number
):
    process, port = serve("digits", "--export-dir", export_dir, "--batching", cwd=tmp_path)
    with killed_at_the_end(process):
        text = read_until(process, "Ctrl-C stops the server.")
        asked = [path for path, _ in double.seen]
        assert asked.count("/v1/models/digits:predict") == 2  # by pixels and by bytes
        assert f"http://localhost:{port}/v1/models/digits" in text
        (flag,) = re.findall("batching_parameters_file=(.*)", (stand_in / "flags").read_text())
        assert pathlib.Path(flag).is_file()
        server = int((stand_in / "pid").read_text())
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 0
    assert stdout.splitlines()[-1] == "stopped"
    assert stderr == ""
    assert gone(server)
    assert not pathlib.Path(flag).exists()
    assert not list(tmp_path.glob("*.config"))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")
@pytest.mark.parametrize("name", ["digits", "old"])
def test_the_printed_examples_work(export_dir, double, stand_in, tmp_path, name):
    pixels = digits().test.images[7, ..., 0]
    Image.fromarray(pixels).save(tmp_path / "IMAGE.png")
    process, port = serve(name, "--export-dir", export_dir, cwd=tmp_path)
    with killed_at_the_end(process):
        text = read_until(process, "Ctrl-C stops the server.")
        curl, code = re.search(r"curl.*?:\n\n(.*?)\nPython:\n\n(.*?)\n\n", text, re.S).groups()
        answers = []
        for words in (["sh", "-c", curl],
                      [sys.executable, "-c", re.sub("^    ", "", code, flags=re.M)]):  # fmt: skip
            curl_path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
            done = subprocess.run(
                words, cwd=tmp_path, capture_output=True, text=True, check=True,
                env={**os.environ, "PATH": curl_path},
            )  # fmt: skip
            answers.append(yaml.safe_load(done.stdout))
        (line,) = [line for line in text.splitlines() if line.startswith("ask it")]
        words = shlex.split(line)[4:]
        table = succeeded(invoke(*[str(tmp_path / w) if "IMAGE" in w else w for w in words]))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert answers[0] == answers[1]
    (one,) = answers[0]["predictions"]
    assert set(one["classes"]) < set(NAMES)
    if name == "digits":
        assert f"{one['classes'][0]}" in table


def test_a_server_that_dies_at_once_is_said_with_its_last_word(export_dir, stand_in, tmp_path):
    (stand_in / "behave").write_text("die")
    rest, grpc = free_port(), free_port()
    result = invoke("serve", "digits", "--export-dir", export_dir, "--rest-port", rest,
                    "--grpc-port", grpc)  # fmt: skip
    assert refusal(result, 1) == (
        "Error: the model server ended with exit code 255 while starting: Failed to start server. "
        "Error: Unknown: 1 servable did not load."
    )


@pytest.mark.slow
def test_a_server_that_dies_later_is_said_too(export_dir, stand_in, tmp_path):
    process, _ = serve("digits", "--export-dir", export_dir, cwd=tmp_path)
    with killed_at_the_end(process):
        read_until(process, "Ctrl-C stops the server.")
        os.kill(int((stand_in / "pid").read_text()), signal.SIGKILL)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "the model server ended by signal 9: " in sentence(stderr, stdout)


@pytest.mark.parametrize("option", ["--rest-port", "--grpc-port"])
def test_a_port_that_is_taken_is_said_before_anything_starts(export_dir, stand_in, option):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        words = {"--rest-port": free_port(), "--grpc-port": free_port(), option: port}
        flat = [word for pair in words.items() for word in pair]
        text = refusal(invoke("serve", "digits", "--export-dir", export_dir, *flat), 1)
    assert text == f"Error: port {port} is taken; choose another with {option}."
    assert not (stand_in / "pid").exists()


@pytest.mark.slow
def test_a_model_that_never_answers_is_given_up(export_dir, stand_in):
    (stand_in / "behave").write_text("silent")
    words = ("serve", "digits", "--export-dir", export_dir, "--rest-port", free_port(),
             "--grpc-port", free_port(), "--start-timeout", 1)  # fmt: skip
    text = refusal(invoke(*words), 1)
    assert "model 'digits' did not answer within 1 s (--start-timeout): nothing answers" in text
    assert gone(int((stand_in / "pid").read_text()))


def test_a_model_that_fails_at_its_first_request_is_not_called_ready(
    export_dir, double, stand_in
):
    double.distort = lambda outputs: {"classes": outputs["classes"]}
    words = ("serve", "digits", "--export-dir", export_dir, "--rest-port", free_port(),
             "--grpc-port", free_port())  # fmt: skip
    result = invoke(*words)
    assert "answered without" in refusal(result, 1)
    assert "Ctrl-C" not in result.stdout
    assert gone(int((stand_in / "pid").read_text()))


@pytest.mark.slow
def test_a_model_that_is_still_loading_is_waited_for(export_dir, double, stand_in, tmp_path):
    double.failures = ["UNAVAILABLE"] * 3 + ["NOT_FOUND"] * 3
    process, _ = serve("digits", "--export-dir", export_dir, cwd=tmp_path)
    with killed_at_the_end(process):
        read_until(process, "Ctrl-C stops the server.")
        assert double.failures == []
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


@pytest.mark.slow
def test_every_model_must_answer(export_dir, double, stand_in, tmp_path):
    process, _ = serve("digits", "old", "--export-dir", export_dir, cwd=tmp_path)
    with killed_at_the_end(process):
        text = read_until(process, "Ctrl-C stops the server.")
        asked = {path for path, _ in double.seen}
        assert {"/v1/models/digits:predict", "/v1/models/old:predict"} <= asked
        assert text.count("ask it") == 2
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("show", [False, True])
def test_of_the_servers_log_errors_are_shown_and_the_rest_if_asked(
    export_dir, stand_in, tmp_path, show
):
    words = ["--show-log"] if show else []
    process, _ = serve("digits", "--export-dir", export_dir, *words, cwd=tmp_path)
    with killed_at_the_end(process):
        text = read_until(process, "Ctrl-C stops the server.")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert "retrier.cc:37] An error" in text
    assert ("server.cc:77] Building" in text) is show


@pytest.mark.slow
def test_a_server_that_does_not_listen_to_ctrl_c_is_killed_with_its_children(
    export_dir, stand_in, tmp_path, monkeypatch
):
    """In this process, to wait less than a user would."""
    monkeypatch.setattr("dtp_tf.serving.server_process.GRACE", 0.3)
    (stand_in / "behave").write_text("deaf child silent")
    words = ("serve", "digits", "--export-dir", export_dir, "--rest-port", free_port(),
             "--grpc-port", free_port(), "--start-timeout", 1)  # fmt: skip
    refusal(invoke(*words), 1)
    assert gone(int((stand_in / "pid").read_text()))
    assert gone(int((stand_in / "child").read_text()))


def test_handlers_of_signals_are_as_before_when_serving_has_ended(export_dir, stand_in):
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    (stand_in / "behave").write_text("die")
    words = ("--rest-port", free_port(), "--grpc-port", free_port())
    refusal(invoke("serve", "digits", "--export-dir", export_dir, *words), 1)
    assert [signal.getsignal(number) for number in numbers] == before


def test_a_program_that_is_no_program_is_a_sentence(export_dir, nothing_installed):
    executable(nothing_installed / "tensorflow_model_server", "\x00\x01")
    words = ("--rest-port", free_port(), "--grpc-port", free_port())
    text = refusal(invoke("serve", "digits", "--export-dir", export_dir, *words), 1)
    assert "tensorflow_model_server cannot be started" in text
