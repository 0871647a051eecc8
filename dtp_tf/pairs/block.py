"""`BlockPair`: any Keras sub-network as one layer f, with an inverse."""

import keras
import tensorflow as tf

from dtp_tf.errors import SettingError
from dtp_tf.pairs.base import LayerPair
from dtp_tf.pairs.derived import derive_inverse


@keras.saving.register_keras_serializable("dtp_tf")
class BlockPair(LayerPair):
    """A Keras sub-network f and another one, g, as its inverse.

    Whatever f is made of, such as convolution, batch normalisation, activation and pooling, learns
    from the one local loss of the pair, by gradients inside the block only.

    In a training step f is what it is with `training=True`: batch normalisation takes the
    statistics of the batch, and its running ones take them in exactly once a step, however often
    the rule asks for f at other points. Everywhere else the running statistics count, so that
    answers do not depend on what else is in a batch. Replicas have statistics of their own unless
    the layers are `keras.layers.BatchNormalization(synchronized=True)`.

    Args:
        block: f: a Keras model or layer with one input and one output; built or not.
        inverse_block: g: a Keras model or layer from f's outputs to the shape of its inputs. By
            default it is derived, for `keras.Sequential` blocks of common layers; see
            `dtp_tf.pairs.derived`. It must have no running statistics.
        inverse: whether there is a g at all.
        **kwargs: see `LayerPair`.

    Call arguments:
        inputs: activations of the layer below, or with `reverse=True` of this layer.
        reverse: whether to apply g instead of f.
        aux: not needed by this pair.
        training: whether f is to take the batch's statistics.

    Input shape:
        That of f; its output's with `reverse=True`.

    Output shape:
        That of f; its input's with `reverse=True`.

    Raises:
        SettingError: something that is no Keras layer, a block whose inverse cannot be derived, or
            an inverse that does not give the shape of f's inputs or keeps a state.
        ValueError: `reverse=True` without an inverse.

    Example:

    >>> import keras, dtp_tf
    >>> block = keras.Sequential([
    ...     keras.layers.Conv2D(4, 3, padding="same"), keras.layers.BatchNormalization(),
    ...     keras.layers.Activation("elu"), keras.layers.AveragePooling2D(2)])
    >>> pair = dtp_tf.BlockPair(block)
    >>> h = pair(keras.ops.ones((2, 8, 8, 3)))
    >>> tuple(h.shape), tuple(pair(h, reverse=True).shape)
    ((2, 4, 4, 4), (2, 8, 8, 3))
    """

    def __init__(self, block, inverse_block=None, inverse=True, **kwargs):
        super().__init__(**kwargs)
        for name, value in (("block", block), ("inverse_block", inverse_block)):
            if not isinstance(value, keras.Layer) and not (name[0] == "i" and value is None):
                raise SettingError(f"`{name}` must be a Keras layer or model, got {value!r}.")
        self.block = self.forward_layer = block
        self.inverse_block = inverse_block
        self.inverse = inverse

    def build(self, input_shape):
        if self.built:
            return
        self.below = tuple(input_shape)[1:]
        if not self.block.built:
            self.block.build(tuple(input_shape))
        self.above = tuple(self.block.compute_output_shape((None, *self.below)))[1:]
        if self.inverse:
            if self.inverse_block is None:
                self.inverse_block = derive_inverse(self.block, (None, *self.below))
            self.inverse_layer = self.inverse_block
            if not self.inverse_layer.built:
                self.inverse_layer.build((None, *self.above))
            self._check_inverse()
        self.built = True

    def _check_inverse(self):
        found = tuple(self.inverse_layer.compute_output_shape((None, *self.above)))[1:]
        if found != self.below:
            raise SettingError(
                f"the inverse of the pair {self.name!r} gives examples of shape {found}, and its "
                f"block takes {self.below}; give an `inverse_block` from {self.above} to "
                f"{self.below}."
            )
        if self.inverse_layer.non_trainable_weights:
            raise SettingError(
                f"the inverse of the pair {self.name!r} has weights that do not learn, such as "
                "running statistics, which no step of training would keep; leave such layers out "
                "of `inverse_block`."
            )

    def compute_output_shape(self, input_shape):
        return tuple(self.block.compute_output_shape(tuple(input_shape)))

    def compute_output_spec(self, inputs, reverse=False, aux=None, training=None):
        shape = self.below if reverse else self.above
        return keras.KerasTensor((inputs.shape[0], *shape), dtype=self.compute_dtype)

    def call(self, inputs, reverse=False, aux=None, training=None):
        if not reverse:
            return self.block(inputs, training=training)
        self._refuse_without_inverse()
        return self.inverse_layer(inputs, training=False)

    def record(self, inputs, update=True):
        outputs, state = self._trained(inputs)
        if update:
            for variable, value in zip(self.block.non_trainable_variables, state, strict=True):
                variable.assign(value)
        return None, outputs, None

    def perturbed(self, inputs):
        return self._trained(inputs)[0]

    def _trained(self, inputs):
        """Return f(inputs) in training, and what its state would become."""
        return self.block.stateless_call(
            [tf.convert_to_tensor(one) for one in self.block.trainable_variables],
            [tf.convert_to_tensor(one) for one in self.block.non_trainable_variables],
            inputs,
            training=True,
        )

    @property
    def kind(self):
        return self.block.name

    def stock_layers(self):
        return [self.block]

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "block": serialize(self.block),
            "inverse_block": serialize(self.inverse_block),
            "inverse": self.inverse,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))
