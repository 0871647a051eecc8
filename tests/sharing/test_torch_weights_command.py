"""`import-torch` makes a preset of a file of weights, or says what is wrong and leaves nothing."""

import json
import os

import numpy as np
import pytest
from helpers import digits, hidden_files, invoke, refusal, succeeded
from PIL import Image
from safetensors.numpy import save_file
from torch_weights_support import LAYERS, X, forward, lettered, linears, named

import dtp_tf
from dtp_tf.sharing.opening import load_preset


@pytest.fixture
def file(tmp_path):
    save_file(lettered(), tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_network_of_numbers_takes_no_images(file, tmp_path):
    out = tmp_path / "preset"
    succeeded(invoke("import-torch", file, "--layers", LAYERS, "--out", out))
    text = refusal(invoke("predict", out, "a.png"), 1)
    assert "takes inputs of shape (6,), which are no images" in text
    assert "does not say what data it was trained on" in refusal(invoke("evaluate", out), 1)


@pytest.mark.slow
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


@pytest.mark.slow
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
