"""Weights of PyTorch: layers by name, transposes, shapes; equal outputs by NumPy; no code is run.

Most of it needs no PyTorch: what a file holds is arrays by name. Those tests that write files of
PyTorch's own are left out where it is not installed.
"""

import json
import os
import pickle
import re
import sys

import keras
import numpy as np
import pytest
from helpers import digits, hidden_files, invoke, refusal, succeeded
from PIL import Image
from safetensors.numpy import save_file

import dtp_tf
from dtp_tf.data.preprocessing import preprocessing_layer
from dtp_tf.errors import UserError
from dtp_tf.sharing.opening import load_preset
from dtp_tf.sharing.torch_weights import (
    channels_last,
    check_shapes,
    find_layers,
    flat_arrays,
    network_from_arrays,
    read_arrays,
)

SIZES = (6, 5, 4, 5, 3)
LAYERS = ",".join(map(str, SIZES))


def linears(sizes=SIZES, seed=0):
    """Return (weight (outputs, inputs), bias) of each layer, as PyTorch keeps them."""
    chance = np.random.default_rng(seed)
    return [
        (chance.normal(size=(n, m)).astype("float32"), chance.normal(size=n).astype("float32"))
        for m, n in zip(sizes, sizes[1:], strict=False)
    ]


def named(pattern="{}", layers=None, step=2):
    """Return the state dict of an `nn.Sequential`: Linear layers at 0, 2, 4, .."""
    found = {}
    for i, (weight, bias) in enumerate(layers or linears()):
        found[pattern.format(i * step) + ".weight"] = weight
        found[pattern.format(i * step) + ".bias"] = bias
    return found


def lettered(inner=""):
    """Return F1 .. F4 and G2, G3 of a notebook, whose G_i leads from layer i to layer i - 1."""
    found = {}
    for i, (weight, bias) in enumerate(linears(), start=1):
        found[f"F{i}{inner}.weight"], found[f"F{i}{inner}.bias"] = weight, bias
    for i in (2, 3):
        ((weight, bias),) = linears((SIZES[i], SIZES[i - 1]), seed=10 + i)
        found[f"G{i}{inner}.weight"], found[f"G{i}{inner}.bias"] = weight, bias
    return found


def softmax(logits):
    exponents = np.exp(logits - logits.max(-1, keepdims=True))
    return exponents / exponents.sum(-1, keepdims=True)


def forward(x, layers=None):
    """Return what the network of `linears` answers, computed with NumPy as PyTorch would."""
    layers = layers or linears()
    for i, (weight, bias) in enumerate(layers):
        x = x @ weight.T + bias
        x = np.tanh(x) if i < len(layers) - 1 else x
    return softmax(x)


X = np.random.default_rng(1).normal(size=(20, 6)).astype("float32")


# -- equal outputs ---------------------------------------------------------------------------------


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


def refused(call, *args):
    with pytest.raises(UserError) as caught:
        call(*args)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


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


# -- dictionaries ----------------------------------------------------------------------------------


def test_dictionaries_within_dictionaries_are_joined_by_dots():
    weight, bias = linears()[0]
    found = flat_arrays({"F1": {"0": {"weight": weight}}, "F2": {"bias": bias}, "epoch": 3})
    assert list(found) == ["F1.0.weight", "F2.bias"]
    assert all(array.dtype == np.float32 for array in found.values())


@pytest.mark.parametrize("name", ["state_dict", "model_state_dict", "model"])
def test_of_a_checkpoint_only_the_weights_are_taken(name):
    content = {name: named(), "optimizer": {"state": {"0": {"step": np.zeros(())}}}, "epoch": 7}
    assert list(flat_arrays(content)) == list(named())


@pytest.mark.parametrize("content", [[1, 2], 3.5, None])
def test_what_is_no_dictionary_is_refused(content):
    text = refused(flat_arrays, content)
    assert f"must be a dictionary by name, got {type(content).__name__}; save a state dict" in text


# -- files -----------------------------------------------------------------------------------------


