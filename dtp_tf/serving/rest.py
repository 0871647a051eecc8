"""Asking TensorFlow Serving by its REST interface, over one connection that stays open."""

import base64
import http.client
import json
import socket
import ssl

from dtp_tf.schema import DamagedError, by_name, listed, mapping, parse_json
from dtp_tf.serving.client import (
    MAX_ABOUT,
    MAX_ANSWER,
    MAX_VERSIONS,
    NO_LABEL,
    Client,
    ServerError,
    UnavailableError,
    no_host,
    one_line,
    too_large,
)
from dtp_tf.serving.deadlines import Connection, Deadline

# JSON has whole numbers of 64 bits as text.
_INTEGER = {"type": ["string", "integer"], "pattern": "^-?[0-9]{1,19}$", "description": "a number"}
_TEXT_OR_CODE = {"type": ["string", "integer"]}
_STATUS = mapping(
    {
        "model_version_status": listed(
            mapping(
                {"version": _INTEGER, "state": {"type": "string"}},
                {
                    "status": mapping(
                        {}, {"error_code": _TEXT_OR_CODE, "error_message": {"type": "string"}}
                    )
                },
            ),
            maxItems=MAX_VERSIONS,
        )
    }
)
_SHAPE = mapping(
    {}, {"dim": listed(mapping({}, {"size": _INTEGER})), "unknown_rank": {"type": "boolean"}}
)
_TENSORS = by_name(mapping({"dtype": {"type": "string"}}, {"tensor_shape": _SHAPE}))
_SIGNATURE = mapping(
    {}, {"method_name": {"type": "string"}, "inputs": _TENSORS, "outputs": _TENSORS}
)
_METADATA = mapping(
    {
        "model_spec": mapping({"version": _INTEGER}),
        "metadata": mapping({"signature_def": mapping({"signature_def": by_name(_SIGNATURE)})}),
    }
)


class _Http(http.client.HTTPConnection):
    """A connection whose requests each have a deadline, which is given to `begin`."""

    def __init__(self, address):
        super().__init__(address.host, address.port)
        self.context = ssl.create_default_context() if address.scheme == "https" else None

    def begin(self, deadline):
        self.deadline = deadline
        if self.sock is not None:
            self.sock.deadline = deadline

    def connect(self):
        self.sock = Connection(self.host, self.port, self.deadline, self.context)


class RestClient(Client):
    """See `dtp_tf.serving.client.Client`."""

    def __init__(self, address, timeout, retries):
        super().__init__(address, timeout, retries)
        self._connection = _Http(address)

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
        content = self._ask("GET", self.address.path, schema=_STATUS)
        return [
            {
                "version": int(one["version"]),
                "state": one["state"],
                "error": _error(one.get("status", {})),
            }
            for one in content["model_version_status"]
        ]

    def signatures_once(self):
        content = self._ask("GET", f"{self.address.path}/metadata", schema=_METADATA)
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

    def close(self):
        self._connection.close()

    def _ask(self, method, path, body=None, schema=None):
        """Return the JSON object that the server answers, as a schema says, if there is one."""
        limit = MAX_ANSWER if schema is None else MAX_ABOUT
        status, reason, answered = self._exchange(method, path, body, limit)
        if status == 200 and schema is not None:
            try:
                return parse_json(answered, "the answer", schema)
            except DamagedError as error:
                raise self._strange(f"with what is no description of a model ({error})") from None
        try:
            content = json.loads(answered, object_pairs_hook=_unrepeated)
        except (ValueError, RecursionError):  # also bytes that are no text
            content = None
        if status == 200 and isinstance(content, dict):
            return content
        error = content.get("error") if isinstance(content, dict) else None
        message = one_line(error or reason or "no reason given")
        server, which = self.address.server, self.address.which()
        if status == 200:
            raise self._strange("with what is no JSON object")
        unknown = status == 400 and NO_LABEL in message
        if (status == 404 and error) or unknown:
            raise ServerError(f"{server} does not serve {which} ({message}).", str(status))
        if status == 400:
            raise ServerError(f"{server} refused the request to {which} ({message}).", "400")
        if status == 503:
            raise UnavailableError(
                f"{server} is not available for {which} ({message}); try again later.", "503"
            )
        raise ServerError(f"{server} answered {status} ({message}).", str(status))

    def _exchange(self, method, path, body, limit):
        """Return (status, reason, content) of one request."""
        connection, server = self._connection, self.address.server
        kept = connection.sock is not None
        connection.begin(Deadline(self.timeout))
        try:
            try:
                return self._exchange_once(method, path, body, limit)
            except (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected):
                if not kept:
                    raise
                connection.close()  # the server had ended the idle connection: open another
                return self._exchange_once(method, path, body, limit)
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
            if isinstance(error, socket.gaierror | UnicodeError):
                raise no_host(self.address, error) from None
            if isinstance(error, OSError):
                text = f"{server} cannot be reached ({one_line(error.strerror or error)})."
                raise ServerError(text, "unreachable") from None
            raise

    def _exchange_once(self, method, path, body, limit):
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        self._connection.request(method, path, body, headers)
        with self._connection.getresponse() as answered:
            content = bytearray()
            while part := answered.read(min(65536, limit + 1 - len(content))):
                content += part
                if len(content) > limit:
                    raise too_large(self.address, limit)
            return answered.status, answered.reason, bytes(content)

    def _strange(self, how):
        return ServerError(
            f"{self.address.server} answered {how}; is it TensorFlow Serving's REST port?",
            "bad answer",
        )


def _unrepeated(pairs):
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a name is there twice")
    return content


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
