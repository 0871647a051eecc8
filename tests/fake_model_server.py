"""A model server for tests: TensorFlow Serving's REST and gRPC contracts around real SavedModels.

It follows the public description of the interfaces: row and columnar requests, the short forms
for one input or output, {"b64": ...} for bytes, `:classify`, `/metadata`, versions and labels, and
errors as {"error": ...} with their status. Models run in a session, fed and fetched by the tensor
names of their signatures, as a server does it. It can fail on demand.
"""

import concurrent.futures
import http.server
import pathlib
import threading
import time

import grpc
import numpy as np
from fake_model_server_grpc import Models, Predictions
from fake_model_server_rest import RestHandler
from fake_servable import Servable, ServingError, refused
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)


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
        handler = type("Handler", (RestHandler,), {"double": self})
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", rest_port), handler)
        self._http.daemon_threads = True
        self.rest_port = self._http.server_port
        self._grpc = grpc.server(
            concurrent.futures.ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)]
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            Predictions(self), self._grpc
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(Models(self), self._grpc)
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