def test_safetensors_come_back_as_they_are(tmp_path):
    save_file(named(), tmp_path / "w.safetensors")
    arrays = read_arrays(tmp_path / "w.safetensors")
    assert set(arrays) == set(named())
    for name, array in named().items():
        np.testing.assert_array_equal(arrays[name], array)


def test_half_precision_becomes_float32(tmp_path):
    save_file({"0.weight": np.float16([[0.1, 2]])}, tmp_path / "w.safetensors")
    (array,) = read_arrays(tmp_path / "w.safetensors").values()
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, np.float32(np.float16([[0.1, 2]])))


@pytest.mark.parametrize("content", [b"", b"an arbitrary text", bytes(100)])
def test_a_damaged_file_of_safetensors_is_refused(tmp_path, content):
    (tmp_path / "w.safetensors").write_bytes(content)
    assert "w.safetensors cannot be read (" in refused(read_arrays, tmp_path / "w.safetensors")


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_a_missing_file_is_said_to_be_missing(tmp_path, name):
    assert refused(read_arrays, tmp_path / name) == f"weights {tmp_path / name} do not exist."


@pytest.mark.parametrize(("name", "package"), [("w.pt", "torch"), ("w.safetensors", "safetensors")])
def test_a_missing_package_is_said_with_the_way_to_install_it(
    tmp_path, monkeypatch, name, package
):
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / name).touch()
    text = refused(read_arrays, tmp_path / name)
    assert text.endswith(f"the package {package} is needed: pip install {package}.")


# -- the command -----------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    save_file(lettered(), tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def test_a_file_becomes_a_preset_that_keras_loads(file, tmp_path):
    out = tmp_path / "preset"
    text = succeeded(invoke("import-torch", file, "--layers", LAYERS, "--out", out))
    assert text.splitlines()[0] == "inverses taken for layers 2, 3; drawn afresh: none"
    network = dtp_tf.DTPNetwork.from_preset(out)
    np.testing.assert_allclose(network(X), forward(X), rtol=1e-5, atol=1e-6)
    inverse = network.pairs[1].inverse_layer.kernel
    np.testing.assert_array_equal(inverse, lettered()["G2.weight"].T)
    network.fit(X, np.arange(20) % 3, epochs=1, verbose=0)
    classifier = dtp_tf.pretrained_classifier(out)
    np.testing.assert_allclose(classifier(X), forward(X), rtol=1e-5, atol=1e-6)
    facts = dtp_tf.preset_info(out)
    assert facts["source"]["file"] == "w.safetensors"
    assert facts["class_names"] == ["0", "1", "2"]
    assert facts["results"] is None
    assert "How they were trained is not known" in (out / "README.md").read_text()


def test_a_network_of_numbers_takes_no_images(file, tmp_path):
    out = tmp_path / "preset"
    succeeded(invoke("import-torch", file, "--layers", LAYERS, "--out", out))
    text = refusal(invoke("predict", out, "a.png"), 1)
    assert "takes inputs of shape (6,), which are no images" in text
    assert "does not say what data it was trained on" in refusal(invoke("evaluate", out), 1)


def test_a_network_of_images_names_classes(tmp_path):
    sizes, shape = (12, 5, 3), (2, 2, 3)
    save_file(named(layers=linears(sizes)), tmp_path / "w.safetensors")
    out = tmp_path / "preset"
    words = ("--layers", "12,5,3", "--image-shape", "2,2,3", "--class-names", "a, b,c")
    succeeded(invoke("import-torch", tmp_path / "w.safetensors", *words, "--out", out))
    pixels = np.random.default_rng(3).integers(0, 256, shape, "uint8")
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (answer,) = json.loads(succeeded(invoke("predict", out, tmp_path / "a.png", "--json")))
    expected = forward(pixels.transpose(2, 0, 1).reshape(1, 12) / 255, linears(sizes))[0]
    order = np.argsort(-expected)
    assert answer["classes"] == [("a", "b", "c")[i] for i in order]
    assert answer["scores"] == pytest.approx(expected[order].tolist(), rel=1e-4)
    exported = tmp_path / "exported"
    succeeded(invoke("export", out, "--export-dir", exported))
    assert os.listdir(exported / "preset") == ["1"]


