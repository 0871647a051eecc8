"""Which optimizer has which of a network's variables."""

import keras

from dtp_tf.errors import SettingError
from dtp_tf.network import warmup as warmup  # so that files with it can be read
from dtp_tf.network.layer_optimizers import layer_map, one_of
from dtp_tf.network.updates import Averaging, Updates, finalize, keeps_averages, parts
from dtp_tf.rules.base import as_list, at_layer


class OwnOptimizers:
    """The part of a `DTPNetwork` that gives every optimizer the variables that are its own.

    Attributes:
        inverse_optimizer: of the feedback weights: one, or a list with one for each trained layer.
        jit_updates: whether XLA compiles the optimizers' updates, where it can.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inverse_optimizer = None
        self.jit_updates = True
        self._averaging = Averaging()

    def optimized(self):
        """Return [(optimizer, its variables)]: of the forward layers, then of the feedback."""
        forward = self.forward_variables if self.built else []
        return [(self.optimizer, forward), *self.inverse_optimized()]

    def inverse_optimized(self):
        """Return [(optimizer, its variables)] of the feedback; nothing where none learns."""
        if not self.built or not self.trained_feedback:
            return []
        if not isinstance(self.inverse_optimizer, (list, tuple)):
            return [(self.inverse_optimizer, self.inverse_variables)]
        every = map(self.feedback_variables, self.trained_feedback)
        return list(zip(self.inverse_optimizer, every, strict=True))

    def optimizer_of(self, layer):
        """Return the optimizer of the feedback of a layer."""
        return at_layer(self.inverse_optimizer, self.trained_feedback.index(layer))

    def _take_optimizers(self, inverse_optimizer):
        """Take over, for `compile`, what Keras knows nothing of."""
        self.inverse_optimizer = inverse_optimizer
        self._updates = Updates()
        self._build_optimizers()

    def _build_optimizers(self):
        if not (self.compiled and self.built and self.optimizer):
            return
        self._settle_layers()
        trained, several = self.trained_feedback, isinstance(self.inverse_optimizer, (list, tuple))
        if several and len(self.inverse_optimizer) != len(trained):
            raise SettingError(
                f"`inverse_optimizer` has {len(self.inverse_optimizer)} optimizers, but "
                f"{type(self.rule).__name__} trains the feedback of {len(trained)} layers; give "
                "one for all, or one for each."
            )
        if not several and len({self.rule.steps(i) for i in range(len(trained))}) > 1:
            raise SettingError(
                "`inverse_steps` differ from layer to layer, so each needs an optimizer of its "
                "own: give `inverse_optimizer` as a list, one for each trained feedback layer."
            )
        for optimizer, variables in self.optimized():
            if optimizer is None:
                raise SettingError(
                    f"{type(self.rule).__name__} trains feedback, and `inverse_optimizer` is None; "
                    "give an optimizer or its name."
                )
            if not optimizer.built:  # some would build twice
                optimizer.build(variables)

    def _settle_layers(self):
        """Tell an optimizer that is one for each layer which layer has which variables."""
        found, layers = layer_map(self.optimizer), self.layers_up
        if found is None:
            return
        if len(found.optimizers) != len(layers):
            raise SettingError(
                f"`optimizer` has {len(found.optimizers)} optimizers, but the network has "
                f"{len(layers)} layers, the output included; give one for all, or one for each."
            )
        found.settle([layer.forward_variables for layer in layers])

    def _symbolic_build(self, iterator=None, data_batch=None):
        # Keras would build `optimizer` for all weights, those of the inverses too.
        optimizer, self.optimizer = self.optimizer, None
        try:
            super()._symbolic_build(iterator=iterator, data_batch=data_batch)
        finally:
            self.optimizer = optimizer
        self._build_optimizers()

    @property
    def keeps_averages(self):
        """Whether an optimizer keeps averages of its weights."""
        return any(keeps_averages(optimizer) for optimizer, _ in self.optimized())

    def averaged(self):
        """Return a block's context in which weights are their averages, where there are some."""
        return self._averaging.averaged([optimizer for optimizer, _ in self.optimized()])

    def as_trained(self):
        """Return a block's context in which weights are themselves, within `averaged` too."""
        return self._averaging.suspended()

    def become_averages(self):
        """Give weights their averages for good, as the end of `fit` does."""
        finalize([optimizer for optimizer, _ in self.optimized()])

    def _decay_exclusions(self):
        """Return what each optimizer leaves out of weight decay, which Keras's files leave out."""
        both = [self.optimizer, *as_list(self.inverse_optimizer)]  # there, whether it has variables
        every = [part for one in both for part in parts(one)]
        found = [getattr(one, "_exclude_from_weight_decay_pattern", None) for one in every]
        return [None if one is None else one.pattern for one in found]

    def _apply(self, updates, after=()):
        compiled = self.jit_updates and not self.run_eagerly
        self._updates.apply(updates, after, compiled)


def exclude_from_weight_decay(optimizers, patterns):
    """Let each part of some optimizers leave alone what `OwnOptimizers` says that it did."""
    every = [part for one in optimizers for part in parts(one)]
    for one, pattern in zip(every, patterns, strict=True):
        if pattern is not None:
            one.exclude_from_weight_decay(var_names=[pattern])


def find_optimizers(optimizer, inverse_optimizer):
    """Return what `compile` is given as Keras optimizers: one, and one or a list.

    Raises:
        SettingError: one of them is there twice.
    """
    if isinstance(optimizer, (list, tuple)):
        optimizer = one_of([keras.optimizers.get(one) for one in optimizer])
    optimizer = keras.optimizers.get(optimizer)
    if isinstance(inverse_optimizer, (list, tuple)):
        inverse_optimizer = [keras.optimizers.get(one) for one in inverse_optimizer]
    else:
        inverse_optimizer = keras.optimizers.get(inverse_optimizer)
    every = [parts(one) for one in (optimizer, *as_list(inverse_optimizer))]
    every = [id(one) for of_one in every for one in of_one]
    if len(set(every)) < len(every):
        raise SettingError(
            "`optimizer` and `inverse_optimizer` must be different objects, got one twice."
        )
    return optimizer, inverse_optimizer
