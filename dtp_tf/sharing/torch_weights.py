"""Weights of networks that were trained with PyTorch, brought into a `DTPNetwork`.

Files -> arrays by name -> layers -> network. Only the first step needs PyTorch or safetensors, and
it runs no code of the file's.
"""

import pathlib
import pickle
import re
import warnings
from typing import NamedTuple

import numpy as np

from dtp_tf.errors import UserError
from dtp_tf.network.network import DTPNetwork
from dtp_tf.pairs import DensePair

WRAPPERS = ("state_dict", "model_state_dict", "model")  # of checkpoints
IMAGE_ORDERS = ("chw", "hwc")  # how images were flattened: PyTorch's order, and TensorFlow's


class Linear(NamedTuple):
    """A fully connected layer.

    Attributes:
        name: in the file.
        weight: `(outputs, inputs)`, as PyTorch keeps it.
        bias: `(outputs,)`, or None.
    """

    name: str
    weight: np.ndarray
    bias: np.ndarray | None


# -- files -> arrays -------------------------------------------------------------------------------


def read_arrays(path):
    """Return the arrays in a file of PyTorch's or safetensors' as {name: float32 array}.

    Names of nested dictionaries are joined by dots.

    Raises:
        UserError: a file that is missing, damaged, or holds more than weights; or the package that
            reads it is not installed.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"weights {path} do not exist.")
    read = _read_safetensors if path.suffix == ".safetensors" else _read_torch
    arrays = read(path)
    if not arrays:
        raise UserError(f"{path} holds no weights; save a state dict of the layers.")
    return arrays


def _read_safetensors(path):
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError:
        raise _not_installed("safetensors", path) from None
    try:
        return {name: array.astype(np.float32) for name, array in load_file(path).items()}
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"weights {path} cannot be read ({reason}).") from None


def _read_torch(path):
    try:
        import torch
    except ImportError:
        raise _not_installed("torch", path) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters ends in an error
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise UserError(
            f"{path} is no file of weights alone: what else it holds could run code, so it is not "
            "opened; save a state dict: torch.save(model.state_dict(), FILE)."
        ) from None
    except Exception as error:  # zip files, pickles and old formats each have errors of their own
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"weights {path} cannot be read ({reason}).") from None
    return flat_arrays(content)


def _not_installed(package, path):
    return UserError(
        f"to read {path}, the package {package} is needed: pip install {package}."
    )


def flat_arrays(content):
    """Return the tensors of nested dictionaries as {name: float32 array}.

    What is no tensor (an epoch's number) is left out; of a checkpoint only its weights are taken.
    """
    if not isinstance(content, dict):
        raise UserError(
            f"the weights must be a dictionary by name, got {type(content).__name__}; save a state "
            "dict: torch.save(model.state_dict(), FILE)."
        )
    for name in WRAPPERS:
        if isinstance(content.get(name), dict):
            return flat_arrays(content[name])
    arrays = {}
    for name, value in content.items():
        if isinstance(value, dict):
            nested = flat_arrays(value)
            arrays.update({f"{name}.{inner}": array for inner, array in nested.items()})
        elif hasattr(value, "numpy"):
            arrays[str(name)] = value.detach().float().numpy()
        elif isinstance(value, np.ndarray):
            arrays[str(name)] = value.astype(np.float32)
    return arrays


# -- arrays -> layers ------------------------------------------------------------------------------


def find_layers(arrays):
    """Return the forward layers in order, and the inverses by layer.

    Either the layers are called F1 .. FM, and the inverses G2 .. G(M-1), where G_i leads from layer
    i back to layer i - 1; or they are numbered, as in `nn.Sequential` and `nn.ModuleList`, and
    there are no inverses.

    Args:
        arrays: {name: array}.

    Returns:
        A list of `Linear`, and {i: `Linear`}, i counted from 1.

    Raises:
        UserError: arrays that are no weights or biases of Linear layers, or names that do not tell
            the order of the layers.
    """
    layers = {name: _linear(arrays, name) for name in _layer_names(arrays)}
    lettered = {name: re.search(r"(?:^|\.)([FG])_?(\d+)(?:\.|$)", name) for name in layers}
    if any(lettered.values()):
        return _by_letter(layers, lettered)
    return _by_number(layers), {}


def _layer_names(arrays):
    """Return the names of the layers that weights and biases belong to."""
    names = {}
    for name, array in arrays.items():
        layer, _, kind = name.rpartition(".")
        if (kind, array.ndim) not in (("weight", 2), ("bias", 1)):
            raise UserError(
                f"{name!r} of shape {array.shape} is neither weight nor bias of a Linear layer; "
                "only networks of Linear layers can be brought in."
            )
        if not np.isfinite(array).all():
            raise UserError(f"{name!r} has numbers that are infinite or none (NaN).")
        names[layer] = names.get(layer, False) or kind == "weight"
    for layer, has_weight in names.items():
        if not has_weight:
            raise UserError(f"layer {layer!r} has a bias, but no weight.")
    return list(names)


def _linear(arrays, name):
    start = f"{name}." if name else ""
    return Linear(name, arrays[f"{start}weight"], arrays.get(f"{start}bias"))


def _by_letter(layers, lettered):
    found = {"F": {}, "G": {}}
    for name, match in lettered.items():
        if match is None:
            raise UserError(f"layer {name!r} is neither one of F1 .. FM nor of G2 .. G(M-1).")
        letter, number = match[1], int(match[2])
        if number in found[letter]:
            other = found[letter][number].name
            raise UserError(f"{letter}{number} has two Linear layers, {other!r} and {name!r}.")
        found[letter][number] = layers[name]
    forward = found["F"]
    for number in range(1, max(forward, default=0) + 1):
        if number not in forward:
            raise UserError(f"there is no F{number}, but an F{max(forward)}; all must be there.")
    if len(forward) != max(forward, default=0) or not forward:
        raise UserError(f"the forward layers must be F1 .. FM, got {', '.join(layers)}.")
    return [forward[number] for number in sorted(forward)], dict(sorted(found["G"].items()))


def _by_number(layers):
    patterns = {re.sub(r"\d+", "#", name) for name in layers}
    if len(patterns) > 1:
        raise UserError(
            f"the names {', '.join(layers)} do not tell the order of the layers; number them as "
            "nn.Sequential does (0.weight, 2.weight, ..), or call them F1 .. FM."
        )
    order = sorted(layers, key=lambda name: [int(number) for number in re.findall(r"\d+", name)])
    return [layers[name] for name in order]


def check_shapes(forward, inverses, sizes):
    """Raise `UserError` if layers do not have the sizes (inputs, units, .., classes)."""
    wanted = "-".join(map(str, sizes))
    if len(forward) != len(sizes) - 1:
        found = ", ".join(f"{one.name!r} {one.weight.shape}" for one in forward)
        raise UserError(
            f"the file has {len(forward)} Linear layers ({found}), but `--layers` {wanted} has "
            f"{len(sizes) - 1}."
        )
    for i, layer in enumerate(forward, start=1):
        _check_shape(layer, f"layer {i}", sizes[i], sizes[i - 1])
    for i, layer in inverses.items():
        if not 1 <= i < len(sizes):
            raise UserError(f"{layer.name!r} is the inverse of no layer: there are {len(forward)}.")
        _check_shape(layer, f"the inverse of layer {i}", sizes[i - 1], sizes[i])


def _check_shape(layer, place, outputs, inputs):
    if layer.weight.shape != (outputs, inputs):
        raise UserError(
            f"{place}, {layer.name!r}, must have a weight of shape {(outputs, inputs)} (outputs, "
            f"inputs), got {layer.weight.shape}."
        )
    if layer.bias is not None and layer.bias.shape != (outputs,):
        raise UserError(
            f"{place}, {layer.name!r}, must have a bias of shape {(outputs,)}, got "
            f"{layer.bias.shape}."
        )


# -- layers -> network -----------------------------------------------------------------------------


def network_from_arrays(
    arrays,
    sizes,
    activation="tanh",
    inverse_activation=None,
    preprocessing=None,
    image_shape=None,
    image_order="chw",
):
    """Return a built `DTPNetwork` with weights of PyTorch.

    Its rule is difference target propagation: it has an inverse for each hidden layer but the
    first. Inverses that the file lacks are drawn afresh; those of other layers are left out.

    Args:
        arrays: {name: array}; see `find_layers`.
        sizes: (inputs, units, .., classes).
        activation: of the hidden layers; the last layer gives logits.
        inverse_activation: of the inverses; the same by default.
        preprocessing: a Keras layer from images to inputs; None for inputs that are numbers.
        image_shape: (height, width, channels) of the images, where there is preprocessing.
        image_order: how the inputs of the first layer were flattened: "chw", PyTorch's channels
            first, or "hwc".

    Returns:
        The network; the numbers (from 1) of the layers whose inverses were taken; and of those
        whose inverses were left out.

    Raises:
        UserError: arrays that are no such network.
    """
    forward, inverses = find_layers(arrays)
    check_shapes(forward, inverses, sizes)
    pairs = [
        DensePair(units, activation, inverse_activation, name=f"pair_{i}")
        for i, units in enumerate(sizes[1:-1], start=1)
    ]
    network = DTPNetwork(pairs, sizes[-1], preprocessing=preprocessing, name="network")
    network.build((None, *(image_shape if preprocessing is not None else sizes[:1])))
    for i, layer in enumerate(forward):
        kernel = layer.weight.T
        if i == 0 and image_shape is not None and image_order == "chw":
            kernel = channels_last(kernel, image_shape)
        _assign(network.layers_up[i].forward_layer, kernel, layer.bias)
    taken = [i for i in inverses if i - 1 in network.inverted]
    for i in taken:
        _assign(network.layers_up[i - 1].inverse_layer, inverses[i].weight.T, inverses[i].bias)
    return network, taken, [i for i in inverses if i not in taken]


def channels_last(kernel, image_shape):
    """Return a kernel `(channels * height * width, units)` with its rows in the order of height,
    width, channels.

    PyTorch's images have their channels first, and are flattened so; those of TensorFlow last.
    """
    height, width, channels = image_shape
    rows = np.arange(len(kernel)).reshape(channels, height, width)
    return kernel[rows.transpose(1, 2, 0).ravel()]


def _assign(dense, kernel, bias):
    dense.kernel.assign(kernel)
    dense.bias.assign(np.zeros(dense.bias.shape) if bias is None else bias)
