"""Optimizers by the names that recipes use."""

import keras


def make_optimizer(name, learning_rate, schedule, steps):
    """Return a new Keras optimizer.

    Args:
        name: "adam", "sgd", "sgd-momentum" (0.9), "rmsprop" (Keras's defaults), "rmsprop-graves"
            or "rmsprop-torch".
        learning_rate: the initial one.
        schedule: "constant", or "cosine": falls to 0 along half a cosine over `steps` updates.
        steps: updates in the whole training.

    References:
        rmsprop-graves: Graves, "Generating Sequences With Recurrent Neural Networks", 2013,
        equations 38 to 41, as Lee et al. 2015 use it; Keras, too, has epsilon inside the root.
    """
    if schedule == "cosine":
        learning_rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    if name == "adam":
        return keras.optimizers.Adam(learning_rate)
    if name == "sgd":
        return keras.optimizers.SGD(learning_rate)
    if name == "sgd-momentum":
        return keras.optimizers.SGD(learning_rate, momentum=0.9)
    if name == "rmsprop":
        return keras.optimizers.RMSprop(learning_rate)
    if name == "rmsprop-graves":
        return keras.optimizers.RMSprop(
            learning_rate, rho=0.95, momentum=0.9, centered=True, epsilon=1e-3
        )
    if name == "rmsprop-torch":
        # PyTorch adds 1e-8 outside the root, Keras inside: 1e-16 there is the nearest.
        return keras.optimizers.RMSprop(learning_rate, rho=0.99, epsilon=1e-16)
    raise ValueError(f"unknown optimizer {name!r}")
