"""Starting a training from weights that there are: the setting `init` of a recipe."""

import keras

from dtp_tf.errors import SettingError
from dtp_tf.network.network import DTPNetwork
from dtp_tf.sharing.opening import open_model

# What a layer computes, beside its weights: by a setting of the recipe's, and in its `layers`.
_RECIPE = ("activation", "transmission")
_LAYERS = ("strides", "padding", "pool", "pool_size", "pool_strides", "pool_padding")
_FUNCTION = (*_RECIPE, *_LAYERS)


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
        if source.kernel.shape != target.kernel.shape or source.bias is None:
            raise SettingError(
                f"`init` {name} does not fit: {_place(network, i)} needs weights of "
                f"{_shape(target)} ({_axes(target)}) and biases, got {_shape(source)}"
                f"{' without biases' if source.bias is None else ''}."
            )
    inverses = {}
    if isinstance(model, DTPNetwork):
        _refuse_other_functions(network, model, name)
        inverses = _common_feedback(network, model)
    for source, target in zip(theirs, ours, strict=True):
        target.kernel.assign(source.kernel)
        target.bias.assign(source.bias)
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
        if not isinstance(one, (keras.layers.Dense, keras.layers.Conv2D)):
            raise SettingError(
                f"`init` {name} does not fit: its layer {one.name!r} is {type(one).__name__}, and "
                "the recipe's network has Dense and Conv2D layers only."
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


def _text(value):
    return keras.activations.serialize(value) if callable(value) else value


def _place(network, i):
    return "the output layer" if i == len(network.pairs) else f"layer {i + 1}"


def _shape(layer):
    return "x".join(str(size) for size in layer.kernel.shape)


def _axes(layer):
    return "inputs x units" if len(layer.kernel.shape) == 2 else "pixels x channels"


def _sizes(layers):
    kernels = [one.kernel.shape for one in layers]
    return "-".join(str(n) for n in (kernels[0][-2], *(kernel[-1] for kernel in kernels)))


def _numbers(layers):
    return ", ".join(str(i + 1) for i in layers) or "none"
