"""Which Keras models become networks of pairs; what does not is refused by the layer's name."""

import collections

import keras

from dtp_tf.errors import SettingError
from dtp_tf.pairs.graph import Graph, is_functional


def graph_of(model):
    """Return the `Graph` of a model that can be converted.

    Raises:
        SettingError: it cannot.
    """
    if not isinstance(model, keras.Model):
        raise SettingError(f"`model` must be a Keras model, got {model!r}.")
    if isinstance(model, keras.Sequential) and not model.built:
        raise SettingError(
            f"the model {model.name!r} is not built, so the shapes of its weights are not known; "
            "begin it with keras.Input(shape), or call `model.build`."
        )
    if not is_functional(model):
        raise SettingError(
            f"the model {model.name!r} is a {type(model).__name__} whose `call` cannot be seen "
            "into; make it a Sequential or functional model."
        )
    for kind, ends in (("inputs", model.inputs), ("outputs", model.outputs)):
        if len(ends) != 1:
            names = ", ".join(repr(one.name) for one in ends)
            raise SettingError(
                f"the model {model.name!r} has {len(ends)} {kind} ({names}), and a network has "
                "one; convert a model with one input and one output."
            )
    graph = Graph(model)
    uses = collections.Counter(id(step.layer) for step in graph.steps)
    for step in graph.steps:
        reason = _reason_against(step.layer, uses[id(step.layer)])
        if reason is not None:
            raise SettingError(f"the layer {step.layer.name!r} {reason}")
    _check_shapes_and_masks(graph)
    return graph


def _reason_against(layer, uses):
    """Return why a layer cannot be converted, and what to do; None if it can."""
    if not isinstance(layer, keras.Layer):
        return None
    name = type(layer).__name__
    if isinstance(layer, (keras.layers.RNN, keras.layers.Bidirectional)):
        return f"is a {name}, which keeps a state over time; use convolutions or pooling instead."
    if isinstance(layer, keras.layers.Lambda):
        return (
            "is a Lambda, a program that a saved network could not carry safely; use a layer of "
            "Keras's, an operation of keras.ops, or a registered layer of your own."
        )
    if isinstance(layer, keras.Model):
        return (
            f"is a {name} whose `call` cannot be seen into; make it a Sequential or functional "
            "model."
        )
    if uses > 1 and layer.weights:
        return f"is shared: it is called {uses} times; give every call a layer of its own."
    policy = layer.dtype_policy
    number = keras.config.floatx()
    if {policy.compute_dtype, policy.variable_dtype} != {number} or layer.quantization_mode:
        return (
            f"has the dtype policy {policy.name!r}, and a network is {number} throughout; make the "
            f"model with dtype {number!r}."
        )
    if getattr(layer, "data_format", None) == "channels_first":
        return 'has data_format "channels_first"; make the model with "channels_last".'
    if getattr(layer, "lora_enabled", False):
        return "has LoRA weights; merge them into its kernel first (by saving and loading)."
    if getattr(layer, "activity_regularizer", None) is not None:
        return (
            "has an activity regularizer, a loss that local targets leave out; convert it without."
        )
    return None


def _check_shapes_and_masks(graph):
    made_by = {number: step.layer.name for step in graph.steps for number in step.outputs}
    for number in graph.cuts()[1:]:
        name, shape = made_by[number], graph.shape(number)
        if None in shape[1:]:
            raise SettingError(
                f"the layer {name!r} gives shapes that are not known, {shape}; give the model an "
                "Input whose sizes are known."
            )
        if getattr(graph.tensors[number], "_keras_mask", None) is not None:
            raise SettingError(
                f"the layer {name!r} hands on a mask, which targets do not have; make the model "
                "without `mask_zero` and Masking."
            )
