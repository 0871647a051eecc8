"""What every layer pair answers to `DTPNetwork` and to the learning rules."""

import math
import numbers

import keras
import tensorflow as tf
from keras import ops

from dtp_tf.errors import SettingError
from dtp_tf.numerics.activations import is_element_wise, slopes


class LayerPair(keras.layers.Layer):
    """A layer f and its inverse g: `pair(h)` and `pair(h, reverse=True, aux=aux)`.

    An inverse may need something of the forward pass that the activations do not tell, such as
    which pixel of a window was the largest: its *auxiliary*, None for pairs that need none. A batch
    keeps it beside the activations that it belongs to (`Batch.aux`) and hands it to every use of
    the inverse, so that g(h) and g(t) are the same function, and no pair has a state of its own.

    A pair of one's own extends this class: it sets `forward_layer`, `inverse` and, in `build`,
    `below`, `above` and, with an inverse, `inverse_layer`; and defines `call`, `stock_layers` and
    either `pre_activation` and `activate`, or `record`.

    Args:
        dropout: the share of activations that a network sets to 0 in training, 0 <= `dropout` < 1;
            the others are divided by 1 - `dropout`. In a step f has one choice of them for all that
            a rule asks of it: see `dtp_tf.network.batch.Batch`. A pair by itself drops nothing.
        **kwargs: `name` and the other arguments of `keras.layers.Layer`.

    Raises:
        SettingError: a share out of its range.

    Attributes:
        below, above: the shapes of one example below and above the pair, once it is built.
        forward_layer, inverse_layer: the Keras layers that hold the weights of f and g.
        inverse: whether there is a g at all; a network leaves out those that its rule never uses.
        inverse_first: whether the activation of g comes before its weights.
        inverse_activation, inverse_kernel_initializer: of g, which the output layer's inverse and
            other feedback weights take over.
        transmission: what gets through to f and g; see `DensePair`.
        randomness: in a network, gives the seed of all that f draws in a training step, uint32
            `(2,)`; None for a pair by itself.
        is_block: whether f is a block of several layers with weights.
        transposable: whether `transposed_layer` can tell the form of f's backward pass.
    """

    transmission = "continuous"
    inverse_first = False
    inverse_activation = staticmethod(keras.activations.linear)
    inverse_kernel_initializer = "orthogonal"
    is_block = False
    transposable = False
    randomness = None

    def __init__(self, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        number = isinstance(dropout, numbers.Real) and not isinstance(dropout, bool)
        if not (number and 0 <= dropout < 1):
            raise SettingError(f"`dropout` must be at least 0 and below 1, got {dropout!r}.")
        self.dropout = dropout

    def call(self, inputs, reverse=False, aux=None):
        """Return f(inputs), or with `reverse` g(inputs)."""
        raise NotImplementedError

    def pre_activation(self, inputs):
        """Return what goes into the nonlinearity of f."""
        raise NotImplementedError

    def activate(self, pre_activation):
        """Return f where its nonlinearity gets this."""
        raise NotImplementedError

    def record(self, inputs, update=True):
        """Return `(pre_activation, f(inputs), auxiliary)` as a training step sees them.

        Args:
            inputs: the activations below.
            update: whether running statistics in f take in this batch.
        """
        pre_activation = self.pre_activation(inputs)
        return pre_activation, self.activate(pre_activation), None

    def tell(self, inputs):
        """Return `(f(inputs), auxiliary)` outside of training."""
        return self(inputs), None

    def perturbed(self, inputs):
        """Return f at other activations, as a training step sees it; nothing else changes."""
        return self(inputs)

    def invert(self, points, aux=None):
        """Return [g(t) for t of `points`], all of one shape: one large product is faster."""
        return ops.split(self(ops.concatenate(points, axis=0), reverse=True), len(points), axis=0)

    def reconstruction(self, above, aux=None):
        """Return g(above) as the loss sees it that g learns from, where a pair with mixed numbers
        may round what goes into its product: see `dtp_tf.numerics.precision`."""
        return self(above, reverse=True, aux=aux)

    def difference(self, base, point, aux=None):
        """Return g(point) - g(base), as a target's correction."""
        return self.inverse_differences(base, [point], aux)[0]

    def difference_along(self, base, point, coefficients, directions, aux=None):
        """Return g(point) - g(base), where point - base = coefficients @ directions is known.

        A pair whose g starts with its weights need not apply them to both points.

        Args:
            base, point: activations of this layer.
            coefficients: `(batch, n)`.
            directions: `(n, units)`, few.
            aux: see above.
        """
        return self.difference(base, point, aux)

    def inverse_differences(self, base, points, aux=None):
        """Return g(t) - g(base) for each t of `points`, all of one shape.

        Where the activation of g comes first, c cancels before the weights are applied, so that
        there is one product less, and small differences are not lost in the rounding of large sums.
        """
        if self.linear_inverse:
            moved = ops.concatenate(self.inverse_inputs(base, points, aux), axis=0)
            return ops.split(self.inverse_product(moved), len(points), axis=0)
        at_base, *at_points = self.invert([base, *points], aux)
        return [at_point - at_base for at_point in at_points]

    @property
    def linear_inverse(self):
        """Whether `inverse_differences` are products of `inverse_inputs` with the weights of g."""
        return False

    @property
    def inverse_is_product(self):
        """Whether the inverse is linear, and no class that extends the pair says otherwise."""
        return self.linear_inverse and defined_last(self, "linear_inverse", "inverse_differences")

    def inverse_inputs(self, base, points, aux=None):
        """Return r(t) - r(base), unpooled, for each t of `points`; for a linear inverse."""
        raise NotImplementedError

    def inverse_product(self, inputs):
        """Return the product of `inverse_inputs` with the weights of g, without c."""
        raise NotImplementedError

    def inverse_gradients(self, inputs, outputs):
        """Return the gradients of the sum of < output, inverse_product(input) > over both lists by
        `inverse_variables`; None for c."""
        with tf.GradientTape() as tape:
            products = [self.inverse_product(one) for one in inputs]  # only eager calls compute it
        return tape.gradient(products, self.inverse_variables, output_gradients=outputs)

    def slope_obstacle(self):
        """Return why `transposed_differential` and `input_differential` are not those of g, in
        words that go on after "layer 2", or None where they are."""
        if not self.inverse_is_product:
            return "has an inverse that is no product of r(h) with its weights"
        if not is_element_wise(self.inverse_activation):
            return "has an inverse whose activation is not element-wise"
        return None

    def transposed_differential(self, base, below, aux=None):
        """Return J_g(base)^T below, in the shape of `base`; for a linear inverse."""
        inputs = tf.zeros_like(base)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            product = self.inverse_product(self._unpooled(inputs, aux))  # only eager calls do it
        back = tape.gradient(product, inputs, output_gradients=below)
        return slopes(self.inverse_activation, base) * back

    def input_differential(self, base, moved, aux=None):
        """Return r'(base) moved, unpooled: what `inverse_inputs` are for small moves; for a linear
        inverse."""
        return self._unpooled(slopes(self.inverse_activation, base) * moved, aux)

    def norm_obstacle(self):
        """Return why || J_g ||_F^2 is not < `squared_slopes`, `squared_weights` >, in words that go
        on after "layer 2", or None where it is."""
        return self.slope_obstacle()

    def squared_slopes(self, base, aux=None):
        """Return r'(base)^2, unpooled, as `inverse_inputs` are; for a linear inverse."""
        return self._unpooled(slopes(self.inverse_activation, base) ** 2, aux)

    def squared_weights(self):
        """Return what `inverse_inputs` of 1 in one place each are multiplied with, squared and
        summed over all outputs: `(1, ..)`, a place for each; for a linear inverse."""
        raise NotImplementedError

    def norm_gradients(self, factors):
        """Return the gradients of < factors, `squared_weights` > by `inverse_variables`, None for
        c; `factors` of one example, `(1, ..)`."""
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(factors * self.squared_weights())
        return tape.gradient(total, self.inverse_variables)

    def transposed_layer(self, name, **settings):
        """Return a built, linear Keras layer of the shape of f's backward pass: from gradients of
        `pre_activation(h)` to gradients of h."""
        raise NotImplementedError

    def stock_layers(self):
        """Return f as stock Keras layers and operations that share its weights and do not need
        `dtp_tf`."""
        raise NotImplementedError

    @property
    def kind(self):
        """What f is, for tables; empty for a matrix product."""
        return ""

    @property
    def units(self):
        """Numbers in one example's activations of this pair."""
        return math.prod(self.above)

    @property
    def forward_variables(self):
        """The trainable variables of f."""
        return self.forward_layer.trainable_variables

    @property
    def inverse_variables(self):
        """The trainable variables of g; empty without an inverse."""
        return self.inverse_layer.trainable_variables if self.inverse else []

    def get_config(self):
        return {**super().get_config(), "dropout": self.dropout}

    def _unpooled(self, values, aux):
        """Return what g makes of numbers at f's outputs before it weighs them: they themselves."""
        return values

    def _refuse_without_inverse(self):
        if not self.inverse:
            raise ValueError(f"the pair {self.name!r} has no inverse (`inverse=False`).")


def defined_last(instance, name, other):
    """Whether the class of an object, or the nearest of its bases that defines one of two names,
    defines the first: what it says of the other still holds for classes that extend it."""
    return next(name in vars(one) for one in type(instance).__mro__ if {name, other} & {*vars(one)})
