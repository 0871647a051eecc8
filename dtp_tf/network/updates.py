"""Optimizers and what is theirs: the updates of their variables, learning rates and averages."""

import contextlib

import keras
import tensorflow as tf


class Updates:
    """Applies optimizers; each group of them has one compiled function for all steps.

    An update is dozens of element-wise operations a weight; fused, they pass over memory once.
    """

    def __init__(self):
        self._functions = {}

    def apply(self, updates, after=(), compiled=True):
        """Apply `(optimizer, gradients, variables)` each.

        No update begins before all gradients, and the tensors `after`, are computed: TensorFlow was
        seen to change a weight in its place between the operation that reads it and the product
        that uses what was read, which is then a product with the weight of the next step.

        Args:
            updates: a list of `(optimizer, gradients, variables)`.
            after: tensors that were computed with the weights as they were.
            compiled: whether XLA compiles it. Under a strategy it never does, where an optimizer
                cannot work inside a function of its own.
        """
        updates = [one for one in updates if one[2]]  # all weights may be frozen
        every = [one for _, gradients, _ in updates for one in gradients]
        with tf.control_dependencies([*every, *after]):
            if compiled and updates and not tf.distribute.has_strategy():
                self._compiled(updates)([gradients for _, gradients, _ in updates])
            else:
                for optimizer, gradients, variables in updates:
                    optimizer.apply(gradients, variables)

    def _compiled(self, updates):
        key = tuple(id(optimizer) for optimizer, _, _ in updates)
        if key not in self._functions:

            def apply(every):
                for (optimizer, _, variables), gradients in zip(updates, every, strict=True):
                    optimizer.apply(gradients, variables)

            self._functions[key] = tf.function(apply, jit_compile=True, autograph=False)
        return self._functions[key]


def parts(optimizer):
    """Return the optimizers that an optimizer is made of: itself, unless it wraps others."""
    if optimizer is None:
        return []
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return parts(optimizer.inner_optimizer)
    return list(getattr(optimizer, "optimizers", [optimizer]))


def rate(optimizer):
    """Return the learning rate of an optimizer that wraps none; None if it follows a schedule."""
    value = optimizer.learning_rate
    return float(value.numpy()) if isinstance(value, keras.Variable) else None


def keeps_averages(optimizer):
    """Whether an optimizer keeps averages of its weights."""
    return any(one.use_ema for one in parts(optimizer))


def begin_averages(optimizer):
    """Let the averages of an optimizer that has made no step be its weights."""
    for one in parts(optimizer):
        if one.use_ema and one.built and int(tf.convert_to_tensor(one.iterations)) == 0:
            pairs = zip(one._trainable_variables, one._model_variables_moving_average, strict=True)
            for variable, average in pairs:
                average.assign(variable)


class Averaging:
    """Puts averages in the place of weights for a while, where an optimizer keeps some.

    Afterwards weights are what they were, to the last bit. (Keras's `SwapEMAWeights` adds and
    subtracts.)
    """

    def __init__(self):
        self._replaced = []

    @contextlib.contextmanager
    def averaged(self, optimizers):
        """A block in which weights are their averages."""
        pairs = []
        for optimizer in optimizers:
            begin_averages(optimizer)
            for one in parts(optimizer):
                if one.use_ema and one.built:
                    averages = one._model_variables_moving_average
                    pairs += zip(one._trainable_variables, averages, strict=True)
        self._replaced = [
            (variable, average, tf.identity(variable.value)) for variable, average in pairs
        ]
        self._assign_averages()
        try:
            yield
        finally:
            self._assign_weights()
            self._replaced = []

    @contextlib.contextmanager
    def suspended(self):
        """A block, within such a one, in which weights are themselves."""
        self._assign_weights()
        try:
            yield
        finally:
            self._assign_averages()

    def _assign_averages(self):
        for variable, average, _ in self._replaced:
            variable.assign(average)

    def _assign_weights(self):
        for variable, _, weight in self._replaced:
            variable.assign(weight)


def finalize(optimizers):
    """End training: weights become their averages where an optimizer keeps some."""
    for optimizer in optimizers:
        begin_averages(optimizer)
        for one in parts(optimizer):
            if one.built:
                type(one).finalize_variable_values(one, one._trainable_variables)


@contextlib.contextmanager
def finalized(optimizer, every):
    """Let Keras's `fit` end all optimizers, each with its own variables.

    It ends `optimizer` with all trainable variables of the network, of which that one's are a part:
    the averages would go to other layers' weights.

    Args:
        optimizer: that of the forward layers.
        every: a function that returns all optimizers, which may be built in between.
    """
    if optimizer is None:
        yield
        return
    optimizer.finalize_variable_values = lambda variables: finalize(every())
    try:
        yield
    finally:
        del optimizer.finalize_variable_values
