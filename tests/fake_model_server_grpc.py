"""The gRPC interface of the model server for tests."""

import grpc
import tensorflow as tf
from fake_servable import ServingError, refused
from tensorflow_serving.apis import (
    classification_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)


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


class Predictions(_Service, prediction_service_pb2_grpc.PredictionServiceServicer):
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


class Models(_Service, model_service_pb2_grpc.ModelServiceServicer):
    def GetModelStatus(self, request, context):
        return self.answer(context, lambda: self.double.status(**_spec(request.model_spec)))
