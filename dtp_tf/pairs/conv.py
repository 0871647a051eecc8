"""`Conv2DPair`: a convolution with pooling, and a transposed convolution after unpooling."""

import keras
import tensorflow as tf
from keras import ops

from dtp_tf.arguments import check_whole
from dtp_tf.errors import SettingError
from dtp_tf.numerics.precision import exact, is_mixed
from dtp_tf.pairs.activated import ActivatedPair
from dtp_tf.pairs.images import convolved, size_text
from dtp_tf.pairs.pooling import (
    Window,
    average_pool,
    average_unpool,
    max_pool,
    max_pool_with_choice,
    unpool,
)
from dtp_tf.pairs.transposed import TransposedConvolution, tf_padding

POOLS = ("max", "average")


@keras.saving.register_keras_serializable("dtp_tf")
class Conv2DPair(ActivatedPair):
    """A convolution f, which may pool or have a stride, and a transposed convolution g.

        f(h) = pool( s(h * W + b) )
        g(t) = r( unpool(t) *^T V + c )   or, with `inverse_first`,   g(t) = unpool(r(t)) *^T V + c

    *^T is the transposed convolution, with weights V of its own, and gives images of the very size
    that f got. Unpooling is the transposed pooling: with `pool="max"` every value goes to the pixel
    that its window took when f was computed, all else is 0, and where overlapping windows took the
    same pixel, their values add up. With `inverse_first`, r comes even before unpooling; where
    windows do not overlap and r(0) = 0, that is the same as in between, and where they do, it is
    what lets g have f's Jacobian transposed.

    Args:
        filters: channels of f's output, at least 1.
        kernel_size: side of the square kernel.
        strides: of the convolution, in pixels.
        padding: "same", "valid", or a number of pixels on every side, as in PyTorch.
        activation: s, the nonlinearity of f: a name or function that Keras knows.
        pool: None, "max" or "average".
        pool_size: side of the square windows.
        pool_strides: pixels from window to window; `pool_size` by default.
        pool_padding: pixels on every side, as in PyTorch: never the largest with "max", and zeros
            with "average". Less than `pool_size`.
        inverse_activation: r, the nonlinearity of g; the same as `activation` by default.
        kernel_initializer: of W.
        inverse_kernel_initializer: of V.
        inverse: whether there is a g at all.
        inverse_first: whether r comes before the weights of g.
        **kwargs: see `LayerPair`; for `dtype` see `DensePair`.

    Call arguments:
        inputs: activations of the layer below, or with `reverse=True` of this layer.
        reverse: whether to apply g instead of f.
        aux: with `reverse=True` and `pool="max"`: which pixel each window took, the last of what
            `record` returns, for inputs of the same batch.

    Input shape:
        `(batch, height, width, channels)`; `(batch, height above, width above, filters)` with
        `reverse=True`.

    Output shape:
        `(batch, height above, width above, filters)`; that of f's input with `reverse=True`.

    Raises:
        SettingError: a value out of its range, an input that is no image of known size, or images
            smaller than the kernel or the windows.
        ValueError: `reverse=True` without an inverse, or without `aux` where it is needed.

    Example:

    >>> import keras, dtp_tf
    >>> pair = dtp_tf.Conv2DPair(4, 5, pool="max", pool_size=3, pool_strides=2, pool_padding=1)
    >>> _, h, aux = pair.record(keras.ops.ones((2, 9, 9, 3)))
    >>> tuple(h.shape), tuple(pair(h, reverse=True, aux=aux).shape)
    ((2, 5, 5, 4), (2, 9, 9, 3))

    References:
        Ernoult et al., "Towards Scaling Difference Target Propagation by Learning Backprop
        Targets", 2022, arXiv 2201.13415.
    """

    transposable = True

    def __init__(
        self,
        filters,
        kernel_size=3,
        strides=1,
        padding="same",
        activation="tanh",
        pool=None,
        pool_size=2,
        pool_strides=None,
        pool_padding=0,
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
            ("pool_size", pool_size),
            ("pool_strides", pool_size if pool_strides is None else pool_strides),
        ):
            check_whole(name, value)
        if padding not in ("same", "valid"):
            check_whole("padding", padding, 0, others='"same", "valid" or ')
        if pool is not None and pool not in POOLS:
            raise SettingError(f"`pool` must be None, {' or '.join(POOLS)}; got {pool!r}.")
        check_whole("pool_padding", pool_padding, 0)
        if pool_padding >= pool_size:
            raise SettingError(
                f"`pool_padding` must be less than `pool_size` {pool_size}, for a window needs a "
                f"pixel of the image; got {pool_padding}."
            )
        if pool_size > 11:
            raise SettingError(f"`pool_size` must be at most 11, got {pool_size}.")
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.pool = pool
        self.pool_size = pool_size
        self.pool_strides = pool_size if pool_strides is None else pool_strides
        self.pool_padding = pool_padding
        self.forward_layer = keras.layers.Conv2D(
            filters,
            kernel_size,
            strides,
            padding if isinstance(padding, str) else "valid",
            data_format="channels_last",
            kernel_initializer=self.kernel_initializer,
            name=f"{self.name}_forward",
            dtype=self.dtype_policy,
        )

    # -- shapes -----------------------------------------------------------------------------------

    def build(self, input_shape):
        if self.built:
            return
        self.below = tuple(input_shape)[1:]
        convolved = self._convolved(input_shape)
        if self.pool is not None:
            pads = ((self.pool_padding,) * 2,) * 2
            self._window = Window(self.pool_size, self.pool_strides, pads, convolved)
        self.above = self.compute_output_shape(input_shape)[1:]
        height, width, channels = self.below
        around = 0 if isinstance(self.padding, str) else 2 * self.padding
        self.forward_layer.build((None, height + around, width + around, channels))
        if self.inverse:
            self.inverse_layer = self._transposed(
                f"{self.name}_inverse", dtype=exact(self.dtype_policy)
            )
        self.built = True

    def compute_output_shape(self, input_shape):
        convolved = self._convolved(input_shape)
        if self.pool is not None:
            convolved = tuple(
                (length + 2 * self.pool_padding - self.pool_size) // self.pool_strides + 1
                for length in convolved
            )
            if min(convolved) < 1:
                raise SettingError(
                    f"the pair {self.name!r} pools windows of {self.pool_size}x{self.pool_size} "
                    f"pixels, more than are left of images of {size_text(input_shape[1:])}; "
                    "pool less."
                )
        return (input_shape[0], *convolved, self.filters)

    def _convolved(self, input_shape):
        """Height and width after the convolution."""
        return convolved(self.name, input_shape, self.kernel_size, self.strides, self.padding)

    # -- forward ----------------------------------------------------------------------------------

    def call(self, inputs, reverse=False, aux=None):
        if reverse:
            return self.invert([inputs], aux)[0]
        return self.activate(self.pre_activation(inputs))

    def pre_activation(self, inputs):
        """Return h * W + b: `(batch, height, width, filters)`, before pooling."""
        if not isinstance(self.padding, str) and self.padding:
            around = (self.padding, self.padding)
            inputs = ops.pad(inputs, ((0, 0), around, around, (0, 0)))
        return ops.cast(self.forward_layer(inputs), self.variable_dtype)

    def activate(self, pre_activation):
        """Return pool(s(a))."""
        activations = self.activation(pre_activation)
        if self.pool == "max":
            return max_pool(activations, self._window)
        return activations if self.pool is None else average_pool(activations, self._window)

    def record(self, inputs, update=True):
        pre_activation = self.pre_activation(inputs)
        if self.pool != "max":
            return pre_activation, self.activate(pre_activation), None
        activations = self.activation(pre_activation)
        return pre_activation, *max_pool_with_choice(activations, self._window)

    def tell(self, inputs):
        return self.record(inputs)[1:]

    # -- inverse ----------------------------------------------------------------------------------

    def invert(self, points, aux=None):
        self._refuse_without_inverse()
        if self.inverse_first:
            points = [self.inverse_activation(point) for point in points]
        unpooled = [self._unpooled(point, aux) for point in points]
        images = self.inverse_layer(tf.concat(unpooled, axis=0))
        if not self.inverse_first:
            images = self.inverse_activation(images)
        return tf.split(images, len(points), axis=0)

    def reconstruction(self, above, aux=None):
        if not (self.linear_inverse and is_mixed(self.dtype_policy)):
            return super().reconstruction(above, aux)
        unpooled = self._unpooled(self.inverse_activation(above), aux)
        return self.inverse_product(unpooled) + tf.convert_to_tensor(self.inverse_layer.bias)

    def inverse_inputs(self, base, points, aux=None):
        at_base = self.inverse_activation(base)
        return [self._unpooled(self.inverse_activation(point) - at_base, aux) for point in points]

    def inverse_product(self, inputs):
        product = self.inverse_layer.linear(ops.cast(inputs, self.compute_dtype))
        return ops.cast(product, self.variable_dtype)

    def norm_obstacle(self):
        if self.pool == "average":
            return "pools averages, so that a number meets several weights of the same output"
        return super().norm_obstacle()

    def squared_weights(self):
        kernel = tf.convert_to_tensor(self.inverse_layer.kernel)
        pixels = tf.ones((1, *self.below), kernel.dtype)
        return tf.nn.conv2d(pixels, kernel**2, self.strides, tf_padding(self.padding))

    def transposed_layer(self, name, **settings):
        return self._transposed(name, **settings)

    def _transposed(self, name, **settings):
        layer = TransposedConvolution(
            self.below,
            self.kernel_size,
            self.strides,
            self.padding,
            kernel_initializer=self.inverse_kernel_initializer,
            name=name,
            **settings,
        )
        layer.build((None, None, None, self.filters))
        return layer

    def _unpooled(self, values, aux):
        if self.pool is None:
            return tf.convert_to_tensor(values)
        if self.pool == "average":
            return average_unpool(values, self._window)
        if aux is None:
            raise ValueError(
                f"the inverse of the pair {self.name!r} needs to know which pixels its pooling "
                "took: give `aux`, which `record` returns and `Batch.aux` holds."
            )
        return unpool(values, aux, self._window)

    # -- views ------------------------------------------------------------------------------------

    @property
    def kind(self):
        kernel = f"{self.kernel_size}x{self.kernel_size}"
        text = f"conv {kernel}" + (f"/{self.strides}" if self.strides > 1 else "")
        if self.pool is not None:
            text += f" {self.pool} {self.pool_size}x{self.pool_size}/{self.pool_strides}"
        return text

    def stock_layers(self):
        steps = []
        if not isinstance(self.padding, str) and self.padding:
            name = f"{self.name}_padding"
            steps.append(keras.layers.ZeroPadding2D(self.padding, name=name))
        steps.append(self.forward_layer)
        if self.activation is not keras.activations.linear:
            name = f"{self.name}_activation"
            steps.append(keras.layers.Activation(self.activation, name=name))
        if self.pool is None:
            return steps
        if self.pool == "max" and self.pool_padding:
            steps.append(self._with_lowest_border)
        elif self.pool_padding:
            name = f"{self.name}_pool_padding"
            steps.append(keras.layers.ZeroPadding2D(self.pool_padding, name=name))
        kinds = {"max": keras.layers.MaxPooling2D, "average": keras.layers.AveragePooling2D}
        steps.append(
            kinds[self.pool](
                self.pool_size,
                self.pool_strides,
                data_format="channels_last",
                name=f"{self.name}_pool",
            )
        )
        return steps

    def _with_lowest_border(self, images):
        """Pads that are never the largest of a window; zeros might be."""
        around = (self.pool_padding, self.pool_padding)
        lowest = tf.float32.min
        return ops.pad(images, ((0, 0), around, around, (0, 0)), constant_values=lowest)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "pool": self.pool,
            "pool_size": self.pool_size,
            "pool_strides": self.pool_strides,
            "pool_padding": self.pool_padding,
        }
