"""Running a model server: start it, wait until it predicts, stop it with us."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import time

import numpy as np

from dtp_tf.console.program import PROGRAM
from dtp_tf.data.image_files import encode_pixels
from dtp_tf.errors import UserError
from dtp_tf.files import make_folder, write_text
from dtp_tf.serving.asking import pixel_shape, ranking
from dtp_tf.serving.client import ServerError, one_line
from dtp_tf.serving.connecting import connect
from dtp_tf.serving.model_server import METRICS_PATH, config_files, find_runner, server_command
from dtp_tf.serving.server_log import is_error, is_marked_error, load_failure

GRACE = 10.0  # seconds that the server has to stop by itself
# Failures of a server that is still starting: nothing listens, a container's port forwarder hangs
# up, no version is loaded yet.
STARTING = ("refused", "broken", "unreachable", "timeout", "404", "503")


def serve(plan, console, docker=False, config_dir=None, timeout=300.0, show_log=False):
    """Serve a plan until Ctrl-C (or SIGTERM), then stop the server.

    Args:
        plan: a `ServerPlan`.
        console: where to print how to ask it.
        docker: whether to use Docker even where `tensorflow_model_server` is on the PATH.
        config_dir: where configuration files are kept; by default a temporary folder.
        timeout: seconds until every model must answer a prediction.
        show_log: whether to print the server's log; otherwise only its errors.

    Raises:
        UserError: no server on this machine, a port that is taken, or a server that does not
            start, does not answer, or ends by itself.
    """
    runner = find_runner(docker)
    for port, option in ((plan.rest_port, "--rest-port"), (plan.grpc_port, "--grpc-port")):
        if not _is_free(port):
            raise UserError(f"port {port} is taken; choose another with {option}.")
    with contextlib.ExitStack() as stack:
        if config_dir is None:
            config_dir = stack.enter_context(tempfile.TemporaryDirectory(prefix="dtp-tf-serving-"))
        config_dir = write_config(plan, runner, config_dir)
        stack.enter_context(_stop_signals())
        try:
            with _Server(plan, runner, config_dir, console, show_log) as server:
                console.print(f"starting   {server.words[0]}, until it predicts", markup=False)
                shapes = server.wait_until_it_predicts(timeout)
                console.print(examples(plan, shapes), markup=False)
                server.wait()
        except KeyboardInterrupt:
            console.print("stopped", markup=False)


def write_config(plan, runner, folder):
    """Write the configuration files of a plan.

    Returns:
        The absolute folder, or None if there are no such files.

    Raises:
        UserError: the folder cannot be written.
    """
    files = config_files(plan, inside=runner == "docker")
    if not files:
        return None
    folder = pathlib.Path(os.path.abspath(folder))
    make_folder(folder)
    for name, text in files.items():
        write_text(folder / name, text)
    return folder


def examples(plan, shapes):
    """Return the text that says how to ask the served models.

    Args:
        plan: a `ServerPlan`.
        shapes: what `check_prediction` returned, by the models' names.
    """
    parts = []
    for model in plan.models:
        url = plan.url(model.name)
        parts.append(
            f"serving    {url}\n"
            f"           {plan.url(model.name, 'grpc')}\n"
            f"ask it     {PROGRAM} predict --url {url} IMAGE.png"
        )
    first = plan.models[0].name
    shape, ask = shapes[first], f"{plan.url(first)}:predict"
    if shape is None:
        body = '{"signature_name": "image_bytes", "instances": [{"image_bytes": {"b64": '
        parts.append(f"""
curl:

    base64 IMAGE.png | tr -d '\\n' |
        sed 's|.*|{body}"&"}}}}]}}|' |
        curl -s -d @- {ask}

Python:

    import base64, json, urllib.request
    image = base64.b64encode(open("IMAGE.png", "rb").read()).decode()
    body = {body}image}}}}]}}
    print(json.load(urllib.request.urlopen("{ask}", json.dumps(body).encode())))
""")
    else:
        height, width, channels = shape
        body = f'{{"instances": [[[[0] * {channels}] * {width}] * {height}]}}'
        parts.append(f"""
curl, with a blank image:

    python -c 'import json; print(json.dumps({body}))' |
        curl -s -d @- {ask}

Python:

    import json, urllib.request
    body = {body}
    print(json.load(urllib.request.urlopen("{ask}", json.dumps(body).encode())))
