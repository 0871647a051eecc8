"""What the pairs of weights and a nonlinearity have in common: f ends with s, and g has r."""

import keras

from dtp_tf.numerics.precision import is_mixed
from dtp_tf.pairs.base import LayerPair


class ActivatedPair(LayerPair):
    """A pair whose f has weights and then a nonlinearity s, and whose g has r after its own weights
    or, with `inverse_first`, before them.

    A class that extends it sets what `LayerPair` says and, for `inverse_first`, defines
    `inverse_inputs` and `inverse_product`.

    Args:
        activation: s: a name or function that Keras knows.
        inverse_activation: r; the same as `activation` by default.
        kernel_initializer: of the weights of f; by default orthogonal, all singular values 1.
        inverse_kernel_initializer: of those of g.
        inverse: whether there is a g at all.
        inverse_first: whether r comes before the weights of g.
        **kwargs: see `LayerPair`; for `dtype` see `DensePair`.
    """

    def __init__(
        self,
        activation="tanh",
        inverse_activation=None,
        kernel_initializer="orthogonal",
        inverse_kernel_initializer="orthogonal",
        inverse=True,
        inverse_first=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if is_mixed(self.dtype_policy):
            self.autocast = False  # targets come in here: only f may round what it gets
        self.activation = keras.activations.get(activation)
        self.inverse_activation = (
            self.activation
            if inverse_activation is None
            else keras.activations.get(inverse_activation)
        )
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.inverse_kernel_initializer = keras.initializers.get(inverse_kernel_initializer)
        self.inverse = inverse
        self.inverse_first = inverse_first

    @property
    def linear_inverse(self):
        return self.inverse and self.inverse_first

    def compute_output_spec(self, inputs, reverse=False, aux=None):
        shape = self.below if reverse else self.above
        return keras.KerasTensor((inputs.shape[0], *shape), dtype=self.variable_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
            "inverse_activation": keras.activations.serialize(self.inverse_activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "inverse_kernel_initializer": keras.initializers.serialize(
                self.inverse_kernel_initializer
            ),
            "inverse": self.inverse,
            "inverse_first": self.inverse_first,
        }
