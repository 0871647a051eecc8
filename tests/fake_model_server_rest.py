"""The REST interface of the model server for tests: requests, conversions and answers in JSON."""

import base64
import http.server
import json
import re

import numpy as np
import tensorflow as tf
from fake_servable import ServingError, refused
from google.protobuf import json_format

# A gRPC code and the HTTP status that stands for it.
CODES = {
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
URL = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
    r"(?P<rest>/metadata|:predict|:classify|:regress)?"
)


class RestHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    double = None

    def setup(self):
        super().setup()
        self.double.connections += 1

    def log_message(self, *args):
        pass

    def do_GET(self):
        self._answer(b"")

    def do_POST(self):
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _answer(self, body):
        self.double.seen.append((self.path, body))
        try:
            self.double.misbehave()
            status, content = 200, self._content(body)
        except ServingError as error:
            status, content = CODES[error.code], {"error": error.message}
        # NaN and Infinity come bare, as a server writes them.
        sent = json.dumps(content).encode() if self.double.garbage is None else self.double.garbage
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def _content(self, body):
        match = URL.fullmatch(self.path)
        methods = {"GET": (None, "/metadata"), "POST": (":predict", ":classify", ":regress")}
        if match is None or match["rest"] not in methods[self.command]:
            raise refused(f"Malformed request: {self.command} {self.path}")
        spec = {
            "name": match["name"],
            "version": match["version"] and int(match["version"]),
            "label": match["label"],
        }
        if match["rest"] is None:
            return _message(self.double.status(**spec))
        if match["rest"] == "/metadata":
            return _message(self.double.metadata(**spec))
        try:
            request = json.loads(body)
        except ValueError:
            raise refused("JSON Parse error: Invalid value. at offset: 0") from None
        if not isinstance(request, dict):
            raise refused("JSON request must be an object")
        _, servable = self.double.find(**spec)
        signature = servable.signature(request.get("signature_name"))
        if match["rest"] == ":predict":
            return self._predict(servable, signature, request)
        if match["rest"] == ":classify":
            return self._classify(servable, signature, request)
        raise refused(f"Expected regress signature, got {signature.method_name}")

    def _predict(self, servable, signature, request):
        if ("instances" in request) == ("inputs" in request):
            raise refused("Missing 'inputs' or 'instances' key")
        by_row = "instances" in request
        columns = _columns(signature, request["instances"]) if by_row else request["inputs"]
        if not by_row and (not isinstance(columns, dict) or _is_bytes(columns)):
            columns = _only(signature, columns)
        inputs = {}
        for name, values in columns.items():
            if name not in signature.inputs:
                raise refused(f"JSON object: does not have named input: {name}")
            inputs[name] = _array(values, signature.inputs[name].dtype)
        outputs = {
            name: _json(value) for name, value in
            self.double.predict(servable, signature, inputs).items()
        }  # fmt: skip
        if not by_row:
            return {"outputs": outputs if len(outputs) > 1 else next(iter(outputs.values()))}
        count = len(request["instances"])
        if any(not isinstance(v, list) or len(v) != count for v in outputs.values()):
            raise refused("Tensor name: has inconsistent batch size")
        if len(outputs) == 1:
            return {"predictions": next(iter(outputs.values()))}
        return {"predictions": [{k: v[i] for k, v in outputs.items()} for i in range(count)]}

    def _classify(self, servable, signature, request):
        if not isinstance(request.get("examples"), list):
            raise refused("When method is classify, key 'examples' is expected")
        examples = [
            _example({**request.get("context", {}), **one}).SerializeToString()
            for one in request["examples"]
        ]
        classes, scores = self.double.classify(servable, signature, examples)
        rows = zip(classes, scores, strict=True)
        return {
            "results": [
                [[label.decode(), float(score)] for label, score in zip(*row, strict=True)]
                for row in rows
            ]
        }


def _message(proto):
    return json_format.MessageToDict(
        proto, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _is_bytes(value):
    return isinstance(value, dict) and set(value) == {"b64"}


def _only(signature, value):
    if len(signature.inputs) != 1:
        raise refused(f"Signature has {len(signature.inputs)} inputs, which must be named")
    return {next(iter(signature.inputs)): value}


def _columns(signature, rows):
    if not isinstance(rows, list) or not rows:
        raise refused("Request data must be a non-empty list in 'instances'")
    if not isinstance(rows[0], dict) or _is_bytes(rows[0]):
        return _only(signature, rows)
    names = set(rows[0])
    if any(not isinstance(row, dict) or set(row) != names for row in rows):
        raise refused("Failed to process element of 'instances' list: its keys differ")
    return {name: [row[name] for row in rows] for name in names}


def _array(values, dtype):
    """Convert JSON values to an array as a server converts them."""
    dtype = tf.dtypes.as_dtype(dtype)

    def convert(value):
        if isinstance(value, list):
            return [convert(part) for part in value]
        if dtype == tf.string:
            if _is_bytes(value):
                return base64.b64decode(value["b64"], validate=True)
            if isinstance(value, str):
                return value.encode()
        elif dtype.is_integer and isinstance(value, int) and not isinstance(value, bool):
            return value % 2**8 if dtype == tf.uint8 else value  # 300 becomes 44
        elif dtype.is_floating and isinstance(value, int | float):
            return value
        raise refused(f"JSON Value: {json.dumps(value)} Type is not of expected type: {dtype.name}")

    try:
        return np.array(convert(values), object if dtype == tf.string else dtype.as_numpy_dtype)
    except ServingError:
        raise
    except ValueError as error:  # rows of different lengths, no base64
        raise refused(f"Encountered list at unexpected size: {error}") from None


def _json(array):
    if array.dtype != object:
        return array.tolist()
    decode = np.vectorize(lambda value: value.decode("utf-8"), otypes=[object])
    return decode(array).tolist()


def _example(features):
    example = tf.train.Example()
    for name, values in features.items():
        feature = example.features.feature[name]
        for value in values if isinstance(values, list) else [values]:
            if _is_bytes(value):
                feature.bytes_list.value.append(base64.b64decode(value["b64"]))
            elif isinstance(value, str):
                feature.bytes_list.value.append(value.encode())
            elif isinstance(value, int):
                feature.int64_list.value.append(value)
            else:
                feature.float_list.value.append(value)
    return example
