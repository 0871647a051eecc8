"""Normalised, residual, locally connected and dropped layers through everything around them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from battery import DENSE_ONLY
from helpers import digits, invoke, refusal, succeeded, train

import dtp_tf
from dtp_tf.console.console import show_network
from dtp_tf.console.tables import make_console
from dtp_tf.errors import SettingError
from dtp_tf.recipes.fitting import ONE_KERNEL
from dtp_tf.recipes.recipe import RULES
from dtp_tf.runs.models import load_model
from dtp_tf.training.building import build_network
from dtp_tf.training.initial import initialize

LAYERS = (
    "conv 4 3 norm max 2", "residual 6 /2", "local 5 2 dropout 0.2", "dense 12 norm relu",
    "dropout 0.1",
)  # fmt: skip
SETTINGS = {
    "units": None, "layers": LAYERS, "epochs": 2, "batch_size": 128, "learning_rate": 1e-2,
    "validation_fraction": 0.2,
}  # fmt: skip


def built(**changes):
    return build_network(dtp_tf.recipe("digits", **{**SETTINGS, "seed": 5, **changes}), digits())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run by dtp on the digits: (its folder, the network)."""
    path = tmp_path_factory.mktemp("blocks") / "run"
    network, _ = train(path, **SETTINGS)
    return path, network


@pytest.mark.slow
def test_a_network_of_words_is_built_in_its_shapes_and_shown(run, capsys):
    _, network = run
    kinds = [type(pair).__name__ for pair in network.pairs]
    assert kinds == ["BlockPair", "BlockPair", "LocallyConnected2DPair", "BlockPair"]
    assert [pair.above for pair in network.pairs] == [(4, 4, 4), (2, 2, 6), (2, 2, 5), (12,)]
    assert [pair.dropout for pair in network.pairs] == [0, 0, 0.2, 0.1]
    show_network(make_console(), network, dtp_tf.recipe("digits", **SETTINGS))
    text = " ".join(capsys.readouterr().out.split())
    assert "1 8x8x1 -> 4x4x4 conv_norm_1 44 - -" in text
    assert "2 4x4x4 -> 2x2x6 residual_2 600 2x2x6 -> 4x4x4" in text
    assert "3 2x2x6 -> 2x2x5 local 2x2 tanh dropout 0.2 500 2x2x5 -> 2x2x6 tanh 504" in text
    assert "4 2x2x5 -> 12 dense_norm_4 dropout 0.1 264 12 -> 2x2x5 260" in text


def layers_of(network, i):
    block = network.pairs[i].block
    return [type(layer).__name__ for layer in block.layers if layer.weights or "Add" in str(layer)]


def test_a_residual_block_has_a_convolution_for_its_shortcut_only_where_the_shape_changes():
    network = built(rule="bp", layers=("residual 4", "residual 4", "residual 4/2 average 2 p1"))
    assert layers_of(network, 0).count("Conv2D") == 3
    assert layers_of(network, 1).count("Conv2D") == 2
    assert layers_of(network, 2).count("Conv2D") == 3
    assert network.pairs[2].above == (3, 3, 4)
    block = network.pairs[1].block
    h = np.random.default_rng(0).normal(size=(3, 8, 8, 4)).astype("float32")
    first, second = (layer for layer in block.layers if isinstance(layer, keras.layers.Conv2D))
    inner = second(np.tanh(first(h) / np.sqrt(1 + 1e-5))) / np.sqrt(1 + 1e-5)
    np.testing.assert_allclose(block(h), np.tanh(inner + h), atol=1e-5)
    names = [layer.name for layer in block.layers if isinstance(layer, keras.layers.Conv2D)]
    assert names == ["residual_2_conv_1", "residual_2_conv_2"]
    assert not any(layer.use_bias for layer in (first, second))


BY_BLOCKS = [rule for rule in RULES if rule not in (*ONE_KERNEL, *DENSE_ONLY)]


