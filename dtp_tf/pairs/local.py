"""`LocallyConnected2DPair`: kernels that differ from place to place, and the transposed map."""

import functools

import keras
import tensorflow as tf
from keras import ops

from dtp_tf.arguments import check_whole
from dtp_tf.errors import SettingError
from dtp_tf.numerics.precision import exact
from dtp_tf.pairs.activated import ActivatedPair
from dtp_tf.pairs.images import convolved, pads
from dtp_tf.pairs.pooling import Window
from dtp_tf.recipes.layers_in_words import MOST_LOCAL_PIXELS


@keras.saving.register_keras_serializable("dtp_tf")
class LocallyConnected2DPair(ActivatedPair):
    """A locally connected layer f, and a locally connected way back g.

        f(h)[i, j] = s( sum over the window at (i, j) of h W[i, j] + b[i, j] )
        g(t) = r( t *^T V + c )     or, with `inverse_first`,     g(t) = r(t) *^T V + c

    It sees what a convolution sees, but every place (i, j) has a kernel W[i, j] and biases of its
    own. t *^T V is the transposed map: every place spreads its values over its window by its own
    kernel V[i, j], and where windows overlap, what they say adds up. So g connects what f connects,
    with weights of its own, and gives images of the very size that f got.

    Args:
        filters: channels of f's output, at least 1.
        kernel_size: side of the square windows, 1 to 11 pixels.
        strides: pixels from window to window.
        padding: "same" (zeros beyond the image) or "valid".
        activation: s, the nonlinearity of f: a name or function that Keras knows.
        inverse_activation: r, the nonlinearity of g; the same as `activation` by default.
        kernel_initializer: of each place's W, as a convolution's kernel
            `(kernel_size, kernel_size, channels, filters)`, drawn for every place by itself.
        inverse_kernel_initializer: of V, likewise.
        inverse: whether there is a g at all.
        inverse_first: whether r comes before the weights of g.
        **kwargs: see `LayerPair`; for `dtype` see `DensePair`.

    Call arguments:
        inputs: activations of the layer below, or with `reverse=True` of this layer.
        reverse: whether to apply g instead of f.
        aux: not needed by this pair.

    Input shape:
        `(batch, height, width, channels)`; `(batch, height above, width above, filters)` with
        `reverse=True`.

    Output shape:
        `(batch, height above, width above, filters)`; that of f's input with `reverse=True`.

    Raises:
        SettingError: a value out of its range, an input that is no image of known size, or images
            smaller than the windows.
        ValueError: `reverse=True` without an inverse.

    Example:

    >>> import keras, dtp_tf
    >>> pair = dtp_tf.LocallyConnected2DPair(4, 3, strides=2)
    >>> h = pair(keras.ops.ones((2, 9, 9, 3)))
    >>> tuple(h.shape), tuple(pair(h, reverse=True).shape)
    ((2, 5, 5, 4), (2, 9, 9, 3))

    References:
        Bartunov, Santoro, Richards, Marris, Hinton, Lillicrap, "Assessing the Scalability of
        Biologically-Motivated Deep Learning Algorithms and Architectures", 2018, arXiv 1807.04587.
    """

    transposable = True

    def __init__(
        self,
        filters,
        kernel_size=3,
        strides=1,
        padding="same",
        activation="tanh",
        inverse_activation=None,
        kernel_initializer="orthogonal",
        inverse_kernel_initializer="orthogonal",
        inverse=True,
        inverse_first=False,
        **kwargs,
    ):
        super().__init__(
            activation, inverse_activation, kernel_initializer, inverse_kernel_initializer,
            inverse, inverse_first, **kwargs,
        )  # fmt: skip
        for name, value in (
            ("filters", filters),
            ("kernel_size", kernel_size),
            ("strides", strides),
        ):
            check_whole(name, value)
        if kernel_size > MOST_LOCAL_PIXELS:
            raise SettingError(
                f"`kernel_size` must be at most {MOST_LOCAL_PIXELS}, got {kernel_size}."
            )
        if padding not in ("same", "valid"):
            raise SettingError(f'`padding` must be "same" or "valid", got {padding!r}.')
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding

    def build(self, input_shape):
        if self.built:
            return
        self.below = tuple(input_shape)[1:]
        self.above = self.compute_output_shape(input_shape)[1:]
        self._window = self._make_window()
        height, width, _ = self.above
        numbers = self.kernel_size**2 * self.below[-1]  # in a window
        self.forward_layer = keras.layers.EinsumDense(
            "bhwp,hwpf->bhwf",
            output_shape=self.above,
            bias_axes="hwf",
            kernel_initializer=EachPlace(self.kernel_initializer, self._kernel_shape()),
            name=f"{self.name}_forward",
            dtype=self.dtype_policy,
        )
        self.forward_layer.build((None, height, width, numbers))
        # What a classifier of stock layers names must be Keras's own.
        self.forward_layer.kernel_initializer = keras.initializers.Zeros()
        if self.inverse:
            self.inverse_layer = self.transposed_layer(
                f"{self.name}_inverse", dtype=exact(self.dtype_policy)
            )
        self.built = True

    def _make_window(self):
        image = self.below[:2]
        around = pads(self.padding, image, self.kernel_size, self.strides)
        return Window(self.kernel_size, self.strides, around, image)

    def _kernel_shape(self):
        return (self.kernel_size, self.kernel_size, self.below[-1], self.filters)

    def compute_output_shape(self, input_shape):
        sides = convolved(self.name, input_shape, self.kernel_size, self.strides, self.padding)
        return (input_shape[0], *sides, self.filters)

    def call(self, inputs, reverse=False, aux=None):
        if not reverse:
            return self.activate(self.pre_activation(inputs))
        self._refuse_without_inverse()
        if self.inverse_first:
            return self.inverse_layer(self.inverse_activation(inputs))
        return self.inverse_activation(self.inverse_layer(inputs))

    def pre_activation(self, inputs):
        """Return what every place makes of its window, with its biases, before s."""
        patches = self._window.patches(inputs)
        return ops.cast(self.forward_layer(patches), self.variable_dtype)

    def activate(self, pre_activation):
        return self.activation(pre_activation)

    def inverse_inputs(self, base, points, aux=None):
        at_base = self.inverse_activation(base)
        return [self.inverse_activation(point) - at_base for point in points]

    def inverse_product(self, inputs):
        return self.inverse_layer.linear(inputs)

    def squared_weights(self):
        kernel = tf.convert_to_tensor(self.inverse_layer.kernel)
        pixels = tf.ones((1, *self.below), kernel.dtype)
        patches = self._window.patches(pixels)
        return tf.einsum("bhwp,hwpf->bhwf", patches, kernel**2)

    def transposed_layer(self, name, **settings):
        layer = TransposedLocal(
            self._window, EachPlace(self.inverse_kernel_initializer, self._kernel_shape()),
            name=name, **settings,
        )  # fmt: skip
        layer.build((None, *self.above))
        return layer

    def stock_layers(self):
        steps = []
        if any(map(any, self._window.pads)):
            steps.append(keras.layers.ZeroPadding2D(self._window.pads, name=f"{self.name}_padding"))
        steps += [*self._stock_patches(), self.forward_layer]
        if self.activation is not keras.activations.linear:
            name = f"{self.name}_activation"
            steps.append(keras.layers.Activation(self.activation, name=name))
        return steps

    def _stock_patches(self):
        """`Window.patches` of images with their pads, of Keras's own layers and operations."""
        (height, width, channels), ends = self.below, self._window.pads
        height, width = height + sum(ends[0]), width + sum(ends[1])
        numbers = self.kernel_size**2 * channels
        return [
            keras.layers.Reshape((height * width, channels), name=f"{self.name}_pixels"),
            functools.partial(ops.take, indices=self._window.pixels(width), axis=1),
            keras.layers.Reshape((*self.above[:2], numbers), name=f"{self.name}_windows"),
        ]

    @property
    def kind(self):
        kernel = f"{self.kernel_size}x{self.kernel_size}"
        return f"local {kernel}" + (f"/{self.strides}" if self.strides > 1 else "")

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
        }


