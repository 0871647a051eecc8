"""Initial weights by the names that recipes have for them."""

import keras


def initializer(name):
    """Return a new Keras initializer by a recipe's name for it."""
    if name == "torch_uniform":  # U(-1/sqrt(inputs), 1/sqrt(inputs))
        return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
    if name == "small_uniform":
        return keras.initializers.RandomUniform(-0.001, 0.001)
    return keras.initializers.get(name)
