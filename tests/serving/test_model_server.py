"""`serve`: which models, which flags and files, and a server that starts, answers and stops."""

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
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from helpers import digits, invoke, killed_at_the_end, refusal, sentence, start, succeeded, trained
from PIL import Image
from served import NAMES, small_classifier, write_version
from tensorflow_serving.config import model_server_config_pb2

from dtp_tf.serving.model_server import (
    ServedModel,
    ServerPlan,
    compose_text,
    config_files,
    find_models,
    models_config,
    server_command,
)

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
def export_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("exports")
    write_version(small_classifier(seed=2), path / "digits" / "3")
    write_version(small_classifier(seed=2), path / "old" / "1", signatures=["serving_default"])
    shutil.copytree(path / "digits" / "3", path / "digits" / "12")
    (path / "digits" / "notes").mkdir()
    (path / "digits" / "77").mkdir()  # no model
    (path / "empty").mkdir()
    return path


@pytest.fixture(scope="module")
def double(export_dir):
    models = {name: export_dir / name for name in ("digits", "old")}
    shutil.rmtree(export_dir / "digits" / "77")
    with FakeModelServer(models) as server:
        (export_dir / "digits" / "77").mkdir()
        server.versions = lambda name: {"digits": [12], "old": [1]}.get(name, [])
        yield server


