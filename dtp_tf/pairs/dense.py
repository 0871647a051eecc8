"""`DensePair`: a matrix product and an inverse of its own."""

import math

import keras
from keras import ops

from dtp_tf.arguments import check_whole
from dtp_tf.numerics.precision import exact, is_mixed
from dtp_tf.pairs.activated import ActivatedPair

TRANSMISSIONS = ("continuous", "sign", "sample")


def sign(h):
    """1 where h is above 0, else -1; it has no gradient."""
    one = ops.ones_like(h)
    return ops.where(ops.greater(h, 0), one, -one)


@keras.saving.register_keras_serializable("dtp_tf")
class DensePair(ActivatedPair):
    """A Dense layer f and a Dense inverse g: `pair(h)` and `pair(h, reverse=True)`.

        f(h) = s(h W + b),   g(t) = r(t V + c)   or, with `inverse_first`,   g(t) = r(t) V + c

    With `transmission="sign"` both take the signs of their inputs only, -1 or 1, as where layers
    can send nothing but spikes: f(h) = s(sign(h) W + b), g(t) = r(sign(t) V + c), sign(0) = -1.

    With `transmission="sample"` a network gives f binary samples of the activations below, which
    are then probabilities; called by itself, the pair gives what f does to their mean, f(h).

    A network leaves out the inverses that its learning rule does not use (in difference target
    propagation that of the first pair, for it would map to pixels).

    Below may be images or feature maps: f flattens them, and g gives their shape back. Flattening
    has an exact inverse and no weights, so it is no pair of its own that would learn nothing.

    Args:
        units: outputs of f, at least 1.
        activation: s, the nonlinearity of f: a name or function that Keras knows.
        inverse_activation: r, the nonlinearity of g; the same as `activation` by default.
        kernel_initializer: of W; by default orthogonal, all singular values 1.
        inverse_kernel_initializer: of V.
        inverse: whether there is a g at all.
        inverse_first: whether r comes before the weights of g, as Ernoult et al. (2022) have it,
            and not after them, as Lee et al. (2015).
        transmission: "continuous", "sign" or "sample": what gets through to f and g.
        settings: other arguments of `keras.layers.Dense` for f, a dict: `use_bias`,
            `bias_initializer`, regularizers, constraints.
        **kwargs: see `LayerPair`. With `dtype` "mixed_bfloat16" the product of f takes bfloat16
            numbers, and nearly all else is float32: see `dtp_tf.numerics.precision`.

    Call arguments:
        inputs: activations of the layer below, or with `reverse=True` of this layer.
        reverse: whether to apply g instead of f.
        aux: not needed by this pair.

    Input shape:
        `(batch, inputs)` or `(batch, height, width, channels)`; `(batch, units)` with
        `reverse=True`.

    Output shape:
        `(batch, units)`; that of the input with `reverse=True`.

    Raises:
        ValueError: `units` below 1, an unknown `transmission`, an input of unknown or no size, or
            `reverse=True` on a pair without an inverse.

    Example:

    >>> import keras, dtp_tf
    >>> pair = dtp_tf.DensePair(3)
    >>> h = pair(keras.ops.ones((2, 5)))
    >>> tuple(h.shape), tuple(pair(h, reverse=True).shape)
    ((2, 3), (2, 5))

    References:
        Lee, Zhang, Fischer, Bengio, "Difference Target Propagation", 2015, arXiv 1412.7525.
        Ernoult et al., "Towards Scaling Difference Target Propagation by Learning Backprop
        Targets", 2022, arXiv 2201.13415.
    """

    transposable = True

    def __init__(
        self,
        units,
        activation="tanh",
        inverse_activation=None,
        kernel_initializer="orthogonal",
        inverse_kernel_initializer="orthogonal",
        inverse=True,
        inverse_first=False,
        transmission="continuous",
        settings=None,
        **kwargs,
    ):
        super().__init__(
            activation, inverse_activation, kernel_initializer, inverse_kernel_initializer,
            inverse, inverse_first, **kwargs,
        )  # fmt: skip
        if transmission not in TRANSMISSIONS:
            raise ValueError(
                f"`transmission` must be one of {', '.join(TRANSMISSIONS)}; got {transmission!r}."
            )
        check_whole("units", units)
        self.above = (units,)
        self.forward_layer = keras.layers.Dense(
            units,
            kernel_initializer=self.kernel_initializer,
            name=f"{self.name}_forward",
            dtype=self.dtype_policy,
            **(settings or {}),
        )
        self.settings = settings
        self.transmission = transmission

    def build(self, input_shape):
        if self.built:
            return
        self.below = tuple(input_shape)[1:]
        if not self.below or None in self.below:
            raise ValueError(
                "`DensePair` takes inputs of shape (batch, features) or (batch, height, width, "
                f"channels), whose sizes are known, got {tuple(input_shape)}."
            )
        inputs = math.prod(self.below)
        self.forward_layer.build((None, inputs))
        if self.inverse:
            self.inverse_layer = keras.layers.Dense(
                inputs,
                kernel_initializer=self.inverse_kernel_initializer,
                name=f"{self.name}_inverse",
                dtype=exact(self.dtype_policy),
            )
            self.inverse_layer.build((None, self.units))
        self.built = True

    def call(self, inputs, reverse=False, aux=None):
        if not reverse:
            return self.activate(self.pre_activation(inputs))
        self._refuse_without_inverse()
        inputs = self._transmitted(inputs)
        if self.inverse_first:
            return self._shaped(self.inverse_layer(self.inverse_activation(inputs)))
        return self._shaped(self.inverse_activation(self.inverse_layer(inputs)))

    def difference_along(self, base, point, coefficients, directions, aux=None):
        """Return g(point) - g(base), where point - base = coefficients @ directions is known.

        point V = base V + coefficients (directions V), whose last product is small where there are
        few directions; and the small difference is not lost in the rounding of large sums.
        """
        if self.inverse_first or self.transmission == "sign":  # g does not start with its weights
            return self.difference(base, point)
        self._refuse_without_inverse()
        at_base = self.inverse_layer(base)
        moved = ops.matmul(coefficients, ops.matmul(directions, self.inverse_layer.kernel))
        at_point = self.inverse_activation(at_base + moved)
        return self._shaped(at_point - self.inverse_activation(at_base))

    def reconstruction(self, above, aux=None):
        if not (self.linear_inverse and is_mixed(self.dtype_policy)):
            return super().reconstruction(above, aux)
        product = self.inverse_product(self.inverse_activation(self._transmitted(above)))
        return product + self._shaped(ops.expand_dims(self.inverse_layer.bias, 0))

    def inverse_inputs(self, base, points, aux=None):
        at_base = self.inverse_activation(self._transmitted(base))
        return [self.inverse_activation(self._transmitted(point)) - at_base for point in points]

    def inverse_product(self, inputs):
        kernel = ops.cast(self.inverse_layer.kernel, self.compute_dtype)
        product = ops.matmul(ops.cast(inputs, self.compute_dtype), kernel)
        return self._shaped(ops.cast(product, self.variable_dtype))

    def inverse_gradients(self, inputs, outputs):
        # One product of more rows is faster, and what it gives is larger than what it takes.
        return super().inverse_gradients(*([ops.concatenate(one)] for one in (inputs, outputs)))

    def slope_obstacle(self):
        if self.transmission == "sign":
            return "gets signs, which have no slopes"
        return super().slope_obstacle()

    def squared_weights(self):
        return ops.sum(ops.square(self.inverse_layer.kernel), axis=1)[None]

    def norm_gradients(self, factors):
        # In one pass over the weights.
        return [2 * ops.transpose(factors) * self.inverse_layer.kernel, None]

    def _shaped(self, flat):
        """The shape of the activations below: nothing to do but below images."""
        return flat if len(self.below) == 1 else ops.reshape(flat, (-1, *self.below))

    def pre_activation(self, inputs):
        """Return h W + b, the part of f before its nonlinearity: `(batch, units)`."""
        if len(self.below) > 1:
            inputs = ops.reshape(inputs, (-1, math.prod(self.below)))
        return ops.cast(self.forward_layer(self._transmitted(inputs)), self.variable_dtype)

    def _transmitted(self, inputs):
        return sign(inputs) if self.transmission == "sign" else inputs

    def activate(self, pre_activation):
        """Return s(a), the nonlinearity of f."""
        return self.activation(pre_activation)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.units)

    def transposed_layer(self, name, **settings):
        layer = keras.layers.Dense(
            math.prod(self.below),
            kernel_initializer=self.inverse_kernel_initializer,
            name=name,
            **settings,
        )
        layer.build((None, self.units))
        return layer

    def stock_layers(self):
        steps = []
        if len(self.below) > 1:
            steps.append(keras.layers.Flatten(name=f"{self.name}_flatten"))
        if self.transmission == "sign":
            steps.append(sign)
        steps.append(self.forward_layer)
        if self.activation is not keras.activations.linear:
            name = f"{self.name}_activation"
            steps.append(keras.layers.Activation(self.activation, name=name))
        return steps

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "transmission": self.transmission,
            "settings": keras.saving.serialize_keras_object(self.settings),
        }
