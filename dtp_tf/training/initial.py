"""Starting a training from weights that there are: the setting `init` of a recipe."""

import json

import keras

from dtp_tf.errors import SettingError
from dtp_tf.network.network import DTPNetwork
from dtp_tf.sharing.opening import open_model

# What a layer computes, beside its weights: by a setting of the recipe's, and in its `layers`.
_RECIPE = ("activation", "transmission")
_LAYERS = ("strides", "padding", "pool", "pool_size", "pool_strides", "pool_padding")
_FUNCTION = (*_RECIPE, *_LAYERS)
_KINDS = (keras.layers.Dense, keras.layers.Conv2D, keras.layers.EinsumDense, keras.Model)


def initialize(network, name):
    """Give a network the weights of a preset, run or `.keras` file.

    Forward weights must fit, layer for layer. Inverses and other feedback weights are taken where
    both networks have them and use them alike; the others stay as they were drawn.

    Args:
        network: a built `DTPNetwork`.
        name: the setting `init`.

    Returns:
        A line that says what was taken.

    Raises:
        SettingError: layers that do not fit.
        UserError: there is no such model, or it is damaged.
    """
    model = open_model(name).model
    theirs, ours = _forward_layers(model, name), [one.forward_layer for one in network.layers_up]
    if not theirs:
        raise SettingError(f"`init` {name} has no layers with weights; name another model.")
    if len(theirs) != len(ours):
        raise SettingError(
            f"`init` {name} has {len(theirs)} layers ({_sizes(theirs)}), the recipe's network has "
            f"{len(ours)} ({_sizes(ours)}); give --units or --layers that fit."
        )
    for i, (source, target) in enumerate(zip(theirs, ours, strict=True)):
        if _shapes(source) != _shapes(target):
            raise SettingError(
                f"`init` {name} does not fit: {_place(network, i)} needs weights of "
                f"{_wanted(target)}, got {_found(source)}."
            )
    inverses = {}
    if isinstance(model, DTPNetwork):
        _refuse_other_functions(network, model, name)
        inverses = _common_feedback(network, model)
    for source, target in zip(theirs, ours, strict=True):
        target.set_weights(source.get_weights())
    for i, weights in inverses.items():
        for source, target in zip(weights, network.feedback_weights(i), strict=True):
            target.assign(source)
    having = [i for i in range(len(ours)) if network.feedback_weights(i)]
    fresh = [i for i in having if i not in inverses]
    line = f"forward weights of {name}"
    if having:
        what = "inverses" if network.inverted else "feedback"
        line += f"; {what} of layers {_numbers(inverses)}; drawn afresh: {_numbers(fresh)}"
    return line


def _forward_layers(model, name):
    if isinstance(model, DTPNetwork):
        layers = [one.forward_layer for one in model.layers_up]
    else:
        layers = [one for one in model.layers if one.trainable_variables]
    for one in layers:
        if not isinstance(one, _KINDS) or isinstance(one, keras.layers.DepthwiseConv2D):
            raise SettingError(
                f"`init` {name} does not fit: its layer {one.name!r} is {type(one).__name__}, and "
                "the recipe's network has Dense, Conv2D and locally connected layers and blocks "
                "only."
            )
    return layers


def _refuse_other_functions(network, model, name):
    for i, (ours, theirs) in enumerate(zip(network.layers_up, model.layers_up, strict=True)):
        for setting in _FUNCTION:
            wanted, got = (_text(getattr(one, setting, None)) for one in (ours, theirs))
            if wanted != got and setting not in _RECIPE:
                raise SettingError(
                    f"`init` {name} does not fit: {_place(network, i)} has the {setting} "
                    f"{wanted}, got {got}; give --layers that fit."
                )
            if wanted != got:
                raise SettingError(
                    f"`init` {name} does not fit: {_place(network, i)} has the {setting} "
                    f"{wanted}, got {got}; give --{setting} {got}."
                )
        if _inside(ours) != _inside(theirs):
            raise SettingError(
                f"`init` {name} does not fit: the block of {_place(network, i)} computes something "
                "else, such as another activation, stride or pooling; give --layers that fit."
            )


def _common_feedback(network, model):
    """Return {layer: weights} of the feedback that means the same in both networks."""
    found = {}
    for i, (ours, theirs) in enumerate(zip(network.layers_up, model.layers_up, strict=True)):
        if i in network.feedback or i in model.feedback:
            alike = i in network.feedback and i in model.feedback
            alike = alike and type(network.rule) is type(model.rule)
        else:
            alike = ours.inverse and theirs.inverse and all(
                _text(getattr(ours, one)) == _text(getattr(theirs, one))
                for one in ("inverse_activation", "inverse_first")
            )
        weights = model.feedback_weights(i)
        if alike and [w.shape for w in weights] == [w.shape for w in network.feedback_weights(i)]:
            found[i] = weights
    return found


def _inside(pair):
    """What a block computes, as text: its configuration without names and first weights."""

    def plain(value):
        if isinstance(value, dict):
            left = ("name", "registered_name", "build_config", "dtype")
            kept = {k: v for k, v in value.items() if k not in left and "initializer" not in k}
            return {k: plain(v) for k, v in kept.items()}
        return [plain(one) for one in value] if isinstance(value, (list, tuple)) else value

    block = getattr(pair, "block", None)
    if block is None:
        return None
    return json.dumps(plain(keras.saving.serialize_keras_object(block)))


def _text(value):
    return keras.activations.serialize(value) if callable(value) else value


def _place(network, i):
    return "the output layer" if i == len(network.pairs) else f"layer {i + 1}"


def _shapes(layer):
    return [tuple(weight.shape) for weight in layer.weights]


def _wanted(layer):
    if not hasattr(layer, "kernel"):
        return _found(layer)
    axes = {2: "inputs x units", 4: "pixels x channels"}[len(layer.kernel.shape)]
    if isinstance(layer, keras.layers.EinsumDense):
        axes = "places x inputs x channels"
    return f"{_joined(layer.kernel.shape)} ({axes}) and biases"


def _found(layer):
    if not hasattr(layer, "kernel"):
        return f"{', '.join(map(_joined, _shapes(layer)))} (a block)"
    return f"{_joined(layer.kernel.shape)}{' without biases' if layer.bias is None else ''}"


def _joined(shape):
    return "x".join(map(str, shape))


def _sizes(layers):
    below, above = zip(*map(_ends, layers), strict=True)
    return "-".join(map(str, (below[0], *above)))


def _ends(layer):
    """The channels below and above a layer."""
    if hasattr(layer, "kernel"):
        return layer.kernel.shape[-2:]
    return layer.input_shape[-1], layer.output_shape[-1]


def _numbers(layers):
    return ", ".join(str(i + 1) for i in layers) or "none"
