"""Ways back through layers whose transposed Jacobian TensorFlow can tell."""

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable("dtp_tf")
class Pullback(keras.layers.Layer):
    """The transposed Jacobian of a layer without weights, at a point of the forward pass.

    Which side of its kink each unit was on, which pixel a window took, by how much another branch
    multiplied: the values above do not tell, so they are noted in the forward pass, the *points*.

    Args:
        layer: a Keras layer or operation without weights.
        shapes: of one example of each of its inputs.
        otherwise: the layer to apply where no points are given. By default what comes is handed
            on, as a mean where the layer repeats an input over an axis.

    Call arguments:
        upstream: what comes from above, of the shape of the layer's output.
        points: the layer's inputs in the forward pass, a list; of None where these are unknown.

    Returns:
        A tensor for each input of the layer, a list; of an only input the tensor itself.
    """

    def __init__(self, layer, shapes, otherwise=None, **kwargs):
        super().__init__(**kwargs)
        self.layer = layer
        self.shapes = [tuple(shape) for shape in shapes]
        self.otherwise = otherwise

    def build(self, *shapes):
        self.built = True  # nothing here has weights

    def call(self, upstream, points):
        if any(point is None for point in points):
            return self._unwrapped(self._apart(upstream))
        with tf.GradientTape() as tape:
            tape.watch(points)
            outputs = self._forward(points)
        return self._unwrapped(
            tape.gradient(outputs, points, output_gradients=upstream, unconnected_gradients="zero")
        )

    def _forward(self, points):
        if isinstance(self.layer, keras.Layer):
            return self.layer(self._unwrapped(points))
        return self.layer(*points)

    def _apart(self, upstream):
        if self.otherwise is not None:
            return [self.otherwise(upstream)]
        above = upstream.shape[1:]
        shared = []
        for shape in self.shapes:
            full = (1,) * (len(above) - len(shape)) + shape
            axes = [i + 1 for i, (a, b) in enumerate(zip(full, above, strict=True)) if a != b]
            mean = ops.mean(upstream, axis=axes, keepdims=True) if axes else upstream
            shared.append(ops.reshape(mean, (-1, *shape)))
        return shared

    @staticmethod
    def _unwrapped(values):
        return values[0] if len(values) == 1 else list(values)

    def compute_output_spec(self, upstream, points):
        batch = upstream.shape[0]
        return self._unwrapped(
            [keras.KerasTensor((batch, *shape), dtype=upstream.dtype) for shape in self.shapes]
        )

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "layer": serialize(self.layer),
            "shapes": self.shapes,
            "otherwise": serialize(self.otherwise),
        }

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))


@keras.saving.register_keras_serializable("dtp_tf")
class TransposedLayer(keras.layers.Layer):
    """The transposed map of a layer that is linear but for its bias, with weights of its own.

    Args:
        layer: such a layer, not built, without bias and activation: a convolution of any kind, a
            dense layer.
        below: the shape of one example of its input, which this layer gives.

    Input shape:
        That of the layer's output.

    Output shape:
        `(batch, *below)`
    """

    def __init__(self, layer, below, **kwargs):
        super().__init__(**kwargs)
        self.layer = layer
        self.below = tuple(below)

    def build(self, input_shape):
        if self.built:
            return
        if not self.layer.built:
            self.layer.build((None, *self.below))
        self.bias = self.add_weight(name="bias", shape=(self.below[-1],), initializer="zeros")
        self.built = True

    def call(self, inputs):
        return self.linear(inputs) + tf.convert_to_tensor(self.bias)

    def linear(self, inputs):
        """Return the output without the bias."""
        inputs = tf.convert_to_tensor(inputs)
        # The map is linear: its Jacobian is the same everywhere. In a graph nothing of the forward
        # pass at 0 is computed.
        zeros = tf.zeros((tf.shape(inputs)[0], *self.below), inputs.dtype)
        with tf.GradientTape() as tape:
            tape.watch(zeros)
            outputs = self.layer(zeros)
        below = tape.gradient(outputs, zeros, output_gradients=inputs)
        return tf.ensure_shape(below, (inputs.shape[0], *self.below))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.below)

    def compute_output_spec(self, inputs):
        return keras.KerasTensor((inputs.shape[0], *self.below), dtype=self.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "layer": keras.saving.serialize_keras_object(self.layer),
            "below": self.below,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))
