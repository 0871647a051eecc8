"""Weights of PyTorch give equal outputs by NumPy; names and shapes that do not fit are named."""

import keras
import numpy as np
import pytest
from torch_weights_support import SIZES, X, forward, lettered, linears, named, refused

from dtp_tf.data.preprocessing import preprocessing_layer
from dtp_tf.sharing.torch_weights import (
    channels_last,
    check_shapes,
    find_layers,
    network_from_arrays,
)

# -- equal outputs ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "arrays",
    [
        named(),
        named("layers.{}", step=1),
        named("module.net.{}", step=3),
        named("layers.{}.0", step=1),
        dict(sorted(named("fc{}", step=5).items())),  # 10 and 15 stand before 5
        lettered(),
        lettered(".0"),
        dict(reversed(lettered().items())),
    ],
    ids=["Sequential", "ModuleList", "wrapped", "nested", "sorted", "F and G", "F.0", "reversed"],
)
def test_the_network_answers_what_numpy_computes(arrays):
    network, _, _ = network_from_arrays(arrays, SIZES)
    np.testing.assert_allclose(network(X), forward(X), rtol=1e-5, atol=1e-6)
    classifier = network.classifier()
    np.testing.assert_allclose(classifier(X), forward(X), rtol=1e-5, atol=1e-6)


def test_inverses_lead_from_their_layer_to_the_one_below():
    arrays = lettered()
    network, taken, left_out = network_from_arrays(arrays, SIZES)
    assert (taken, left_out) == ([2, 3], [])
    for i in (2, 3):
        h = np.random.default_rng(i).normal(size=(7, SIZES[i])).astype("float32")
        expected = np.tanh(h @ arrays[f"G{i}.weight"].T + arrays[f"G{i}.bias"])
        assert expected.shape == (7, SIZES[i - 1])
        ours = network.pairs[i - 1](h, reverse=True)
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


def test_inverses_may_have_an_activation_of_their_own():
    arrays = lettered()
    network, _, _ = network_from_arrays(arrays, SIZES, "relu", "linear")
    h = np.ones((1, 4), "float32")
    expected = h @ arrays["G2.weight"].T + arrays["G2.bias"]
    np.testing.assert_allclose(network.pairs[1](h, reverse=True), expected, rtol=1e-5)
    assert network.pairs[0].activation is keras.activations.relu


def test_some_inverses_may_be_missing_and_others_have_no_place():
    arrays = {name: array for name, array in lettered().items() if not name.startswith("G3")}
    ((weight, bias),) = linears((5, 6))
    arrays |= {"G1.weight": weight, "G1.bias": bias}
    _, taken, left_out = network_from_arrays(arrays, SIZES)
    assert (taken, left_out) == ([2], [1])


def test_a_layer_without_a_bias_has_biases_of_0():
    arrays = {name: array for name, array in named().items() if name != "2.bias"}
    layers = linears()
    layers[1] = (layers[1][0], np.zeros(4, "float32"))
    network, _, _ = network_from_arrays(arrays, SIZES)
    np.testing.assert_allclose(network(X), forward(X, layers), rtol=1e-5, atol=1e-6)


def test_images_were_flattened_with_their_channels_first():
    """As `torchvision` has them; the network gets them with their channels last."""
    sizes, shape = (2 * 4 * 3, 5, 3), (2, 4, 3)
    layers, arrays = linears(sizes), named(layers=linears(sizes))
    images = np.random.default_rng(2).integers(0, 256, (6, *shape), "uint8")
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    inputs = (images / 255 - mean) / std  # (n, height, width, channels)
    preprocessing = preprocessing_layer("imagenet", images)
    for order, axes in (("chw", (0, 3, 1, 2)), ("hwc", (0, 1, 2, 3))):
        network, _, _ = network_from_arrays(
            arrays, sizes, preprocessing=preprocessing, image_shape=shape, image_order=order
        )
        flat = inputs.transpose(axes).reshape(6, -1)
        np.testing.assert_allclose(network(images), forward(flat, layers), rtol=1e-4, atol=1e-5)


