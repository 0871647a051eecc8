"""Files of weights are read as they are, those of PyTorch where it is installed; no code is run."""

import os
import pickle
import re
import sys

import numpy as np
import pytest
from helpers import invoke, succeeded
from safetensors.numpy import save_file
from torch_weights_support import LAYERS, SIZES, X, forward, lettered, linears, named, refused

from dtp_tf.sharing.opening import load_preset
from dtp_tf.sharing.torch_weights import flat_arrays, network_from_arrays, read_arrays

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
