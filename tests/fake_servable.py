"""One version of a model as TensorFlow Serving runs it, and errors with the codes of gRPC."""

import tensorflow as tf


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
