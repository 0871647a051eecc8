"""Layers that send binary samples: an activation in [0, 1] is the probability that a unit sends 1.

In training every step draws fresh samples. Answers are the mean over passes with fixed thresholds,
so that they are the same in every process and do not depend on the rest of the batch.
"""

import keras
import numpy as np
import tensorflow as tf

# Passes that an answer is the mean of, as in Lee et al. 2015, section 3.3.
PASSES = 100


def bernoulli(probabilities, uniform):
    """Return 1 where a uniform number of [0, 1) is below the probability, else 0."""
    return tf.cast(uniform < probabilities, probabilities.dtype)


def above(difference):
    """1 where h - threshold is above 0, else 0; it has no gradient."""
    one = keras.ops.ones_like(difference)
    return keras.ops.where(keras.ops.greater(difference, 0), one, keras.ops.zeros_like(difference))


def thresholds(seed, layer, units):
    """Return the thresholds that what goes into a layer is held against: float32 `(PASSES, units)`.

    Args:
        seed: of the network.
        layer: number of the layer, from 0.
        units: of the layer below.
    """
    rng = np.random.default_rng((seed, layer))
    return rng.uniform(size=(PASSES, units)).astype("float32")


def first_sampled(layers):
    """Return the number of the first layer that gets samples, or None."""
    sampled = (i for i, layer in enumerate(layers) if layer.transmission == "sample")
    return next(sampled, None)


def sampled_passes(h, layers, first, seed):
    """Return the logits of every pass, `(batch, PASSES, classes)`.

    Args:
        h: the activations below layer `first`, `(batch, units)`.
        layers: all layers of the network, the output layer last.
        first: number of the first layer that gets samples.
        seed: of the network.
    """
    h = h[:, None]
    for number in range(first, len(layers)):
        layer = layers[number]
        if layer.transmission == "sample":
            limits = thresholds(seed, number, h.shape[-1])
            h = above(h - tf.cast(limits, h.dtype))
        h = layer.activate(layer.pre_activation(h))
    return h


def stock_sampling(units, number, seed, repeat):
    """Return the stock Keras layers that send samples, `PASSES` at once.

    Args:
        units: of the layer below.
        number, seed: see `thresholds`.
        repeat: whether the input is `(batch, units)`, and not yet one row for each pass.
    """
    subtract = keras.layers.EinsumDense(
        "bpu,u->bpu",
        output_shape=(PASSES, units),
        bias_axes="pu",
        trainable=False,
        name=f"thresholds_{number + 1}",
    )
    subtract.build((None, PASSES, units))
    subtract.set_weights([np.ones(units, "float32"), -thresholds(seed, number, units)])
    return [*([keras.layers.RepeatVector(PASSES)] if repeat else []), subtract, above]
