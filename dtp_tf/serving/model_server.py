"""How exported models are served: the server's configuration, its command, a compose file.

Nothing is started here; `dtp_tf.serving.server_process` does that. The configuration files are
protocol buffers in text form.
"""

import dataclasses
import os
import pathlib
import re
import shlex
import shutil
import subprocess

import yaml

from dtp_tf.errors import SettingError, UserError
from dtp_tf.recipes.settings import did_you_mean

BINARY = "tensorflow_model_server"
IMAGE = "tensorflow/serving"
WARM_UP = 8  # images in the largest warm-up request of an export
METRICS_PATH = "/monitoring/prometheus/metrics"
# Where the official image has its ports, and where we put models and configuration into it.
INSIDE = {"rest": 8501, "grpc": 8500, "models": "/models", "config": "/config"}


@dataclasses.dataclass(frozen=True)
class ServedModel:
    """An exported model.

    Attributes:
        name: as clients call it.
        home: the absolute folder above its versions.
        labels: version by label.
    """

    name: str
    home: pathlib.Path
    labels: dict = dataclasses.field(default_factory=dict)

    def versions(self):
        """Return the numbers of its versions, ascending."""
        found = (p for p in self.home.iterdir() if p.name.isdecimal())
        return sorted(int(p.name) for p in found if (p / "saved_model.pb").is_file())


@dataclasses.dataclass(frozen=True)
class ServerPlan:
    """What a server shall do.

    Attributes:
        models: the `ServedModel`s.
        rest_port, grpc_port: where it listens.
        batching: whether requests that arrive together are computed together.
        max_batch_size: images in such a batch at most; larger requests are refused.
        batch_timeout: milliseconds to wait for such a batch to fill.
        metrics: whether Prometheus may read `METRICS_PATH` on the REST port.
    """

    models: tuple
    rest_port: int = 8501
    grpc_port: int = 8500
    batching: bool = False
    max_batch_size: int = 128
    batch_timeout: float = 1.0
    metrics: bool = False

    def __post_init__(self):
        if self.rest_port == self.grpc_port:
            raise SettingError(
                f"REST and gRPC need a port each, and both are {self.rest_port}; change one."
            )

    def url(self, name, scheme="http"):
        """Return the URL of a model on this machine."""
        if scheme == "grpc":
            return f"grpc://localhost:{self.grpc_port}/{name}"
        return f"http://localhost:{self.rest_port}/v1/models/{name}"

    @property
    def container(self):
        """The name of the Docker container."""
        return f"dtp-tf-serving-{self.rest_port}"


# -- which models ----------------------------------------------------------------------------------


def is_exported(text, export_dir):
    """Return whether a user names an export: a model in `export_dir`, or the folder above one."""
    homes = [path for path in _candidates(text, pathlib.Path(export_dir)) if path.is_dir()]
    return bool(text) and any(ServedModel(home.name, home).versions() for home in homes)


def find_models(names, export_dir, labels=()):
    """Return the `ServedModel`s that a user names.

    Args:
        names: of models in `export_dir`, or paths of the folders above the versions.
        export_dir: the folder of exported models.
        labels: texts LABEL=VERSION, or MODEL:LABEL=VERSION where there are several models.

    Raises:
        UserError: a model or a labelled version that is not there.
        SettingError: a label that cannot be understood, or two models of one name.
    """
    models = {}
    for text in names:
        home = _home(text, pathlib.Path(export_dir))
        if home.name in models:
            raise SettingError(f"two models are called {home.name!r}; rename one's folder.")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", home.name):
            raise UserError(
                f"{home.name!r} cannot name a model; rename {home} with letters, digits, '.', '_' "
                "and '-' only."
            )
        models[home.name] = ServedModel(home.name, home)
    for text in labels:
        match = re.fullmatch(r"(?:([\w.-]+):)?([A-Za-z][\w.-]*)=(\d+)", text)
        if match is None:
            raise SettingError(f"label {text!r} must be LABEL=VERSION or MODEL:LABEL=VERSION.")
        name, label, version = match[1], match[2], int(match[3])
        if name is None and len(models) > 1:
            raise SettingError(
                f"label {text!r} does not say of which model; write MODEL:{text}, MODEL one of "
                f"{', '.join(models)}."
            )
        name = name or next(iter(models))
        if name not in models:
            raise SettingError(
                f"label {text!r} is of no model that is served; there are {', '.join(models)}."
            )
        model = models[name]
        if label in model.labels:
            raise SettingError(f"label {label!r} of {name} is given twice; drop one.")
        if version not in model.versions():
            known = ", ".join(map(str, model.versions()))
            raise UserError(f"{model.home} has no version {version} to label; it has {known}.")
        models[name] = dataclasses.replace(model, labels={**model.labels, label: version})
    return tuple(models.values())