@pytest.fixture
def nothing_installed(tmp_path, monkeypatch):
    """A PATH with neither a model server nor docker."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


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


# -- which models ----------------------------------------------------------------------------------


def test_a_model_is_found_by_name_or_by_path(export_dir, monkeypatch):
    monkeypatch.chdir(export_dir)
    for text, where in (("digits", "."), (str(export_dir / "digits"), "x"), ("./digits", "x")):
        (model,) = find_models([text], where)
        assert (model.name, model.home) == ("digits", export_dir / "digits")
        assert model.versions() == [3, 12]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("digit", "there are digits, old. Did you mean 'digits'?"),
        ("", "no model ''"),
        ("empty", "has no version of a model yet; make one with `export`"),
        ("digits/3", "is one version of a model; give the folder above it"),
    ],
)
def test_a_model_that_is_not_there_is_said(export_dir, name, expected):
    assert expected in refusal(invoke("serve", name, "--export-dir", export_dir), 1)


def test_without_any_export_the_remedy_is_named(tmp_path):
    text = refusal(invoke("serve", "digits", "--export-dir", tmp_path), 1)
    assert text == f"Error: no model 'digits' in {tmp_path}; make one with `export`."


def test_two_models_of_one_name_are_refused(export_dir, tmp_path):
    shutil.copytree(export_dir / "digits", tmp_path / "digits")
    words = ("serve", "digits", tmp_path / "digits", "--export-dir", export_dir)
    assert "two models are called 'digits'" in refusal(invoke(*words), 2)


def test_a_folder_whose_name_is_no_models_is_refused(export_dir, tmp_path):
    shutil.copytree(export_dir / "digits", tmp_path / "my digits")
    text = refusal(invoke("serve", tmp_path / "my digits"), 1)
    assert "'my digits' cannot name a model" in text


@pytest.mark.parametrize(
    ("labels", "code", "expected"),
    [
        (["stable=4"], 1, "has no version 4 to label; it has 3, 12."),
        (["stable=77"], 1, "has no version 77 to label; it has 3, 12."),
        (["stable"], 2, "must be LABEL=VERSION or MODEL:LABEL=VERSION"),
        (["=3"], 2, "must be LABEL=VERSION"),
        (["3=3"], 2, "must be LABEL=VERSION"),
        (["stable=new"], 2, "must be LABEL=VERSION"),
        (["digitz:stable=3"], 2, "is of no model that is served; there are digits"),
        (["stable=3", "stable=12"], 2, "label 'stable' of digits is given twice"),
    ],
)
def test_a_label_that_means_nothing_is_refused(export_dir, labels, code, expected):
    words = [word for label in labels for word in ("--label", label)]
    assert expected in refusal(invoke("serve", "digits", "--export-dir", export_dir, *words), code)


def test_with_several_models_a_label_says_of_which(export_dir):
    words = ("serve", "digits", "old", "--export-dir", export_dir, "--label", "a=1")
    assert "does not say of which model; write MODEL:a=1" in refusal(invoke(*words), 2)
    models = find_models(["digits", "old"], export_dir, ["old:a=1", "digits:a=3"])
    assert [model.labels for model in models] == [{"a": 3}, {"a": 1}]


def test_both_interfaces_need_a_port_each(export_dir):
    words = ("serve", "digits", "--export-dir", export_dir, "--port", 8500)
    assert "REST and gRPC need a port each" in refusal(invoke(*words), 2)


# -- configuration and commands --------------------------------------------------------------------


def plan(*models, **settings):
    return ServerPlan(models or (ServedModel("digits", pathlib.Path("/m/digits")),), **settings)


def described(name, fields, nested=None):
    """Return a message class made from (field, number, type name) rows."""
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{name}.proto", package="contract", syntax="proto3",
        dependency=["google/protobuf/wrappers.proto"],
    )  # fmt: skip
    for title, rows in {**(nested or {}), name: fields}.items():
        message = file.message_type.add(name=title)
        for field, number, kind in rows:
            one = message.field.add(name=field, number=number, label="LABEL_OPTIONAL")
            if kind.startswith("."):
                one.type, one.type_name = one.TYPE_MESSAGE, kind
            else:
                one.type = one.Type.Value(kind)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"contract.{name}"))


@pytest.mark.parametrize("folder", ["/m/digits", '/m/a "quoted"\\folder', "/m/größe"])
def test_the_models_file_is_a_model_server_config(folder):
    stable = ServedModel("digits", pathlib.Path(folder), {"stable": 3, "canary": 12})
    plain = ServedModel("other", pathlib.Path("/x/other"))
    config = text_format.Parse(
        models_config([stable, plain]), model_server_config_pb2.ModelServerConfig()
    )
    first, second = config.model_config_list.config
    assert (first.name, first.base_path, first.model_platform) == ("digits", folder, "tensorflow")
    assert dict(first.version_labels) == {"stable": 3, "canary": 12}
    assert first.model_version_policy.WhichOneof("policy_choice") == "all"
    assert (second.name, second.base_path) == ("other", "/x/other")
    assert not second.version_labels
    assert not second.HasField("model_version_policy")  # the newest


def test_the_batching_file_has_the_fields_of_batching_parameters():
    whole = ".google.protobuf.Int64Value"
    rows = [("max_batch_size", 1, whole), ("batch_timeout_micros", 2, whole),
            ("max_enqueued_batches", 3, whole)]  # fmt: skip
    kind = described("BatchingParameters", rows)
    files = config_files(plan(batching=True, max_batch_size=64, batch_timeout=2.5))
    assert list(files) == ["batching.config"]
    found = text_format.Parse(files["batching.config"], kind())
    assert found.max_batch_size.value == 64
    assert found.batch_timeout_micros.value == 2500
    assert found.max_enqueued_batches.value == 1000


def test_the_monitoring_file_turns_prometheus_on():
    nested = {"PrometheusConfig": [("enable", 1, "TYPE_BOOL"), ("path", 2, "TYPE_STRING")]}
    rows = [("prometheus_config", 1, ".contract.PrometheusConfig")]
    kind = described("MonitoringConfig", rows, nested)
    files = config_files(plan(metrics=True))
    assert list(files) == ["monitoring.config"]
    found = text_format.Parse(files["monitoring.config"], kind())
    assert found.prometheus_config.enable
    assert found.prometheus_config.path == "/monitoring/prometheus/metrics"


def test_one_model_needs_no_files():
    assert config_files(plan()) == {}
    assert server_command(plan(rest_port=1, grpc_port=2), "binary") == [
        "tensorflow_model_server", "--rest_api_port=1", "--port=2", "--model_name=digits",
        "--model_base_path=/m/digits",
    ]  # fmt: skip


def test_labels_may_be_given_before_their_versions_are_loaded():
    labelled = plan(ServedModel("digits", pathlib.Path("/m/digits"), {"stable": 3}))
    words = server_command(labelled, "binary", "/c")
    assert "--allow_version_labels_for_unavailable_models=true" in words
    assert "--model_config_file=/c/models.config" in words
    assert not [word for word in words if word.startswith(("--model_name", "--model_base"))]


def test_everything_together_has_every_flag():
    models = (ServedModel("a", pathlib.Path("/m/a")), ServedModel("b", pathlib.Path("/m/b")))
    words = server_command(plan(*models, batching=True, metrics=True), "binary", "/c")
    assert words[3:] == [
        "--model_config_file=/c/models.config", "--enable_batching=true",
        "--batching_parameters_file=/c/batching.config",
        "--monitoring_config_file=/c/monitoring.config",
    ]  # fmt: skip


def test_docker_mounts_what_its_flags_name():
    models = (ServedModel("a", pathlib.Path("/m/x:y,z/a")), ServedModel("b", pathlib.Path("/m/b")))
    words = server_command(plan(*models, metrics=True, rest_port=9001, grpc_port=9000), "docker",
                           "/c")  # fmt: skip
    assert words[:3] == ["docker", "run", "--rm"]
    options, flags = words[: words.index("tensorflow/serving")], words[words.index(
        "tensorflow/serving") + 1 :]  # fmt: skip
    pairs = list(zip(options, options[1:], strict=False))
    assert ("-p", "9001:8501") in pairs
    assert ("-p", "9000:8500") in pairs
    assert ("--entrypoint", "tensorflow_model_server") in pairs
    mounts = [value for option, value in pairs if option == "--mount"]
    assert mounts == [
        'type=bind,"source=/m/x:y,z/a",target=/models/a,readonly',
        "type=bind,source=/m/b,target=/models/b,readonly",
        "type=bind,source=/c,target=/config,readonly",
    ]
    assert flags == [
        "--rest_api_port=8501", "--port=8500", "--model_config_file=/config/models.config",
        "--monitoring_config_file=/config/monitoring.config",
    ]  # fmt: skip
    assert 'base_path: "/models/a"' in models_config(models, inside=True)


def test_print_command_prints_it_without_a_server_on_the_machine(export_dir, nothing_installed):
    words = ("serve", "digits", "--export-dir", export_dir, "--print-command")
    (line,) = succeeded(invoke(*words)).splitlines()
    assert shlex.split(line) == [
        "tensorflow_model_server", "--rest_api_port=8501", "--port=8500", "--model_name=digits",
        f"--model_base_path={export_dir / 'digits'}",
    ]  # fmt: skip
    (line,) = succeeded(invoke(*words, "--docker")).splitlines()
    assert shlex.split(line)[:2] == ["docker", "run"]


def test_a_preset_or_a_run_is_exported_before_it_is_served(tmp_path, nothing_installed):
    """Once: the second time there is an export of that name."""
    for model, name in (("digits_mlp_dtp", "digits_mlp_dtp"), (trained()[0], "digits")):
        words = ("serve", model, "--export-dir", tmp_path, "--print-command")
        first = invoke(*words)
        assert f"--model_base_path={tmp_path / name}" in succeeded(first)
        assert f"exported   {tmp_path / name / '1'}" in first.stderr
    second = invoke("serve", "digits_mlp_dtp", "--export-dir", tmp_path, "--print-command")
    assert succeeded(second)
    assert "exported" not in second.stderr
    assert [path.name for path in (tmp_path / "digits_mlp_dtp").iterdir()] == ["1"]


def test_print_command_quotes_for_a_shell(export_dir, nothing_installed, tmp_path):
    folder = tmp_path / "it's here $HOME"
    shutil.copytree(export_dir / "digits", folder / "digits")
    (line,) = succeeded(invoke("serve", folder / "digits", "--print-command")).splitlines()
    assert shlex.split(line)[-1] == f"--model_base_path={folder / 'digits'}"


def test_print_command_puts_the_files_where_it_is_told(export_dir, nothing_installed, tmp_path):
    words = ("serve", "digits", "--export-dir", export_dir, "--label", "stable=3", "--batching",
             "--print-command")  # fmt: skip
    assert "say with --config-dir DIR where to put them" in refusal(invoke(*words), 2)
    (line,) = succeeded(invoke(*words, "--config-dir", tmp_path / "config")).splitlines()
    paths = re.findall(r"=(/\S+\.config)", line)
    assert {pathlib.Path(path).name for path in paths} == {"models.config", "batching.config"}
    for path in paths:
        assert pathlib.Path(path).parent == tmp_path / "config"
        assert pathlib.Path(path).read_text()
    assert str(export_dir / "digits") in (tmp_path / "config" / "models.config").read_text()


def test_a_config_folder_that_cannot_be_written_is_a_sentence(export_dir, tmp_path):
    (tmp_path / "file").touch()
    words = ("serve", "digits", "--export-dir", export_dir, "--metrics", "--print-command")
    text = refusal(invoke(*words, "--config-dir", tmp_path / "file"), 1)
    assert f"cannot write {tmp_path / 'file'}" in text


# -- compose ---------------------------------------------------------------------------------------


def test_the_compose_file_serves_the_same(export_dir, tmp_path, nothing_installed):
    file = tmp_path / "compose.yaml"
    words = ("serve", "digits", "old", "--export-dir", export_dir, "--label", "digits:stable=3",
             "--batching", "--metrics", "--rest-port", 9001, "--compose", file)  # fmt: skip
    assert f"docker compose -f {file} up" in succeeded(invoke(*words))
    content = yaml.safe_load(file.read_text())
    (service,) = content["services"].values()
    assert service["image"] == "tensorflow/serving"
    assert service["entrypoint"] == ["tensorflow_model_server"]
    assert service["ports"] == ["9001:8501", "8500:8500"]
    mounted = {volume["target"]: volume for volume in service["volumes"]}
    assert mounted["/models/digits"]["source"] == str(export_dir / "digits")
    assert all(volume["read_only"] for volume in mounted.values())
    targets = {one["target"]: content["configs"][one["source"]] for one in service["configs"]}
    for flag in service["command"]:
        value = flag.partition("=")[2]
        assert not value.startswith("/config") or value in targets
    assert set(targets) == {f"/config/{name}.config" for name in ("models", "batching",
                                                                   "monitoring")}  # fmt: skip
    config = text_format.Parse(
        targets["/config/models.config"]["content"], model_server_config_pb2.ModelServerConfig()
    )
    for model in config.model_config_list.config:
        assert model.base_path in mounted


def test_models_below_a_compose_file_have_relative_paths(export_dir, monkeypatch):
    monkeypatch.chdir(export_dir)
    content = yaml.safe_load(
        succeeded(invoke("serve", "digits", "--export-dir", ".", "--compose", "-"))
    )
    (volume,) = content["services"]["serving"]["volumes"]
    assert volume["source"] == "./digits"
    assert "configs" not in content


def test_a_dollar_in_a_path_is_no_variable_of_compose():
    content = yaml.safe_load(compose_text(plan(ServedModel("a", pathlib.Path("/m/$x/a"))), "/c"))
    assert content["services"]["serving"]["volumes"][0]["source"] == "/m/$$x/a"


def test_a_command_and_a_compose_file_are_not_both_printed(export_dir):
    words = ("serve", "digits", "--export-dir", export_dir, "--print-command", "--compose", "-")
    assert "exclude each other" in refusal(invoke(*words), 2)


@pytest.mark.skipif(
    shutil.which("docker") is None
    or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode != 0,
    reason="docker compose is not on this machine",
)
def test_compose_understands_its_file(export_dir, tmp_path):
    words = ("serve", "digits", "--export-dir", export_dir, "--label", "stable=3", "--metrics")
    succeeded(invoke(*words, "--compose", tmp_path / "compose.yaml"))
    subprocess.run(
        ["docker", "compose", "-f", tmp_path / "compose.yaml", "config", "--quiet"], check=True
    )


# -- what can run it -------------------------------------------------------------------------------


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


def test_a_model_that_is_still_loading_is_waited_for(export_dir, double, stand_in, tmp_path):
    double.failures = ["UNAVAILABLE"] * 3 + ["NOT_FOUND"] * 3
    process, _ = serve("digits", "--export-dir", export_dir, cwd=tmp_path)
    with killed_at_the_end(process):
        read_until(process, "Ctrl-C stops the server.")
        assert double.failures == []
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


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
