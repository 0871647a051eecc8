"""`BlockPair`: any Keras sub-network as one layer f, with an inverse."""

import keras
import tensorflow as tf

from dtp_tf.errors import SettingError
from dtp_tf.pairs.base import LayerPair
from dtp_tf.pairs.derived import derive_differences, derive_inverse, noted_tensors
from dtp_tf.pairs.graph import Graph, is_functional


@keras.saving.register_keras_serializable("dtp_tf")
class BlockPair(LayerPair):
    """A Keras sub-network f and another one, g, as its inverse.

    Whatever f is made of, such as convolution, batch normalisation, activation and pooling, learns
    from the one local loss of the pair, by gradients inside the block only.

    In a training step f is what it is with `training=True`: batch normalisation takes the
    statistics of the batch, and its running ones take them in exactly once a step, however often
    the rule asks for f at other points. Everywhere else the running statistics count, so that
    answers do not depend on what else is in a batch. Replicas have statistics of their own unless
    the layers are `keras.layers.BatchNormalization(synchronized=True)`. What f draws at random,
    such as dropout, is drawn afresh each step, and once for all that the rule asks in it.

    Args:
        block: f: a Keras model or layer with one input and one output; built or not.
        inverse_block: g: a Keras model or layer from f's outputs to the shape of its inputs. By
            default it is f mirrored, if f is a Sequential or functional model of common layers; see
            `dtp_tf.pairs.derived`. It must have no running statistics.
        inverse: whether there is a g at all.
        **kwargs: see `LayerPair`.

    Call arguments:
        inputs: activations of the layer below, or with `reverse=True` of this layer.
        reverse: whether to apply g instead of f.
        aux: with `reverse=True`, what `record` and `tell` noted of the forward pass, last of what
            they return. A mirrored f then gives every activation the slope that it had; without it
            activations are applied as they are, and max pooling repeats.
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

    is_block = True

    def __init__(self, block, inverse_block=None, inverse=True, **kwargs):
        super().__init__(**kwargs)
        for name, value in (("block", block), ("inverse_block", inverse_block)):
            if not isinstance(value, keras.Layer) and not (name[0] == "i" and value is None):
                raise SettingError(f"`{name}` must be a Keras layer or model, got {value!r}.")
        self.block = self.forward_layer = block
        self.inverse_block = inverse_block
        self.inverse = inverse
        self._notes = self._differences = None

    def build(self, input_shape):
        if self.built:
            return
        self.below = tuple(input_shape)[1:]
        if not self.block.built:
            self.block.build(tuple(input_shape))
        self.above = tuple(self.block.compute_output_shape((None, *self.below)))[1:]
        if self.inverse:
            self._build_inverse()
        self.built = True

    def _build_inverse(self):
        graph = Graph(self.block, (None, *self.below))
        if self.inverse_block is None:
            self.inverse_block = derive_inverse(self.block, graph)
        self.inverse_layer = self.inverse_block
        if not self.inverse_layer.built:
            self.inverse_layer.build((None, *self.above))
        self._check_inverse()
        if _inputs(self.inverse_layer) > 1:
            self._notes = _Notes(self.block, graph, noted_tensors(graph))
        self._differences = _Untracked(derive_differences(self.inverse_layer))

    def _check_inverse(self):
        above = (None, *self.above)
        if _inputs(self.inverse_layer) > 1:
            found = tuple(self.inverse_layer.output_shape)[1:]
        else:
            found = tuple(self.inverse_layer.compute_output_shape(above))[1:]
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
        if self._notes is None:
            return self.inverse_layer(inputs, training=False)
        points = [None] * len(self._notes) if aux is None else aux
        return self.inverse_layer([inputs, *points], training=False)

    def invert(self, points, aux=None):
        if aux is None:
            return super().invert(points)
        return [self(point, reverse=True, aux=aux) for point in points]

    def inverse_differences(self, base, points, aux=None):
        """Return g(t) - g(base) for each t of `points`; see `derive_differences`."""
        self._refuse_without_inverse()
        of_differences = self._differences.model
        if of_differences is None or (self._notes is not None and aux is None):
            return super().inverse_differences(base, points, aux)
        noted = aux or []
        return [of_differences([point - base, *noted], training=False) for point in points]

    def record(self, inputs, update=True):
        (outputs, aux), state = self._trained(inputs)
        if update:
            for variable, value in zip(self._seen.non_trainable_variables, state, strict=True):
                if self.randomness is None or not _is_seed(variable):
                    variable.assign(value)
        return None, outputs, aux

    def tell(self, inputs):
        return self._with_notes(self._seen(inputs, training=False))

    def perturbed(self, inputs):
        return self._trained(inputs)[0][0]

    @property
    def _seen(self):
        """f, as a model that gives what is to be noted, too."""
        return self.block if self._notes is None else self._notes.model

    def _with_notes(self, results):
        if self._notes is None:
            return results, None
        return results[0], [tf.stop_gradient(one) for one in results[1:]]

    def _trained(self, inputs):
        """Return f(inputs) in training with its notes, and what its state would become."""
        state = [tf.convert_to_tensor(one) for one in self._seen.non_trainable_variables]
        if self.randomness is not None:
            state = self._seeded(state)
        results, state = self._seen.stateless_call(
            [tf.convert_to_tensor(one) for one in self._seen.trainable_variables],
            state,
            inputs,
            training=True,
        )
        return self._with_notes(results), state

    def _seeded(self, state):
        """Give each generator of random numbers the seed of this step, from which it draws the
        same however often it is asked."""
        seeded, count = [], 0
        for variable, value in zip(self._seen.non_trainable_variables, state, strict=True):
            if _is_seed(variable):
                value = tf.cast(self.randomness() + tf.constant([0, count], tf.uint32), value.dtype)
                count += 1 << 16  # a generator counts its draws there
            seeded.append(value)
        return seeded

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


class _Untracked:
    """A model of layers that are saved elsewhere; this is no Keras object, which would save it."""

    def __init__(self, model):
        self.model = model


class _Notes:
    """A block with what is noted of its forward pass.

    It is no Keras object, for its model has the layers of the block, which are saved with that.
    """

    def __init__(self, block, graph, numbers):
        if graph.nested:  # tensors of an inner model are not those of a call of it
            inputs = keras.Input(graph.shape(graph.input)[1:], dtype=block.inputs[0].dtype)
            values = graph.run(inputs)
        else:
            inputs, values = block.inputs[0], graph.tensors
        self.model = keras.Model(inputs, [values[number] for number in (graph.output, *numbers)])
        self._length = len(numbers)

    def __len__(self):
        return self._length


def _inputs(layer):
    """Return how many inputs a layer has."""
    return len(layer.inputs) if is_functional(layer) else 1


def _is_seed(variable):
    """Whether a variable is the state of a `keras.random.SeedGenerator`."""
    return variable.path.endswith("seed_generator_state")
