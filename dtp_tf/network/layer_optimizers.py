"""Several optimizers as the one that Keras knows: one for each layer."""

import keras


@keras.saving.register_keras_serializable("dtp_tf")
class LayerMap:
    """Says to a `keras.optimizers.MultiOptimizer` which optimizer moves a variable.

    Args:
        optimizers: one for each layer, from the input on.
    """

    def __init__(self, optimizers):
        self.optimizers = list(optimizers)
        self._of = {}

    def settle(self, variables):
        """Take the variables of each layer, from the input on: a list of lists."""
        pairs = zip(self.optimizers, variables, strict=True)
        self._of = {id(variable): one for one, own in pairs for variable in own}

    def __call__(self, variable):
        return self._of[id(variable)]

    def values(self):
        """Return the optimizers, as a mapping does."""
        return self.optimizers

    def get_config(self):
        return {"optimizers": keras.saving.serialize_keras_object(self.optimizers)}

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))


def one_of(optimizers):
    """Return a `MultiOptimizer` with an optimizer for each layer, from the input on."""
    scales = {one.loss_scale_factor for one in optimizers}
    return keras.optimizers.MultiOptimizer(
        LayerMap(optimizers), loss_scale_factor=scales.pop() if len(scales) == 1 else None
    )


def layer_map(optimizer):
    """Return the `LayerMap` of an optimizer, None if it has none."""
    found = getattr(optimizer, "_optimizer_map", None)
    return found if isinstance(found, LayerMap) else None