@pytest.mark.slow
@pytest.mark.parametrize("rule", BY_BLOCKS)
def test_every_rule_moves_all_that_learns_in_such_a_network(rule):
    network = built(rule=rule)
    network.run_eagerly = True
    before = [keras.ops.convert_to_numpy(v) for v in network.trainable_variables]
    images, labels = digits().train.images[:16], digits().train.labels[:16]
    for phase in network.rule.passes:
        network.set_phase(phase)
        network.train_step((tf.constant(images), tf.constant(labels)))
    still = [
        variable.path
        for variable, old in zip(network.trainable_variables, before, strict=True)
        if np.all(keras.ops.convert_to_numpy(variable) == old)
    ]
    # Biases cancel in differences of affine inverses.
    assert all("bias" in path and rule in ("drl", "ldrl") for path in still), still


@pytest.mark.slow
def test_the_classifier_and_a_preset_give_the_answers_of_the_network(run, tmp_path):
    path, network = run
    images = digits().test.images[:20]
    expected = np.asarray(network(images))
    classifier = keras.saving.load_model(path / "classifier.keras")
    np.testing.assert_allclose(classifier(images), expected, rtol=1e-4, atol=1e-6)
    assert {type(one).__module__.split(".")[0] for one in classifier.layers} == {"keras"}
    succeeded(invoke("save-preset", path, tmp_path / "preset"))
    again = dtp_tf.DTPNetwork.from_preset(tmp_path / "preset")
    np.testing.assert_array_equal(again(images), expected)
    assert "residual 6 /2" in (tmp_path / "preset" / "README.md").read_text()


@pytest.mark.slow
def test_another_training_starts_from_its_weights_where_its_layers_are_the_same(run):
    path, _ = run
    source = load_model(path / "best.keras").model
    network = built(rule="bp")
    assert initialize(network, path) == f"forward weights of {path}"
    for one, other in zip(network.pairs, source.pairs, strict=True):
        own, theirs = (pair.forward_layer.get_weights() for pair in (one, other))
        assert all(np.array_equal(*both) for both in zip(own, theirs, strict=True))
    for layers, words in (
        (("conv 4 3 norm relu max 2", *LAYERS[1:]), "the block of layer 1 computes something else"),
        ((LAYERS[0], "residual 6", *LAYERS[2:]), "layer 3 needs weights of 4x4x24x5 .places"),
        (("conv 4 3 max 2", *LAYERS[1:]), r"layer 1 needs .* biases, got 3x3x1x4, .*\(a block\)"),
    ):
        with pytest.raises(SettingError, match=words):
            initialize(built(rule="bp", layers=layers), path)


@pytest.mark.slow
def test_products_in_bfloat16_leave_what_blocks_give_in_float32():
    images = digits().test.images[:9]
    layers = ("conv 4 3 norm", "residual 6 /2", "dense 12 norm")
    mixed, exact = (
        built(rule="bp", layers=layers, precision=one) for one in ("mixed_bfloat16", "float32")
    )
    for one, other in zip(mixed.weights, exact.weights, strict=True):
        one.assign(other)
    dtypes = {str(h.dtype) for h in mixed.activations(images)[1:]}
    assert dtypes == {"<dtype: 'float32'>"} or dtypes == {"float32"}
    assert np.any(np.asarray(mixed(images)) != exact(images))
    classifier = mixed.classifier()  # exact
    np.testing.assert_allclose(classifier(images), exact(images), rtol=1e-5, atol=1e-6)


def test_blocks_too_large_for_the_memory_are_refused_before_they_are_made(tmp_path):
    many = "residual 90000", "local 90000 9, local 90000 9", "dense 90000 norm, dense 90000 norm"
    for layers in many:
        words = ("train", "digits", "--layers", layers, "--run-dir", tmp_path / "run")
        assert "GB of memory" in refusal(invoke(*words), 2)
    words = ("train", "digits", "--layers", "conv 4 3 max 8, residual 4 max 2", "--no-export")
    assert "pools windows of 2x2 pixels, more than are left" in refusal(invoke(*words), 2)


def test_a_rule_that_cannot_teach_the_layers_is_refused_before_data_are_read(monkeypatch):
    monkeypatch.setattr("dtp_tf.training.train.load_data", None)
    words = ("train", "digits", "--layers", "conv 4 3, residual 4", "--rule", "fa")
    error = refusal(invoke(*words), 2)
    assert "`rule` fa needs layers with one set of weights, and layer 2 is a residual" in error
