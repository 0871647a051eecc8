"""The named recipes of locally connected layers and residual blocks build and train."""

import dataclasses
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import digits

from dtp_tf.data.splits import Split
from dtp_tf.recipes.layers_in_words import Local, Residual
from dtp_tf.recipes.recipe import recipe
from dtp_tf.training.building import build_network

IMAGES = {"mnist": (28, 28, 1), "cifar10": (32, 32, 3)}
NAMES = ("mnist-local", "cifar10-local", "cifar10-resnet18")


def generated(shape, count=8):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(count, *shape), dtype="uint8")
    labels = np.arange(count, dtype="int64") % 10
    split = Split(images, labels)
    return dataclasses.replace(digits(), train=split, validation=split, test=split)


def narrower(text):
    """The layer with a sixteenth of its channels or units."""
    return re.sub(r"(?<= )\d+", lambda match: str(int(match[0]) // 16), text, count=1)


def test_their_layers_are_those_of_the_papers():
    local = [layer for layer in recipe("mnist-local").parsed_layers() if isinstance(layer, Local)]
    assert [(one.kernel_size, one.filters, one.strides) for one in local] == [
        (3, 32, 2), (3, 64, 2),
    ]  # fmt: skip
    local = [layer for layer in recipe("cifar10-local").parsed_layers() if isinstance(layer, Local)]
    assert [(one.kernel_size, one.filters, one.strides) for one in local] == [
        (5, 64, 2), (5, 128, 2), (3, 256, 1),
    ]  # fmt: skip
    for name in NAMES[:2]:
        assert recipe(name).parsed_layers()[-1].units == 1024
        assert recipe(name).activation == "tanh"
    optimizers = [recipe(name).optimizer for name in NAMES[:2]]
    assert optimizers == ["adam epsilon=1e-09 weight_decay=0.1", "adam"]
    stem, *blocks = recipe("cifar10-resnet18").parsed_layers()
    assert (stem.kernel_size, stem.strides, stem.pool, stem.norm) == (3, 1, None, True)
    assert all(isinstance(block, Residual) for block in blocks)
    assert [block.filters for block in blocks] == [64, 64, 128, 128, 256, 256, 512, 512]
    assert [block.strides for block in blocks] == [1, 1, 2, 1, 2, 1, 2, 1]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_they_train_a_few_steps_on_images_of_their_size(name):
    named = recipe(name)
    layers = tuple(narrower(text) for text in named.layers)
    data = generated(IMAGES[named.dataset])
    network = build_network(named.replace(layers=layers, batch_size=8), data)
    network.run_eagerly = True
    before = [keras.ops.convert_to_numpy(one) for one in network.forward_variables]
    batch = tf.constant(data.train.images), tf.constant(data.train.labels)
    losses = [float(network.train_step(batch)["loss"]) for _ in range(2)]
    assert np.isfinite(losses).all()
    for one, old in zip(network.forward_variables, before, strict=True):
        assert np.any(keras.ops.convert_to_numpy(one) != old), one.path
