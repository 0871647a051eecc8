"""What a network answers with: the activation of its output layer, and what goes with it."""

import keras

from dtp_tf.errors import SettingError
from dtp_tf.network.losses import LossFacts

ACTIVATIONS = {
    "softmax": keras.activations.softmax,
    "sigmoid": keras.activations.sigmoid,
    "linear": keras.activations.linear,
}
LOSSES = {
    "softmax": "sparse_categorical_crossentropy",
    "sigmoid": "binary_crossentropy",
    "linear": "mean_squared_error",
}


def check_output(units, activation):
    """Raise `SettingError` for an output layer that cannot be."""
    if activation not in ACTIVATIONS:
        raise SettingError(
            f"`output_activation` must be one of {', '.join(ACTIVATIONS)}; got {activation!r}."
        )
    least = 2 if activation == "softmax" else 1
    if isinstance(units, bool) or not isinstance(units, int) or units < least:
        classes = ", the number of `classes`," if least == 2 else ""
        raise SettingError(
            f"`units`{classes} must be a whole number of at least {least} with "
            f"`output_activation` {activation}, got {units!r}."
        )


def default_metrics(loss, activation, units):
    """Return the metrics that say how good answers are, for `compile`."""
    facts, of = LossFacts(loss, units), activation
    if activation == "linear":
        if facts.kind is None:  # nobody knows what its labels are
            return []
        of = facts.kind.of
    if of == "softmax":
        return ["accuracy"]
    if of == "sigmoid":  # "accuracy" would compare the largest of several units only
        threshold = 0.0 if facts.from_logits else 0.5
        return [keras.metrics.BinaryAccuracy(name="binary_accuracy", threshold=threshold)]
    return ["mean_absolute_error"]
