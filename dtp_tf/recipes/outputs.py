"""Which losses fit which output activation. This module does not import TensorFlow."""

from dtp_tf.errors import SettingError

_OF_NUMBERS = "mean_squared_error mean_absolute_error huber log_cosh cosine_similarity".split()
# By output activation, the losses that fit it; the first is the default.
OUTPUT_LOSSES = {
    "softmax": ("categorical_crossentropy", "categorical_focal_crossentropy", *_OF_NUMBERS),
    "sigmoid": ("binary_crossentropy", "binary_focal_crossentropy", *_OF_NUMBERS),
    "linear": (*_OF_NUMBERS, "hinge", "squared_hinge", "categorical_hinge"),
}
LOSSES = tuple(dict.fromkeys(sum(OUTPUT_LOSSES.values(), ())))


def check_output(output_activation, loss, label_smoothing):
    """Raise `SettingError` for a loss that does not fit the output, or cannot smooth labels."""
    fitting = OUTPUT_LOSSES[output_activation]
    if loss is not None and loss not in fitting:
        raise SettingError(
            f"`loss` {loss} does not fit `output_activation` {output_activation}, which takes "
            f"{', '.join(fitting)}."
        )
    loss = loss or fitting[0]
    if label_smoothing and "crossentropy" not in loss:
        raise SettingError(
            f"`label_smoothing` {label_smoothing:g} is for cross-entropies, got the loss {loss}; "
            "leave it out, or give another loss."
        )
