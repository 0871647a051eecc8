"""Asking TensorFlow Serving by gRPC, whose messages need TensorFlow."""

import math
import socket

from dtp_tf.processes.quiet import import_tensorflow
from dtp_tf.serving.client import (
    MAX_ANSWER,
    MAX_VALUES,
    MAX_VERSIONS,
    NO_LABEL,
    Client,
    ServerError,
    UnavailableError,
    no_host,
    one_line,
    too_large,
)
from dtp_tf.serving.deadlines import Deadline, look_up

import_tensorflow()

import grpc  # noqa: E402
import tensorflow as tf  # noqa: E402
from tensorflow_serving.apis import (  # noqa: E402
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_ANSWER),
    ("grpc.max_send_message_length", -1),
    # Each client has a connection of its own, also to the same server.
    ("grpc.use_local_subchannel_pool", 1),
    # A proxy that the environment names for web pages is not for this.
    ("grpc.enable_http_proxy", 0),
]


class GrpcClient(Client):
    """See `dtp_tf.serving.client.Client`."""

    def __init__(self, address, timeout, retries):
        super().__init__(address, timeout, retries)
        target = address.server.removeprefix("grpc://")
        self._channel = grpc.insecure_channel(target, options=CHANNEL_OPTIONS)
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)
        self._known_host = False

    def prepare(self, signature, inputs):
        request = predict_pb2.PredictRequest()
        self._fill(request.model_spec)
        request.model_spec.signature_name = signature
        for name, values in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
        return request

    def send(self, request):
        answered = self._ask(self._predictions.Predict, request)
        try:
            return {name: _as_lists(proto) for name, proto in answered.outputs.items()}
        except (TypeError, ValueError):  # a tensor whose bytes do not fit its shape; no UTF-8
            raise ServerError(
                f"{self.address.server} answered with tensors that cannot be read.", "bad answer"
            ) from None

    def status_once(self):
        request = get_model_status_pb2.GetModelStatusRequest()
        self._fill(request.model_spec)
        states = get_model_status_pb2.ModelVersionStatus.State
        found = []
        versions = self._ask(self._models.GetModelStatus, request).model_version_status
        if len(versions) > MAX_VERSIONS:
            raise ServerError(
                f"{self.address.server} answered with {len(versions):,} versions; the limit is "
                f"{MAX_VERSIONS:,}.",
                "bad answer",
            )
        for one in versions:
            error = None
            if one.status.error_code:
                code = grpc_code(one.status.error_code)
                error = f"{code}: {one_line(one.status.error_message)}"
            state = states.Name(one.state) if one.state in states.values() else str(one.state)
            found.append({"version": one.version, "state": state, "error": error})
        return found

    def signatures_once(self):
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        self._fill(request.model_spec)
        answered = self._ask(self._predictions.GetModelMetadata, request)
        content = get_model_metadata_pb2.SignatureDefMap()
        if not answered.metadata["signature_def"].Unpack(content):
            text = f"{self.address.server} answered without the signatures of a model."
            raise ServerError(text, "bad answer")
        signatures = {
            name: {
                "method": signature.method_name,
                "inputs": _tensors(signature.inputs),
                "outputs": _tensors(signature.outputs),
            }
            for name, signature in sorted(content.signature_def.items())
            if not name.startswith("__saved_model")
        }
        return answered.model_spec.version.value, signatures

    def close(self):
        self._channel.close()

    def _fill(self, spec):
        spec.name = self.address.model
        if self.address.version is not None:
            spec.version.value = self.address.version
        elif self.address.label is not None:
            spec.version_label = self.address.label

    def _ask(self, method, request):
        deadline = Deadline(self.timeout)
        try:
            if not self._known_host:  # gRPC would look for it again and again
                look_up(self.address.host, self.address.port, deadline)
                self._known_host = True
            return method(request, timeout=deadline.left())
        except TimeoutError:
            raise self._too_slow() from None
        except socket.gaierror as error:
            raise no_host(self.address, error) from None
        except grpc.RpcError as error:
            raise self._sentence(error.code(), error.details() or "no reason given") from None

    def _sentence(self, code, details):
        """Return the error for a gRPC code."""
        server, which, message = self.address.server, self.address.which(), one_line(details)
        kind, codes = code.name, grpc.StatusCode
        if code == codes.DEADLINE_EXCEEDED:
            return self._too_slow()
        if code == codes.RESOURCE_EXHAUSTED and "eceived message larger" in details:
            return too_large(self.address, MAX_ANSWER)
        if code == codes.UNAVAILABLE:
            if "onnect" in details or "resolution" in details or "Socket closed" in details:
                return ServerError(
                    f"nothing answers by gRPC at {server} ({message}); start a server with "
                    "`serve`, or check host and port.",
                    "refused",
                )
            return UnavailableError(
                f"{server} is not available for {which} ({message}); try again later.", kind
            )
        if code == codes.NOT_FOUND or (code == codes.INVALID_ARGUMENT and NO_LABEL in message):
            return ServerError(f"{server} does not serve {which} ({message}).", kind)
        if code == codes.INVALID_ARGUMENT:
            return ServerError(f"{server} refused the request to {which} ({message}).", kind)
        return ServerError(f"{server} answered {kind} ({message}).", kind)

    def _too_slow(self):
        text = f"{self.address.server} did not answer within {self.timeout:g} s; raise --timeout."
        return ServerError(text, "timeout")


def grpc_code(number):
    """Return the name of a gRPC status code."""
    names = {code.value[0]: code.name for code in grpc.StatusCode}
    return names.get(number, str(number))


def _as_lists(proto):
    # A few bytes can say that a value is there any number of times.
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    if any(size < 0 for size in sizes) or math.prod(sizes) > MAX_VALUES:
        raise ValueError("too large")
    array = tf.make_ndarray(proto)
    if array.dtype != object:
        return array.tolist()
    return _as_text(array.tolist())


def _as_text(values):
    return values.decode("utf-8") if isinstance(values, bytes) else [_as_text(v) for v in values]


def _dtype_name(number):
    try:
        return tf.dtypes.as_dtype(number).name
    except TypeError:  # of a newer TensorFlow
        return str(number)


def _tensors(infos):
    return {
        name: {
            "dtype": _dtype_name(info.dtype),
            "shape": None
            if info.tensor_shape.unknown_rank
            else [dim.size for dim in info.tensor_shape.dim],
        }
        for name, info in sorted(infos.items())
    }