def _candidates(text, export_dir):
    return [export_dir / text, pathlib.Path(text)]


def _home(text, export_dir):
    """Return the absolute folder above the versions of the model that a user names."""
    home = next((path for path in _candidates(text, export_dir) if path.is_dir()), None)
    if home is None or not text:
        known = sorted(path.parent.parent.name for path in export_dir.glob("*/*/saved_model.pb"))
        known = list(dict.fromkeys(known))
        there = f"there are {', '.join(known)}" if known else "make one with `export`"
        raise UserError(f"no model {text!r} in {export_dir}; {there}.{did_you_mean(text, known)}")
    # A server has a working directory of its own.
    home = pathlib.Path(os.path.abspath(home))
    if (home / "saved_model.pb").is_file():
        raise UserError(
            f"{home} is one version of a model; give the folder above it, {home.parent}."
        )
    if not ServedModel(home.name, home).versions():
        raise UserError(f"{home} has no version of a model yet; make one with `export`.")
    return home


# -- configuration ---------------------------------------------------------------------------------


def config_files(plan, inside=False):
    """Return the text of each configuration file that a plan needs, by file name.

    Args:
        plan: a `ServerPlan`.
        inside: whether the server is to run in a container.
    """
    files = {}
    if _needs_models_file(plan):
        files["models.config"] = models_config(plan.models, inside)
    if plan.batching:
        files["batching.config"] = (
            f"max_batch_size {{ value: {plan.max_batch_size} }}\n"
            f"batch_timeout_micros {{ value: {round(plan.batch_timeout * 1000)} }}\n"
            # The default of 10 makes a burst of small requests end in errors.
            "max_enqueued_batches { value: 1000 }\n"
        )
    if plan.metrics:
        files["monitoring.config"] = (
            f"prometheus_config {{ enable: true path: {_quoted(METRICS_PATH)} }}\n"
        )
    return files


def models_config(models, inside=False):
    """Return a `ModelServerConfig` as text."""
    lines = ["model_config_list {"]
    for model in models:
        lines += [
            "  config {",
            f"    name: {_quoted(model.name)}",
            f"    base_path: {_quoted(_base_path(model, inside))}",
            '    model_platform: "tensorflow"',
        ]
        if model.labels:
            # A label needs its version loaded, and by default only the newest is. Naming the
            # versions would keep those away that are exported later.
            lines.append("    model_version_policy { all {} }")
        lines += [
            f"    version_labels {{ key: {_quoted(label)} value: {version} }}"
            for label, version in model.labels.items()
        ]
        lines.append("  }")
    return "\n".join([*lines, "}", ""])


def _needs_models_file(plan):
    return len(plan.models) > 1 or any(model.labels for model in plan.models)


def _base_path(model, inside):
    return f"{INSIDE['models']}/{model.name}" if inside else str(model.home)