def test_with_its_data_set_a_network_is_evaluated(tmp_path):
    """Weights of a network that was trained here, in the form that PyTorch would give them."""
    source = load_preset("digits_mlp_dtp").model
    arrays = {}
    for i, pair in enumerate(source.layers_up, start=1):
        arrays[f"F{i}.weight"] = np.ascontiguousarray(pair.forward_layer.kernel.numpy().T)
        arrays[f"F{i}.bias"] = pair.forward_layer.bias.numpy()
    save_file(arrays, tmp_path / "w.safetensors")
    out, words = tmp_path / "preset", ("--dataset", "digits", "--preprocessing", "symmetric")
    facts = json.loads(succeeded(invoke(
        "import-torch", tmp_path / "w.safetensors", "--layers", "64,512,512,512,10", *words,
        "--out", out, "--json",
    )))  # fmt: skip
    known = dtp_tf.preset_info("digits_mlp_dtp")["results"]["test"]
    assert facts["results"]["test"]["confusion_matrix"] == known["confusion_matrix"]
    assert facts["class_names"] == list(digits().class_names)
    content = json.loads(succeeded(invoke("evaluate", out, "--json")))
    assert content["accuracy"] == known["accuracy"]


WRONG_WORDS = {
    "layers": (["--layers", "6,many"], 2, "`layers` must be a whole number, got 'many'"),
    "no hidden": (["--layers", "6,3"], 2, "`layers` must be the inputs, the units of at least one"),
    "shape": (["--layers", LAYERS], 1, "the file has 4 Linear layers"),
    "activation": (["--layers", LAYERS, "--activation", "tan"], 2, "`activation` must be one of"),
    "no image": (["--layers", LAYERS, "--image-shape", "2,3"], 2, "must be height,width,channels"),
    "pixels": (
        ["--layers", LAYERS, "--image-shape", "2,2,3"], 2,
        "`layers` begins with 6 inputs, but images of 2x2x3 have 12 numbers.",
    ),
    "means": (
        ["--layers", LAYERS, "--image-shape", "1,2,3", "--preprocessing", "center"], 2,
        "`preprocessing` center takes its means from training images; give `dataset`.",
    ),
    "both": (
        ["--layers", LAYERS, "--image-shape", "1,2,3", "--dataset", "digits"], 2,
        "`dataset` and `image_shape` exclude each other",
    ),
    "classes": (
        ["--layers", LAYERS, "--class-names", "a,b"], 2,
        "`layers` ends with 3 classes, but there are 2 class names.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_WORDS)
def test_what_cannot_be_brought_in_is_said_and_leaves_nothing(case, tmp_path):
    words, code, expected = WRONG_WORDS[case]
    arrays = named() if case != "shape" else {**named(), "8.weight": np.zeros((3, 3), "float32")}
    expected = expected.replace("4 Linear", "5 Linear")
    save_file(arrays, tmp_path / "w.safetensors")
    result = invoke("import-torch", tmp_path / "w.safetensors", *words, "--out", tmp_path / "out")
    assert expected in refusal(result, code)
    assert os.listdir(tmp_path) == ["w.safetensors"]


def test_a_folder_in_use_is_left_alone(file, tmp_path):
    text = refusal(invoke("import-torch", file, "--layers", LAYERS, "--out", tmp_path), 1)
    assert "already exists" in text
    assert not hidden_files(tmp_path)


# -- files of PyTorch ------------------------------------------------------------------------------


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def modules(torch):
    """Return the layers of `linears` as modules of PyTorch."""
    found = []
    for weight, bias in linears():
        layer = torch.nn.Linear(*reversed(weight.shape))
        layer.load_state_dict({"weight": torch.tensor(weight), "bias": torch.tensor(bias)})
        found.append(layer)
    return found


def sequential(torch):
    f1, f2, f3, f4 = modules(torch)
    tanh = torch.nn.Tanh
    return torch.nn.Sequential(f1, tanh(), f2, tanh(), f3, tanh(), f4)


def test_pytorch_itself_gives_what_the_network_gives(torch, tmp_path):
    model = sequential(torch)
    torch.save(model.state_dict(), tmp_path / "w.pt")
    network, _, _ = network_from_arrays(read_arrays(tmp_path / "w.pt"), SIZES)
    with torch.no_grad():
        theirs = torch.softmax(model(torch.tensor(X)), -1).numpy()
    np.testing.assert_allclose(network(X), theirs, rtol=1e-5, atol=1e-6)


def test_a_module_list_and_dictionaries_of_state_dicts_are_read(torch, tmp_path):
    layers = modules(torch)
    contents = [
        torch.nn.ModuleList(layers).state_dict(),
        {f"F{i}": layer.state_dict() for i, layer in enumerate(layers, start=1)},
        {"state_dict": sequential(torch).state_dict(), "epoch": 3},
        {f"F{i}": torch.nn.Sequential(layer).double().state_dict()
         for i, layer in enumerate(layers, start=1)},
        {name: torch.tensor(array) for name, array in lettered().items()},
    ]  # fmt: skip
    for i, content in enumerate(contents):
        torch.save(content, tmp_path / f"{i}.pt")
        network, _, _ = network_from_arrays(read_arrays(tmp_path / f"{i}.pt"), SIZES)
        np.testing.assert_allclose(network(X), forward(X), rtol=1e-5, atol=1e-6)


def test_a_bfloat16_tensor_becomes_float32(torch):
    found = flat_arrays({"0.weight": torch.tensor([[1.5, 2]], dtype=torch.bfloat16)})
    np.testing.assert_array_equal(found["0.weight"], np.float32([[1.5, 2]]))


def test_a_file_of_pytorch_becomes_a_preset(torch, tmp_path):
    torch.save(sequential(torch).state_dict(), tmp_path / "w.pt")
    words = ("--layers", LAYERS, "--out", tmp_path / "preset")
    text = succeeded(invoke("import-torch", tmp_path / "w.pt", *words))
    assert text.startswith("inverses taken for layers none; drawn afresh: 2, 3\n")
    network = load_preset(tmp_path / "preset").model
    np.testing.assert_allclose(network(X), forward(X), rtol=1e-5, atol=1e-6)


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __reduce__(self):
        return open, (os.environ["DTP_TF_TRAP"], "w")


def test_no_code_in_a_file_is_run(torch, tmp_path, monkeypatch):
    trap = tmp_path / "sprung"
    monkeypatch.setenv("DTP_TF_TRAP", str(trap))
    torch.save({"0.weight": Trap()}, tmp_path / "evil.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Trap()))
    torch.save(sequential(torch), tmp_path / "whole.pt")
    for name in ("evil.pt", "plain.pt", "whole.pt"):
        text = refused(read_arrays, tmp_path / name)
        assert re.search(r"is no file of weights alone: .* so it is not opened; save a state", text)
    assert not trap.exists()
    pickle.loads(pickle.dumps(Trap())).close()
    assert trap.exists()  # the trap works


@pytest.mark.parametrize("content", [b"", b"an arbitrary text", b"PK\x03\x04" + bytes(50)])
def test_a_damaged_file_of_pytorch_is_refused(torch, tmp_path, content):
    (tmp_path / "w.pt").write_bytes(content)
    text = refused(read_arrays, tmp_path / "w.pt")
    assert "cannot be read" in text or "is no file of weights alone" in text


def test_tensors_alone_are_no_layers(torch, tmp_path):
    torch.save(torch.ones(3), tmp_path / "w.pt")
    assert "must be a dictionary by name, got Tensor" in refused(read_arrays, tmp_path / "w.pt")
    torch.save({}, tmp_path / "w.pt")
    assert "holds no weights" in refused(read_arrays, tmp_path / "w.pt")
