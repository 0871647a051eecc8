"""Applying optimizers to gradients, compiled by XLA where that is possible."""

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
        every = [one for _, gradients, _ in updates for one in gradients]
        with tf.control_dependencies([*every, *after]):
            if compiled and not tf.distribute.has_strategy():
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