def _quoted(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


# -- commands --------------------------------------------------------------------------------------


def server_flags(plan, config_dir, inside=False):
    """Return the flags of `tensorflow_model_server`.

    Args:
        plan: a `ServerPlan`.
        config_dir: where the server finds the files of `config_files`; None if there are none.
        inside: whether it runs in a container.
    """
    rest, grpc = plan.rest_port, plan.grpc_port
    if inside:
        rest, grpc = INSIDE["rest"], INSIDE["grpc"]
    flags = [f"--rest_api_port={rest}", f"--port={grpc}"]
    if _needs_models_file(plan):
        flags.append(f"--model_config_file={config_dir}/models.config")
    else:
        (model,) = plan.models
        flags += [f"--model_name={model.name}", f"--model_base_path={_base_path(model, inside)}"]
    if any(model.labels for model in plan.models):
        # Without it a server refuses at its start to label what it has not loaded yet.
        flags.append("--allow_version_labels_for_unavailable_models=true")
    if plan.batching:
        flags += [
            "--enable_batching=true",
            f"--batching_parameters_file={config_dir}/batching.config",
        ]
        if plan.max_batch_size < WARM_UP:
            # A warm-up request that is refused keeps a model from loading.
            flags.append("--enable_model_warmup=false")
    if plan.metrics:
        flags.append(f"--monitoring_config_file={config_dir}/monitoring.config")
    return flags


def server_command(plan, runner, config_dir=None):
    """Return the words of the command that serves a plan.

    Args:
        plan: a `ServerPlan`.
        runner: "binary" or "docker".
        config_dir: absolute folder of the files of `config_files`; None if there are none.
    """
    if runner == "binary":
        return [BINARY, *server_flags(plan, config_dir)]
    words = ["docker", "run", "--rm", "--name", plan.container, "--entrypoint", BINARY]
    words += ["-p", f"{plan.rest_port}:{INSIDE['rest']}"]
    words += ["-p", f"{plan.grpc_port}:{INSIDE['grpc']}"]
    for model in plan.models:
        words += ["--mount", _mount(model.home, f"{INSIDE['models']}/{model.name}")]
    if config_dir is not None:
        words += ["--mount", _mount(config_dir, INSIDE["config"])]
    return [*words, IMAGE, *server_flags(plan, INSIDE["config"], inside=True)]


def _mount(source, target):
    # -v would cut a path at its colons; --mount is read as CSV.
    source = str(source)
    part = f"source={source}"
    if "," in source or '"' in source:
        doubled = part.replace('"', '""')
        part = f'"{doubled}"'
    return f"type=bind,{part},target={target},readonly"


def command_text(words):
    """Return a command as a line for a shell."""
    return shlex.join(words)


def compose_text(plan, folder):
    """Return a Docker Compose file that serves a plan.

    Args:
        plan: a `ServerPlan`.
        folder: where the file will be; models below it get relative paths, so that file and
            models can move together.
    """
    folder = pathlib.Path(os.path.abspath(folder))
    volumes = []
    for model in plan.models:
        source = str(model.home)
        if model.home.is_relative_to(folder):
            source = f"./{model.home.relative_to(folder).as_posix()}"
        volumes.append(
            {
                "type": "bind",
                "source": _literal(source),
                "target": f"{INSIDE['models']}/{model.name}",
                "read_only": True,
            }
        )
    service = {
        "image": IMAGE,
        "entrypoint": [BINARY],
        "command": server_flags(plan, INSIDE["config"], inside=True),
        "ports": [f"{plan.rest_port}:{INSIDE['rest']}", f"{plan.grpc_port}:{INSIDE['grpc']}"],
        "volumes": volumes,
        "restart": "unless-stopped",
    }
    content = {"services": {"serving": service}}
    files = config_files(plan, inside=True)
    if files:
        content["configs"] = {
            name.replace(".", "_"): {"content": _literal(text)} for name, text in files.items()
        }
        service["configs"] = [
            {"source": name.replace(".", "_"), "target": f"{INSIDE['config']}/{name}"}
            for name in files
        ]
    return yaml.safe_dump(content, sort_keys=False, width=1000)


def _literal(text):
    return text.replace("$", "$$")  # Compose replaces $NAME


# -- what can run them -----------------------------------------------------------------------------


def find_runner(docker=False):
    """Return what can serve on this machine, "binary" or "docker"; the binary if both can.

    Args:
        docker: whether only Docker will do.

    Raises:
        UserError: neither is there.
    """
    if not docker and shutil.which(BINARY):
        return "binary"
    trouble = "there is no docker on the PATH"
    if shutil.which("docker"):
        if _engine_answers():
            return "docker"
        trouble = "the engine of the docker on the PATH does not answer"
    remedy = "install Docker and start its engine (https://docs.docker.com/engine/install)"
    if docker:
        raise UserError(f"{trouble}; {remedy}.")
    raise UserError(
        f"there is no {BINARY} on the PATH, and {trouble}; install the one from the Debian package "
        f"tensorflow-model-server (https://www.tensorflow.org/tfx/serving/setup), or {remedy}."
    )


def likely_runner(docker=False):
    """Return `find_runner`'s choice; where neither is there, the binary unless `docker`."""
    try:
        return find_runner(docker)
    except UserError:
        return "docker" if docker else "binary"


def _engine_answers():
    try:
        done = subprocess.run(
            ["docker", "info", "--format", "{{.ServerVersion}}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and bool(done.stdout.strip())