class TransposedLocal(keras.layers.Layer):
    """The transposed map of a locally connected layer, with weights and biases of its own.

    It belongs to a built pair, which makes it again from its own configuration.

    Args:
        window: a `dtp_tf.pairs.pooling.Window`: which place is connected to which pixels.
        kernel_initializer: an `EachPlace`.
        use_bias: whether every pixel and channel has a bias.

    Input shape:
        `(batch, height above, width above, channels above)`

    Output shape:
        `(batch, height, width, channels)`
    """

    def __init__(self, window, kernel_initializer, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self._window = window
        self._kernel_initializer = kernel_initializer
        self.use_bias = use_bias

    def build(self, input_shape):
        if self.built:
            return
        size, _, channels, _ = self._kernel_initializer.shape
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self._window.pooled, size**2 * channels, input_shape[-1]),
            initializer=self._kernel_initializer,
        )
        if self.use_bias:
            shape = (*self._window.image, channels)
            self.bias = self.add_weight(name="bias", shape=shape, initializer="zeros")
        self.built = True

    def call(self, inputs):
        outputs = self.linear(inputs)
        return outputs + tf.convert_to_tensor(self.bias) if self.use_bias else outputs

    def linear(self, inputs):
        """Return the output without the biases."""
        kernel = tf.cast(tf.convert_to_tensor(self.kernel), inputs.dtype)
        patches = tf.einsum("bhwf,hwpf->bhwp", inputs, kernel)
        return self._window.spread(patches)


class EachPlace:
    """An initializer of kernels `(height, width, numbers in a window, filters)`, place by place.

    Args:
        initializer: a Keras initializer of one place's kernel.
        shape: of that kernel, as a convolution's: `(size, size, channels, filters)`.
    """

    def __init__(self, initializer, shape):
        self.initializer, self.shape = initializer, shape

    def __call__(self, shape, dtype=None):
        height, width, numbers, filters = shape
        draw = self._fresh()
        kernels = [draw(self.shape, dtype=dtype) for _ in range(height * width)]
        kernels = [ops.reshape(one, (numbers, filters)) for one in kernels]
        return ops.reshape(ops.stack(kernels), shape)

    def _fresh(self):
        """The initializer, with other numbers at each call: those of Keras repeat themselves."""
        seed = getattr(self.initializer, "seed", None)
        if not isinstance(seed, int):
            return self.initializer
        config = {**self.initializer.get_config(), "seed": keras.random.SeedGenerator(seed)}
        return type(self.initializer).from_config(config)
