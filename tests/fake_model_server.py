"""A model server for tests: TensorFlow Serving's REST and gRPC contracts around real SavedModels.

It follows the public description of the interfaces: row and columnar requests, the short forms
for one input or output, {"b64": ...} for bytes, `:classify`, `/metadata`, versions and labels, and
errors as {"error": ...} with their status. Models run in a session, fed and fetched by the tensor
names of their signatures, as a server does it. It can fail on demand.
"""

import base64
import concurrent.futures
import http.server
import json
import pathlib
import re
import threading
import time

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

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


class ServingError(Exception):
    """An error with a gRPC code."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message


def refused(message):
    return ServingError("INVALID_ARGUMENT", message)


class Servable:
    """One loaded version."""

    def __init__(self, path):
        self.session = tf.compat.v1.Session(graph=tf.Graph())
        with self.session.graph.as_default():
            meta = tf.compat.v1.saved_model.load(self.session, ["serve"], str(path))
        self.signatures = meta.signature_def

    def signature(self, name):
        name = name or "serving_default"
        if name not in self.signatures:
            raise refused(f'Serving signature name: "{name}" not found in signature def')
        return self.signatures[name]

    def run(self, signature, inputs):
        """Return the outputs by name for arrays by name."""
        if set(inputs) != set(signature.inputs):
            raise refused(
                f"input size does not match signature: got {sorted(inputs)}, expected "
                f"{sorted(signature.inputs)}"
            )
        feeds = {signature.inputs[name].name: value for name, value in inputs.items()}
        fetches = {name: info.name for name, info in signature.outputs.items()}
        try:
            return self.session.run(fetches, feeds)
        except (tf.errors.InvalidArgumentError, ValueError, TypeError) as error:
            raise refused(str(error)) from None


class FakeModelServer:
    """Serves the models below some folders on loopback; a context manager.

    Args:
        models: the folder above the versions, by model name.
        labels: version by label, by model name.
        rest_port, grpc_port: 0 takes free ones.

    Attributes:
        rest_port, grpc_port: where it listens.
        seen: (path, body) of every REST request.
        connections: how many REST connections were opened.
        failures: codes with which the next requests fail, one each.
        delay: seconds that every request takes.
        garbage: bytes that every REST request gets with status 200, or None.
        distort: a function of the outputs of a prediction, or None.
        loading: whether versions are still being loaded.
    """

    def __init__(self, models, labels=None, rest_port=0, grpc_port=0):
        self.models, self.labels = dict(models), labels or {}
        self.seen, self.connections, self.failures = [], 0, []
        self.delay, self.garbage, self.distort, self.loading = 0, None, None, False
        self._loaded, self._lock = {}, threading.Lock()
        handler = type("Handler", (_RestHandler,), {"double": self})
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", rest_port), handler)
        self._http.daemon_threads = True
        self.rest_port = self._http.server_port
        self._grpc = grpc.server(
            concurrent.futures.ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)]
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            _Predictions(self), self._grpc
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(_Models(self), self._grpc)
        self.grpc_port = self._grpc.add_insecure_port(f"127.0.0.1:{grpc_port}")

    def __enter__(self):
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        self._grpc.start()
        return self

    def __exit__(self, *error):
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        self._grpc.stop(0).wait()

    def url(self, name="digits"):
        return f"http://127.0.0.1:{self.rest_port}/v1/models/{name}"

    def grpc_url(self, name="digits"):
        return f"grpc://127.0.0.1:{self.grpc_port}/{name}"

    def reset(self):
        """Forget failures and what was seen."""
        self.seen, self.connections, self.failures = [], 0, []
        self.delay, self.garbage, self.distort, self.loading = 0, None, None, False

    # what both interfaces do

    def misbehave(self):
        if self.delay:
            time.sleep(self.delay)
        with self._lock:
            code = self.failures.pop(0) if self.failures else None
        if code is not None:
            raise ServingError(code, f"failed on demand with {code}")

    def versions(self, name):
        """The numbers of a model's versions that are loaded: all with labels, else the newest."""
        if name not in self.models:
            return []
        found = [int(p.name) for p in pathlib.Path(self.models[name]).iterdir()
                 if p.name.isdecimal()]  # fmt: skip
        return sorted(found) if self.labels.get(name) else sorted(found)[-1:]

    def find(self, name, version=None, label=None):
        """Return (version, Servable)."""
        available = [] if self.loading else self.versions(name)
        wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        if label is not None:
            if label not in self.labels.get(name, {}):
                raise refused(f"Unrecognized servable version label: {label}")
            version = self.labels[name][label]
        if version is None and available:
            version = available[-1]
        if version not in available:
            raise ServingError("NOT_FOUND", f"Servable not found for request: {wanted}")
        path = pathlib.Path(self.models[name]) / str(version)
        with self._lock:
            if path not in self._loaded:
                self._loaded[path] = Servable(path)
        return version, self._loaded[path]

    def predict(self, servable, signature, inputs):
        outputs = servable.run(signature, inputs)
        return self.distort(outputs) if self.distort else outputs

    def classify(self, servable, signature, examples):
        """Return (classes, scores), (n, k) each, of serialized examples."""
        if signature.method_name != "tensorflow/serving/classify":
            raise refused(f"Expected classify signature, got {signature.method_name}")
        outputs = servable.run(signature, {"inputs": np.array(examples, object)})
        return outputs["classes"], outputs["scores"]

    def status(self, name, version=None, label=None):
        found = get_model_status_pb2.GetModelStatusResponse()
        if label is not None:
            version = self.find(name, label=label)[0]
        for number in reversed(self.versions(name)):
            if version in (None, number):
                state = "LOADING" if self.loading else "AVAILABLE"
                one = found.model_version_status.add(version=number, state=state)
                one.status.error_message = ""
        if not found.model_version_status:
            what = "any versions" if version is None else f"version {version}"
            raise ServingError("NOT_FOUND", f"Could not find {what} of model {name}")
        return found

    def metadata(self, name, version=None, label=None):
        version, servable = self.find(name, version, label)
        found = get_model_metadata_pb2.GetModelMetadataResponse()
        found.model_spec.name = name
        found.model_spec.version.value = version
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for key, signature in servable.signatures.items():
            signatures.signature_def[key].CopyFrom(signature)
        found.metadata["signature_def"].Pack(signatures)
        return found


