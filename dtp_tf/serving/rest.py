"""Asking TensorFlow Serving by its REST interface, over one connection that stays open."""

import base64
import http.client
import json
import socket
import ssl

from dtp_tf.serving.client import Client, ServerError, UnavailableError, one_line


class RestClient(Client):
    """See `dtp_tf.serving.client.Client`."""

    def __init__(self, address, timeout, retries):
        super().__init__(address, timeout, retries)
        secure = address.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection = kind(address.host, address.port, timeout=timeout)

    def prepare(self, signature, inputs):
        columns = {name: _as_json(values) for name, values in inputs.items()}
        return json.dumps({"signature_name": signature, "inputs": columns}).encode()

    def send(self, request):
        content = self._ask("POST", f"{self.address.path}:predict", request)
        outputs = content.get("outputs")
        if not isinstance(outputs, dict):
            raise self._strange("without outputs by name")
        return outputs

    def status_once(self):
        content = self._ask("GET", self.address.path)
        try:
            return [
                {
                    "version": int(one["version"]),
                    "state": str(one["state"]),
                    "error": _error(one.get("status", {})),
                }
                for one in content["model_version_status"]
            ]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._strange("without the states of versions") from None

    def signatures_once(self):
        content = self._ask("GET", f"{self.address.path}/metadata")
        try:
            found = content["metadata"]["signature_def"]["signature_def"]
            signatures = {
                name: {
                    "method": signature.get("method_name", ""),
                    "inputs": _tensors(signature.get("inputs", {})),
                    "outputs": _tensors(signature.get("outputs", {})),
                }
                for name, signature in sorted(found.items())
                if not name.startswith("__saved_model")
            }
            return int(content["model_spec"]["version"]), signatures
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._strange("without the signatures of a model") from None

    def close(self):
        self._connection.close()

    def _ask(self, method, path, body=None):
        """Return the JSON object that the server answers."""
        status, reason, answered = self._exchange(method, path, body)
        try:
            content = json.loads(answered)
        except ValueError:  # also bytes that are no text
            content = None
        if status == 200 and isinstance(content, dict):
            return content
        error = content.get("error") if isinstance(content, dict) else None
        message = one_line(error or reason or "no reason given")
        server, which = self.address.server, self.address.which()
        if status == 200:
            raise self._strange("with what is no JSON object")
        if status == 404 and error:
            raise ServerError(f"{server} does not serve {which} ({message}).", "404")
        if status == 400:
            raise ServerError(f"{server} refused the request to {which} ({message}).", "400")
        if status == 503:
            raise UnavailableError(
                f"{server} is not available for {which} ({message}); try again later.", "503"
            )
        raise ServerError(f"{server} answered {status} ({message}).", str(status))

    def _exchange(self, method, path, body):
        """Return (status, reason, content) of one request."""
        connection, server = self._connection, self.address.server
        kept = connection.sock is not None
        try:
            try:
                return self._exchange_once(method, path, body)
            except (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected):
                if not kept:
                    raise
                connection.close()  # the server had ended the idle connection: open another
                return self._exchange_once(method, path, body)
        except BaseException as error:
            connection.close()
            if isinstance(error, TimeoutError):
                text = f"{server} did not answer within {self.timeout:g} s; raise --timeout."
                raise ServerError(text, "timeout") from None
            if isinstance(error, ConnectionRefusedError):
                raise ServerError(
                    f"nothing answers at {server} (connection refused); start a server with "
                    "`serve`, or check host and port.",
                    "refused",
                ) from None
            if isinstance(error, ConnectionError | http.client.HTTPException | ssl.SSLError):
                raise ServerError(
                    f"{server} does not speak {self.address.scheme.upper()} or broke off "
                    f"({type(error).__name__}); check the port: REST has 8501, gRPC 8500.",
                    "broken",
                ) from None
            if isinstance(error, socket.gaierror):
                text = f"there is no host {self.address.host!r} ({one_line(error.strerror)})."
                raise ServerError(text, "no host") from None
            if isinstance(error, OSError):
                text = f"{server} cannot be reached ({one_line(error.strerror or error)})."
                raise ServerError(text, "unreachable") from None
            raise

    def _exchange_once(self, method, path, body):
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        self._connection.request(method, path, body, headers)
        answered = self._connection.getresponse()
        return answered.status, answered.reason, answered.read()

    def _strange(self, how):
        return ServerError(
            f"{self.address.server} answered {how}; is it TensorFlow Serving's REST port?",
            "bad answer",
        )


def _as_json(values):
    if hasattr(values, "tolist"):
        return values.tolist()
    return [{"b64": base64.b64encode(value).decode("ascii")} for value in values]


def _error(status):
    code, message = status.get("error_code", "OK"), status.get("error_message", "")
    return None if code in ("OK", 0) else f"{code}: {one_line(message)}"


def _tensors(infos):
    found = {}
    for name, info in sorted(infos.items()):
        shape = info.get("tensor_shape", {})
        sizes = [int(dim.get("size", 0)) for dim in shape.get("dim", [])]
        found[name] = {
            "dtype": _dtype_name(info["dtype"]),
            "shape": None if shape.get("unknown_rank") else sizes,
        }
    return found


def _dtype_name(proto_name):
    """Return the usual name of a type, such as "float32" for "DT_FLOAT"."""
    name = proto_name.removeprefix("DT_").lower()
    return {"float": "float32", "double": "float64", "half": "float16"}.get(name, name)
