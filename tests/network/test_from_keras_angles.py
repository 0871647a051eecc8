"""L-DRL on a converted ResNet comes close to backpropagation in every pair."""

import keras
import numpy as np
import pytest
from keras import layers

import dtp_tf
from dtp_tf.evaluating.diagnostics import Diagnostics


def residual(x, channels, stride, name):
    y = layers.Conv2D(channels, 3, stride, padding="same", use_bias=False)(x)
    y = layers.BatchNormalization()(y)
    y = layers.ReLU()(y)
    y = layers.Conv2D(channels, 3, padding="same", use_bias=False)(y)
    y = layers.BatchNormalization()(y)
    if stride > 1:
        x = layers.Conv2D(channels, 1, stride)(x)
    return layers.ReLU(name=name)(layers.Add()([x, y]))


def resnet():
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", name="stem", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = residual(residual(x, 8, 1, "first"), 16, 2, "second")
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x))


@pytest.mark.slow
def test_the_updates_of_a_two_block_resnet_are_within_25_degrees_of_backpropagation_s():
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    y = np.arange(512) % 3
    x = rng.normal(size=(512, 8, 8, 3)) + 0.1 * rng.normal(size=(3, 8, 8, 3))[y]
    x, epochs, batch, steps = x.astype("float32"), 9, 64, 5
    network = dtp_tf.DTPNetwork.from_keras(resnet(), rule=dtp_tf.rules.LDRL(inverse_steps=steps))
    assert [pair.name for pair in network.pairs] == ["stem", "first", "mean"]
    falling = keras.optimizers.schedules.CosineDecay(1e-2, epochs * len(x) // batch * steps, 0.01)
    network.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(falling))
    diagnostics = Diagnostics(network, x[:128], y[:128])
    before = diagnostics.measure()
    network.fit(x, y, batch_size=batch, epochs=epochs, verbose=0)
    after = diagnostics.measure()
    for pair in (1, 2, 3):
        assert after[f"angle_bp_{pair}"] < 25 < before[f"angle_bp_{pair}"], (before, after)
