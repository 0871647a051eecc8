"""`serve` reads in its server's log why a model is not loaded, and does not wait for it."""

import sys
import time

import pytest
from helpers import invoke, refusal, succeeded
from model_server_support import fixture_export_dir  # noqa: F401
from test_model_server_running import executable, free_port

from dtp_tf.export.warmup import SIZES
from dtp_tf.serving.model_server import WARM_UP
from dtp_tf.serving.server_log import is_error, load_failure

OLD = "2026-01-01 00:00:00.000001: {} tensorflow_serving/util/retrier.cc:40] {}"
NEW = "{}0000 00:00:1767225600.000001   29833 retrier.cc:40] {}"
FAILED = (
    "Loading servable: {{name: {} version: {}}} failed: INVALID_ARGUMENT: Task size 8 is larger "
    "than maximum input batch size 4"
)
# It prints its lines, and then waits as a server does that tries again in a minute, or ends.
STAND_IN = """#!{python}
import os, signal, time
for line in {lines!r}:
    print(line, flush=True)
if {kill}:
    os.kill(os.getpid(), signal.SIGKILL)
time.sleep(100)
"""


@pytest.fixture(name="server")
def fixture_server(tmp_path, monkeypatch):
    """A function that puts a server on the PATH which prints lines."""

    def put(*lines, kill=False):
        (tmp_path / "bin").mkdir()
        text = STAND_IN.format(python=sys.executable, lines=lines, kill=kill)
        executable(tmp_path / "bin" / "tensorflow_model_server", text)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")

    return put


def serve(export_dir, *words, name="digits"):
    """Return the sentence with which `serve` ends, and the seconds that it took."""
    start = time.monotonic()
    result = invoke(
        "serve", name, "--export-dir", export_dir, "--rest-port", free_port(), "--grpc-port",
        free_port(), "--start-timeout", 20, *words,
    )  # fmt: skip
    return refusal(result, 1), time.monotonic() - start


@pytest.mark.parametrize("form", [OLD, NEW])
@pytest.mark.parametrize("labels", [[], ["--label", "stable=3"]])
def test_a_model_that_cannot_load_ends_serve_at_once_with_the_servers_cause(
    export_dir, server, form, labels
):
    server(form.format("I", "Loading"), form.format("E", FAILED.format("digits", 12)))
    text, seconds = serve(export_dir, *labels)
    assert seconds < 10
    assert "the server cannot load version 12 of model 'digits' (INVALID_ARGUMENT: Task size 8" in (
        text
    )
    assert f"remove {export_dir / 'digits' / '12'}." in text


def test_a_labelled_version_that_cannot_load_ends_serve_too(export_dir, server):
    server(NEW.format("E", FAILED.format("digits", 3)))
    text, _ = serve(export_dir, "--label", "stable=3")
    assert "the server cannot load version 3 of model 'digits'" in text


def test_a_folder_that_is_no_export_is_named_when_the_server_tries_it(export_dir, server):
    server(OLD.format("E", FAILED.format("digits", 77)))
    text, _ = serve(export_dir)
    assert "the server cannot load version 77 of model 'digits'" in text
    assert f"remove {export_dir / 'digits' / '77'}." in text


@pytest.mark.parametrize("form", [OLD, NEW])
def test_the_last_word_of_a_killed_server_is_its_last_error(export_dir, server, form):
    lines = ["[evhttp_server.cc : 250] NET_LOG: Entering the event loop ..."]
    lines += [form.format("I", f"step {i}") for i in range(100)]
    server(form.format("E", "the disk is gone"), *lines, kill=True)
    text, _ = serve(export_dir)
    assert "ended by signal 9 while starting: " in text
    assert text.endswith("the disk is gone.")


def test_a_killed_server_without_an_error_is_said_to_have_none(export_dir, server):
    server(OLD.format("I", "fine"), OLD.format("W", "failed to be quick"), kill=True)
    text, _ = serve(export_dir)
    assert text.endswith("ended by signal 9 while starting: its log has no error.")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (OLD.format("E", "x"), True),
        (OLD.format("F", "x"), True),
        (OLD.format("I", "an error was avoided"), False),
        (NEW.format("E", "x"), True),
        (NEW.format("W", "failed"), False),
        ("Failed to start server. Error: Unknown: 1 servable did not load", True),
        ("terminate called after throwing an instance of 'std::bad_alloc'", True),
        ("To enable the following instructions: AVX2 FMA, rebuild TensorFlow.", False),
    ],
)
def test_errors_are_told_from_other_lines_in_both_formats(line, expected):
    assert is_error(line) is expected


def test_a_failure_to_load_is_read_whatever_stands_before_it():
    for form in (OLD, NEW, "{}{}"):
        name, version, cause = load_failure(form.format("E", FAILED.format("a.b-c", 7)))
        assert (name, version) == ("a.b-c", 7)
        assert cause.startswith("INVALID_ARGUMENT: Task size")
    assert load_failure(OLD.format("I", "Loading servable version {name: a version: 7}")) is None


# -- warm-up ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["--print-command", "--compose"])
@pytest.mark.parametrize(("size", "warm"), [(1, False), (7, False), (8, True), (128, True)])
def test_batches_that_warm_up_requests_do_not_fit_go_without_them(
    export_dir, tmp_path, how, size, warm
):
    where = ["--compose", "-"] if how == "--compose" else [how, "--config-dir", tmp_path]
    words = ("serve", "digits", "--export-dir", export_dir, "--batching", "--max-batch-size", size)
    text = succeeded(invoke(*words, *where))
    assert ("--enable_model_warmup=false" in text) is not warm


def test_the_largest_warm_up_request_is_known_to_serve():
    assert max(SIZES) == WARM_UP


def test_without_batching_a_batch_size_changes_nothing(export_dir):
    words = ("serve", "digits", "--export-dir", export_dir, "--print-command")
    assert succeeded(invoke(*words)) == succeeded(invoke(*words, "--max-batch-size", 1))


def test_serve_takes_the_option_that_missing_data_advise(monkeypatch, tmp_path):
    seen = {}

    def exported(name, export_dir, data_dir=None, *others):
        seen["data_dir"] = data_dir
        return name

    monkeypatch.setattr("dtp_tf.commands.serving.exported_name", exported)
    refusal(invoke("serve", "run", "--export-dir", tmp_path, "--data-dir", tmp_path), 1)
    assert seen == {"data_dir": str(tmp_path)}