""")
    if plan.metrics:
        parts.append(f"metrics    http://localhost:{plan.rest_port}{METRICS_PATH}")
    parts.append("Ctrl-C stops the server.")
    return "\n".join(parts)


class _Server:
    """The server's process; a context manager that ends it."""

    def __init__(self, plan, runner, config_dir, console, show_log):
        self.plan, self.runner, self.console, self.show_log = plan, runner, console, show_log
        self.words = server_command(plan, runner, config_dir)
        self._last_error = None
        self._failures = {}  # why a version is not loaded, by (model, version)

    def __enter__(self):
        try:
            # A group of its own: Ctrl-C reaches us alone, and we end whatever it has started.
            self._process = subprocess.Popen(
                self.words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise UserError(f"{self.words[0]} cannot be started: {error.strerror}.") from None
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *error):
        try:
            self._signal(signal.SIGTERM)
            self._process.wait(GRACE)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):  # a second Ctrl-C is in a hurry
            if self.runner == "docker":  # the container is no child of the command
                subprocess.run(["docker", "kill", self.plan.container], capture_output=True)
        finally:
            self._signal(signal.SIGKILL)  # also what the server may have left behind
            self._process.wait()
            self._reader.join(5)
            if not self._reader.is_alive():
                self._process.stdout.close()

    def wait_until_it_predicts(self, timeout):
        """Return what `check_prediction` returns for every model, by name."""
        end = time.monotonic() + timeout
        shapes = {}
        for model in self.plan.models:
            with connect(self.plan.url(model.name), timeout=min(30, timeout), retries=0) as client:
                while model.name not in shapes:
                    self._check_alive("while starting")
                    self._check_log(model)
                    try:
                        _check_loading(client.status())
                        shapes[model.name] = check_prediction(client)
                    except ServerError as error:
                        if error.kind not in STARTING:
                            raise
                        if time.monotonic() > end:
                            raise UserError(
                                f"model {model.name!r} did not answer within {timeout:g} s "
                                f"(--start-timeout): {error}"
                            ) from None
                        time.sleep(0.1)
        return shapes

    def wait(self):
        """Wait until the server ends, which it should not do by itself.

        Raises:
            UserError: it has ended.
        """
        self._process.wait()
        self._check_alive("")

    def _check_alive(self, when):
        code = self._process.poll()
        if code is None:
            return
        self._reader.join(5)
        last = one_line(self._last_error or "its log has no error")
        how = f"with exit code {code}" if code >= 0 else f"by signal {-code}"
        raise UserError(f"the model server ended {how} {when}".rstrip() + f": {last}.")

    def _check_log(self, model):
        """Raise `UserError` if a version that clients will ask for is not loaded.

        The server tries again for minutes, and does not answer meanwhile. Where there are labels it
        loads all versions, of which those count that have one, and the newest; otherwise one.
        """
        for (name, version), cause in list(self._failures.items()):
            asked_for = {*model.versions()[-1:], *model.labels.values()}
            if name == model.name and (version in asked_for or not model.labels):
                raise UserError(
                    f"the server cannot load version {version} of model {model.name!r} "
                    f"({one_line(cause)}); export it again, or remove {model.home / str(version)}."
                )

    def _read_log(self):
        for line in self._process.stdout:
            if is_error(line):
                self._last_error = line
            failure = load_failure(line)
            if failure is not None:
                name, version, cause = failure
                self._failures.setdefault((name, version), cause)
            if self.show_log or is_marked_error(line):
                self.console.print(line.rstrip(), markup=False)

    def _signal(self, number):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def check_prediction(client):
    """Ask a model for a blank image, by pixels and, where it can, by the bytes of a PNG.

    A server calls a model available that fails at its first request.

    Returns:
        None if it takes bytes, otherwise the (height, width, channels) that it takes.

    Raises:
        UserError: it does not answer with classes and scores.
    """
    _, signatures = client.signatures()
    height, width, channels = pixel_shape(signatures, client.address)
    pixels = np.zeros((1, height, width, channels), np.uint8)
    outputs = client.predict("serving_default", {"images": pixels})
    ranking(outputs, 1, client.address)
    if "image_bytes" not in signatures:
        return height, width, channels
    outputs = client.predict("image_bytes", {"image_bytes": [encode_pixels(pixels[0])]})
    ranking(outputs, 1, client.address)
    return None


def _check_loading(versions):
    """Raise `UserError` if no version is available and the server says why."""
    errors = [f"version {one['version']}: {one['error']}" for one in versions if one["error"]]
    if errors and not any(one["state"] == "AVAILABLE" for one in versions):
        raise UserError(f"the server cannot load the model ({'; '.join(errors)}).")


def _is_free(port):
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("", port))
        except PermissionError:
            raise UserError(f"port {port} is not for users; choose one from 1024 on.") from None
        except OSError:
            return False
    return True


@contextlib.contextmanager
def _stop_signals():
    """Let SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt, for the server shall not outlive us.

    A shell starts a command in the background with SIGINT ignored; `kill -INT` means it. What
    `nohup` ignores stays ignored.
    """

    def interrupt(number, frame):
        raise KeyboardInterrupt

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
