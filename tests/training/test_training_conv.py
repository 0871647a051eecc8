"""A convolutional network through everything around it: train, resume, export, predict, presets."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import Copied, arrays, assert_same_arrays, digits, invoke, succeeded, train
from PIL import Image

import dtp_tf
from dtp_tf.console.console import show_network
from dtp_tf.console.tables import make_console
from dtp_tf.errors import SettingError
from dtp_tf.presets.writing import layers_text
from dtp_tf.runs.models import load_model
from dtp_tf.sharing.run_presets import save_run
from dtp_tf.training.building import build_network
from dtp_tf.training.initial import initialize

pytestmark = pytest.mark.slow  # they share a trained convolutional network

# Two convolutions, so that an inverse unpools, and with overlapping windows.
LAYERS = ("conv 6 3 max 3/2 p1", "conv 8 3 elu max 2", "dense 24 tanh")
SETTINGS = {
    "units": None,
    "layers": LAYERS,
    "activation": "elu",
    "rule": "ldrl",
    "epochs": 3,
    "batch_size": 32,
    "learning_rate": 1e-2,
    "inverse_steps": 1,
    "inverse_learning_rate": 1e-2,
    "diagnostics_every": 1,
    "pixel_noise": 0,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on the digits: (its folder, the network, its history)."""
    home = tmp_path_factory.mktemp("conv")
    network, history = train(home / "run", **SETTINGS)
    return home / "run", network, history


def test_a_network_of_words_is_built_in_its_shapes(run):
    _, network, _ = run
    assert [type(pair).__name__ for pair in network.pairs] == ["Conv2DPair"] * 2 + ["DensePair"]
    assert [pair.above for pair in network.pairs] == [(4, 4, 6), (2, 2, 8), (24,)]
    activations = [keras.activations.serialize(pair.activation) for pair in network.pairs]
    assert activations == ["elu", "elu", "tanh"]
    names = [pair.inverse_activation.__name__ for pair in network.pairs]
    assert names == ["matched_elu", "matched_elu", "matched_tanh"]
    assert layers_text(network) == "8x8x1-4x4x6-2x2x8-24-10"
    assert network.preprocessing.output_shape == (None, 8, 8, 1)


def test_it_learns_and_its_log_has_its_angles(run):
    _, _, history = run
    logs = history.history
    assert logs["val_accuracy"][-1] > 0.3
    assert logs["loss"][1] < logs["loss"][0]
    for i in (1, 2, 3):
        assert 0 < logs[f"angle_bp_{i}"][-1] < 90 or i == 3
    assert all(0 < logs[f"angle_jacobian_{i}"][-1] < 90 for i in (2, 3, 4))
    assert logs["angle_jacobian_2"][1] < logs["angle_jacobian_2"][0]


def test_the_table_of_layers_says_shapes_kernels_and_weights(run, capsys):
    _, network, _ = run
    show_network(make_console(), network, dtp_tf.recipe("digits", **SETTINGS))
    text = " ".join(capsys.readouterr().out.split())
    assert "1 8x8x1 -> 4x4x6 conv 3x3 max 3x3/2 elu 60 - -" in text
    assert "2 4x4x6 -> 2x2x8 conv 3x3 max 2x2/2 elu 440 2x2x8 -> 4x4x6 matched 438" in text
    assert "3 2x2x8 -> 24 tanh 792 24 -> 2x2x8 matched 800" in text
    assert "output 24 -> 10 softmax 250 10 -> 24 linear 264" in text


def test_the_classifier_the_export_and_predict_agree(run, tmp_path):
    path, network, _ = run
    images = digits().test.images[:20]
    expected = np.asarray(network(images))
    classifier = keras.saving.load_model(path / "classifier.keras")
    np.testing.assert_allclose(classifier(images), expected, rtol=1e-4, atol=1e-6)
    assert {type(one).__module__.split(".")[0] for one in classifier.layers} == {"keras"}
    words = ("export", path, "--name", "conv", "--export-dir", tmp_path, "--json")
    version = json.loads(succeeded(invoke(*words)))["export"]
    served = tf.saved_model.load(version).signatures["serving_default"]
    found = served(images=tf.constant(images))["probabilities"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    Image.fromarray(images[0, ..., 0]).save(tmp_path / "one.png")
    (answer,) = json.loads(succeeded(invoke("predict", path, tmp_path / "one.png", "--json")))
    assert answer["classes"][0] == str(expected[0].argmax())


def test_a_preset_of_it_gives_its_answers(run, tmp_path):
    path, network, _ = run
    facts = save_run(path, tmp_path / "preset")
    assert "8x8x1-4x4x6" in json.dumps(facts)
    again = dtp_tf.DTPNetwork.from_preset(tmp_path / "preset")
    images = digits().test.images[:20]
    np.testing.assert_array_equal(again(images), network(images))


def built(**changes):
    recipe = dtp_tf.recipe("digits", **{**SETTINGS, "seed": 5, **changes})
    return build_network(recipe, digits())


def test_another_training_starts_from_its_weights(run):
    path, _, _ = run
    source = load_model(path / "best.keras").model
    network = built(rule="dtp", diagnostics_every=None, inverse_steps=None)
    line = initialize(network, path)
    assert line.endswith("inverses of layers none; drawn afresh: 2, 3")
    for one, other in zip(network.forward_variables, source.forward_variables, strict=True):
        np.testing.assert_array_equal(one, other)
    line = initialize(built(), path / "classifier.keras")
    assert line.endswith("inverses of layers none; drawn afresh: 2, 3, 4")


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (("conv 6 3 max 3/2 p1", "dense 24"), "has 4 layers \\(1-6-8-24-10\\).* 3 \\(1-6-24-10\\)"),
        (("conv 6 5 max 3/2 p1", *LAYERS[1:]), "layer 1 needs weights of 5x5x1x6 \\(pixels x"),
        (("conv 6 3 max 2", *LAYERS[1:]), "layer 1 has the pool_size 2, got 3; give --layers"),
        (("conv 6 3 tanh max 3/2 p1", *LAYERS[1:]), "layer 1 has the activation tanh, got elu"),
    ],
)
def test_weights_for_other_layers_are_refused(run, layers, words):
    with pytest.raises(SettingError, match=words):
        initialize(built(layers=layers), run[0])


@pytest.mark.slow  # XLA takes its time to compile whole steps
def test_a_resumed_run_ends_with_the_bits_of_the_uninterrupted_one(tmp_path):
    settings = {
        "units": None, "layers": ("conv 3 3 max 3/2 p1", "conv 4 3 max 2"), "epochs": 2,
        "deterministic": True, "batch_size": 256,
    }  # fmt: skip
    parts = Copied(tmp_path / "whole", tmp_path / "parts", after=1)
    train(tmp_path / "whole", **settings, callbacks=[parts])
    dtp_tf.train(resume=tmp_path / "parts", export_dir=None, console=make_console(quiet=True))
    whole, parts = (arrays(tmp_path / name / "last.keras") for name in ("whole", "parts"))
    assert_same_arrays(whole, parts)


def test_images_too_small_for_the_layers_are_refused_in_a_sentence(tmp_path):
    words = ("train", "digits", "--layers", "conv 4 3 max 4, conv 4 3 max 4", "--run-dir", tmp_path)
    result = invoke(*words, "--no-export")
    assert result.exit_code == 2
    assert "'pair_2' pools windows of 4x4 pixels, more than are left" in result.stderr
