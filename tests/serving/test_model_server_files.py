"""`serve` writes the flags and files of a model server, of Docker and of Compose."""

import pathlib
import re
import shlex
import shutil
import subprocess

import pytest
import yaml
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from helpers import invoke, refusal, succeeded, trained
from model_server_support import fixture_export_dir, fixture_nothing_installed  # noqa: F401
from tensorflow_serving.config import model_server_config_pb2

from dtp_tf.serving.model_server import (
    ServedModel,
    ServerPlan,
    compose_text,
    config_files,
    models_config,
    server_command,
)

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


@pytest.mark.slow
def test_print_command_prints_it_without_a_server_on_the_machine(export_dir, nothing_installed):
    words = ("serve", "digits", "--export-dir", export_dir, "--print-command")
    (line,) = succeeded(invoke(*words)).splitlines()
    assert shlex.split(line) == [
        "tensorflow_model_server", "--rest_api_port=8501", "--port=8500", "--model_name=digits",
        f"--model_base_path={export_dir / 'digits'}",
    ]  # fmt: skip
    (line,) = succeeded(invoke(*words, "--docker")).splitlines()
    assert shlex.split(line)[:2] == ["docker", "run"]


@pytest.mark.slow
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
