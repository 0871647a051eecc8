"""What networks for images of classes are trained to make small: the loss that a recipe names.

Its labels are numbers of classes. Most losses compare the answers with vectors, 1 for the class and
0 for the others; cross-entropy of softmax, the usual one, takes the numbers as they are.
"""

import keras
import tensorflow as tf

from dtp_tf.network.outputs import LOSSES


def recipe_loss(recipe):
    """Return the loss of one-hot labels that a recipe names; None for the usual one."""
    activation, name, smoothing = recipe.output_activation, recipe.loss, recipe.label_smoothing
    usual = name in (None, "categorical_crossentropy") and not smoothing
    if activation == "softmax" and usual:
        return None
    if name is None:
        name = LOSSES[activation].removeprefix("sparse_")
    loss = keras.losses.get("".join(word.capitalize() for word in name.split("_")))
    if smoothing:
        loss = type(loss).from_config({**loss.get_config(), "label_smoothing": smoothing})
    return loss


def labelled(loss, data, classes):
    """Return a batch `(images, labels, ..)` with the labels that a loss takes.

    Args:
        loss: what `recipe_loss` returned.
        data: a tuple whose second entry is numbers of classes, `(batch,)`.
        classes: how many.
    """
    if loss is None:
        return data
    images, labels, *weights = data
    return images, tf.one_hot(labels, classes), *weights