def test_rows_of_a_kernel_are_put_in_the_order_of_the_pixels():
    """2 pixels side by side of 3 channels: r r g g b b becomes r g b r g b."""
    kernel = np.array([[10], [11], [20], [21], [30], [31]])
    assert channels_last(kernel, (1, 2, 3)).ravel().tolist() == [10, 20, 30, 11, 21, 31]


# -- what does not fit -----------------------------------------------------------------------------


def changed(arrays, **changes):
    """Return arrays with some changed, dots in names written as `__`; None = left out."""
    arrays = {**arrays, **{name.replace("__", "."): array for name, array in changes.items()}}
    return {name: array for name, array in arrays.items() if array is not None}


WRONG_SHAPES = {
    "turned": (
        changed(named(), **{"2__weight": linears()[1][0].T}),
        "layer 2, '2', must have a weight of shape (4, 5) (outputs, inputs), got (5, 4).",
    ),
    "bias": (
        changed(named(), **{"4__bias": np.zeros(4)}),
        "layer 3, '4', must have a bias of shape (5,), got (4,).",
    ),
    "too few": (
        changed(named(), **{"6__weight": None, "6__bias": None}),
        "the file has 3 Linear layers ('0' (5, 6), '2' (4, 5), '4' (5, 4)), but `--layers` "
        "6-5-4-5-3 has 4.",
    ),
    "inverse": (
        changed(lettered(), G2__weight=np.zeros((4, 5))),
        "the inverse of layer 2, 'G2', must have a weight of shape (5, 4) (outputs, inputs), got "
        "(4, 5).",
    ),
    "inverse of nothing": (
        changed(lettered(), G7__weight=np.zeros((4, 5))),
        "'G7' is the inverse of no layer: there are 4.",
    ),
}


@pytest.mark.parametrize("case", WRONG_SHAPES)
def test_a_wrong_shape_is_named(case):
    arrays, expected = WRONG_SHAPES[case]
    assert refused(network_from_arrays, arrays, SIZES) == expected
    assert check_shapes(*find_layers(lettered()), SIZES) is None


WRONG_NAMES = {
    "convolution": (changed(named(), **{"0__weight": np.zeros((2, 1, 3, 3))}), "'0.weight' of"),
    "batch norm": (changed(named(), **{"1__running_mean": np.zeros(5)}), "'1.running_mean' of"),
    "scale": (changed(named(), **{"1__weight": np.zeros(5)}), "'1.weight' of shape (5,)"),
    "only a bias": (changed(named(), **{"0__weight": None}), "layer '0' has a bias, but no"),
    "not finite": (changed(named(), **{"0__bias": np.full(5, np.nan)}), "'0.bias' has numbers"),
    "no order": (
        {"input.weight": np.zeros((5, 6)), "output.weight": np.zeros((3, 5))},
        "the names input, output do not tell the order of the layers; number them",
    ),
    "a gap": (changed(lettered(), F2__weight=None, F2__bias=None), "there is no F2, but an F4"),
    "from 0": (
        {"F0.weight": np.zeros((5, 6)), "F1.weight": np.zeros((3, 5))},
        "the forward layers must be F1 .. FM, got F0, F1.",
    ),
    "two in one": (
        changed(lettered(".0"), **{"F2__1__weight": np.zeros((4, 4))}),
        "F2 has two Linear layers, 'F2.0' and 'F2.1'.",
    ),
    "another": (
        changed(lettered(), critic__weight=np.zeros((4, 4))),
        "layer 'critic' is neither one of F1 .. FM nor of G2 .. G(M-1).",
    ),
    "inverses only": ({"G2.weight": np.zeros((4, 4))}, "the forward layers must be F1 .. FM, got"),
}


@pytest.mark.parametrize("case", WRONG_NAMES)
def test_what_is_no_chain_of_linear_layers_is_named(case):
    arrays, expected = WRONG_NAMES[case]
    assert expected in refused(network_from_arrays, arrays, SIZES)