# -- REST ------------------------------------------------------------------------------------------


class _RestHandler(http.server.BaseHTTPRequestHandler):
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


# -- gRPC ------------------------------------------------------------------------------------------


def _spec(spec):
    kind = spec.WhichOneof("version_choice")
    return {
        "name": spec.name,
        "version": spec.version.value if kind == "version" else None,
        "label": spec.version_label if kind == "version_label" else None,
    }


class _Service:
    def __init__(self, double):
        self.double = double

    def answer(self, context, call):
        try:
            self.double.misbehave()
            return call()
        except ServingError as error:
            context.abort(grpc.StatusCode[error.code], error.message)


class _Predictions(_Service, prediction_service_pb2_grpc.PredictionServiceServicer):
    def Predict(self, request, context):
        def call():
            version, servable = self.double.find(**_spec(request.model_spec))
            signature = servable.signature(request.model_spec.signature_name)
            inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
            for name, value in inputs.items():
                expected = signature.inputs[name].dtype if name in signature.inputs else None
                if expected not in (None, request.inputs[name].dtype):
                    raise refused(f"input {name} has type {value.dtype}, not that of the signature")
            found = predict_pb2.PredictResponse()
            found.model_spec.name = request.model_spec.name
            found.model_spec.version.value = version
            for name, value in self.double.predict(servable, signature, inputs).items():
                found.outputs[name].CopyFrom(tf.make_tensor_proto(value))
            return found

        return self.answer(context, call)

    def Classify(self, request, context):
        def call():
            _, servable = self.double.find(**_spec(request.model_spec))
            signature = servable.signature(request.model_spec.signature_name)
            examples = [e.SerializeToString() for e in request.input.example_list.examples]
            found = classification_pb2.ClassificationResponse()
            for row in zip(*self.double.classify(servable, signature, examples), strict=True):
                one = found.result.classifications.add()
                for label, score in zip(*row, strict=True):
                    one.classes.add(label=label.decode(), score=score)
            return found

        return self.answer(context, call)

    def GetModelMetadata(self, request, context):
        return self.answer(context, lambda: self.double.metadata(**_spec(request.model_spec)))


class _Models(_Service, model_service_pb2_grpc.ModelServiceServicer):
    def GetModelStatus(self, request, context):
        return self.answer(context, lambda: self.double.status(**_spec(request.model_spec)))
