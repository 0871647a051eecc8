"""The transposed convolution, back to images of exactly the size that the convolution had."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("dtp_tf")
class TransposedConvolution(keras.layers.Layer):
    """The transposed map of a convolution, with weights and a bias of its own.

    With the convolution's own kernel and no bias it is its transposed Jacobian, whatever the
    stride, the padding and sizes that the stride does not divide.

    Args:
        image: `(height, width, channels)` of what it gives: the convolution's input.
        kernel_size, strides: of the convolution: a number, or two for rows and columns.
        padding: of the convolution: "same", "valid", or the pixels on every side.
        kernel_initializer: of the kernel, which has the shape of the convolution's:
            `(rows, columns, channels, channels above)`.
        use_bias: whether each channel has a bias.

    Input shape:
        `(batch, height above, width above, channels above)`

    Output shape:
        `(batch, height, width, channels)`
    """

    def __init__(
        self,
        image,
        kernel_size,
        strides,
        padding,
        kernel_initializer="orthogonal",
        use_bias=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.image = tuple(image)
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.use_bias = use_bias

    def build(self, input_shape):
        if self.built:
            return
        size = self.kernel_size
        kernel = (size, size) if isinstance(size, int) else tuple(size)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*kernel, self.image[-1], input_shape[-1]),
            initializer=self.kernel_initializer,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.image[-1],), initializer="zeros"
            )
        self.built = True

    def call(self, inputs):
        outputs = self.linear(inputs)
        return outputs + tf.convert_to_tensor(self.bias) if self.use_bias else outputs

    def linear(self, inputs):
        """Return the output without the bias."""
        kernel = tf.cast(tf.convert_to_tensor(self.kernel), inputs.dtype)
        images = tf.nn.conv2d_transpose(
            inputs,
            kernel,
            (tf.shape(inputs)[0], *self.image),
            self.strides,
            tf_padding(self.padding),
        )
        return tf.ensure_shape(images, (inputs.shape[0], *self.image))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.image)

    def compute_output_spec(self, inputs):
        return keras.KerasTensor((inputs.shape[0], *self.image), dtype=self.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "image": self.image,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "use_bias": self.use_bias,
        }


def tf_padding(padding):
    """Return a padding as TensorFlow's convolutions take it."""
    if isinstance(padding, str):
        return padding.upper()
    return [[0, 0], [padding, padding], [padding, padding], [0, 0]]
