"""Layers are what their words say, and words that mean nothing are refused with their layer."""

import json
import re

import pytest
from recipes_support import message, write

from dtp_tf.recipes.config_files import read_config
from dtp_tf.recipes.layers_in_words import Conv, Dense, parse_layers
from dtp_tf.recipes.recipe import ACTIVATIONS, Recipe, recipe

LENET = ("conv 32 5 max 3/2 p1", "conv 64 5 max 3/2 p1", "dense 512")


def test_the_convolutional_recipes_have_the_published_layers():
    for name, activation in (("cifar10-cnn", "tanh"), ("cifar10-lenet", "elu")):
        built = recipe(name)
        assert (built.layers, built.units, built.activation) == (LENET, None, activation)
    vgg = recipe("cifar10-vgg")
    assert [one.split()[1] for one in vgg.layers] == ["128", "128", "256", "256", "512"]
    assert {tuple(one.split()[2:]) for one in vgg.layers} == {("3", "max", "2")}
    assert (vgg.activation, vgg.batch_size, vgg.epochs) == ("elu", 128, 90)
    assert (vgg.rule, vgg.target_step, vgg.learning_rate) == ("ldrl", 0.7, 0.05)
    assert (vgg.optimizer, vgg.inverse_optimizer) == ("sgd-momentum", "sgd-momentum")
    assert vgg.inverse_steps == (20, 30, 35, 55, 20)
    assert vgg.noise == (0.4, 0.4, 0.2, 0.2, 0.08)
    assert vgg.inverse_learning_rate == (1e-4, 3.5e-4, 8e-3, 8e-3, 0.18)
    assert all("/2" in one and "max" not in one for one in recipe("cifar10-allconv").layers)


def test_layers_are_what_their_words_say():
    found = parse_layers(
        ["conv 32 5", "conv 8 3/2 p1 elu max 3/2 p1", "conv 8 2 valid average 2", "dense 7",
         "dense 6 relu"],
        ACTIVATIONS,
    )  # fmt: skip
    assert found == [
        Conv(32, 5),
        Conv(8, 3, 2, 1, "elu", "max", 3, 2, 1),
        Conv(8, 2, padding="valid", pool="average", pool_size=2),
        Dense(7),
        Dense(6, "relu"),
    ]
    assert (found[0].padding, found[0].pool, found[0].activation) == ("same", None, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("convolution 32 5", "'convolution 32 5'; a layer is conv.*such as conv 32 5 max 2"),
        ("conv", "CHANNELS must be a whole number.*got nothing"),
        ("conv 0 5", "CHANNELS must be.*got '0'"),
        ("conv 32", "KERNEL must be pixels.*such as 3/2; got nothing"),
        ("conv 32 5x5", "KERNEL must be pixels.*got '5x5'"),
        ("conv 32 5/0", "KERNEL.*got '5/0'"),
        ("conv 32 5 max", "SIZE must be pixels.*got nothing"),
        ("conv 32 5 max 2 elu", "'elu' has no meaning, or not in this place.*the order is"),
        ("conv 32 5 pool 2", "'pool' has no meaning"),
        ("conv 32 5 max 2 same", "'same' has no meaning"),
        ("dense", "UNITS must be.*got nothing"),
        ("dense 2.5", "UNITS must be.*got '2.5'"),
        ("dense 5 max 2", "'max' has no meaning"),
        ("dense 5 tahn", "'tahn' has no meaning"),
    ],
)
def test_words_that_mean_nothing_are_refused_with_the_layer(text, words):
    found = message(recipe, layers=["conv 8 3", text])
    assert f"`layers` has {text!r}" in found
    assert re.search(words, found), found


def test_a_convolution_above_a_dense_layer_is_refused():
    assert "'conv 8 3' above a dense layer" in message(recipe, layers="dense 5, conv 8 3")


def test_layers_come_from_flags_lists_and_files_alike(tmp_path):
    expected = ("conv 8 3 max 2", "dense 5")
    config = write(tmp_path, "a.yaml", "layers:\n  - conv 8 3  max 2\n  - dense 5\n")
    for given in ("conv 8 3 max 2, dense 5", list(expected), read_config(config)["layers"]):
        built = recipe("digits", layers=given)
        assert (built.layers, built.units) == (expected, None)
        assert Recipe.from_dict(json.loads(json.dumps(built.to_dict()))) == built


def test_units_take_the_place_of_layers_and_the_other_way_round():
    assert recipe("cifar10-cnn", units=(10, 5)).layers is None
    assert recipe("cifar10-cnn").replace(units=(10, 5)).units == (10, 5)
    assert recipe("cifar10").replace(layers="dense 5").units is None
    assert recipe("cifar10-cnn", layers=None).units == (256, 256)
    assert recipe("cifar10-cnn", epochs=3).layers == LENET
    both = message(recipe, units=(3,), layers=("dense 3",))
    assert "`units` and `layers` both" in both and "3 and dense 3: give one" in both


def test_a_transmission_for_dense_layers_is_refused_for_convolutions():
    found = message(recipe, layers="conv 8 3", transmission="sign")
    assert "`transmission` sign is for dense layers" in found
    assert recipe(layers="dense 8", transmission="sign").layers == ("dense 8",)
