"""What is known of a loss: the labels that it takes, and the answers that make it smallest."""

import dataclasses
import inspect
from collections.abc import Callable

import keras
import tensorflow as tf

CHOOSE_BY_LABELS = ("crossentropy", "ce")  # Keras takes the cross-entropy that fits the labels
_CALL = keras.losses.MeanSquaredError.call  # which all losses of Keras have in common


@dataclasses.dataclass(frozen=True)
class Kind:
    """What is known of a loss function.

    Attributes:
        of: "softmax" for probabilities of classes that exclude each other, "sigmoid" for one of
            each unit, "linear" for any numbers.
        lowest: a function (y, arguments of the loss) -> the answers that make the loss of vectors
            y smallest, None where that has no closed form.
        sparse: whether labels are numbers of classes, and not vectors.
        logits: whether it has an argument `from_logits`.
    """

    of: str
    lowest: Callable
    sparse: bool = False
    logits: bool = False


def _same(y, arguments):
    return y


def _smoothed(y, arguments):
    """y (1 - a) + a / classes, as Keras smooths labels of classes."""
    amount = arguments.get("label_smoothing", 0.0)
    return y * (1 - amount) + amount / y.shape[-1]


def _smoothed_units(y, arguments):
    """y (1 - a) + a / 2, as Keras smooths labels of units."""
    amount = arguments.get("label_smoothing", 0.0)
    return y * (1 - amount) + amount / 2


def _hard(y, arguments):
    """y; if an example weighs less the more certain its answer is, smoothed labels have no optimum
    in closed form."""
    return None if arguments.get("label_smoothing", 0.0) else y


def _all_counted(y, arguments):
    """y; an example that is left out has no best answer."""
    return y if arguments.get("ignore_class") is None else None


def _signs(y, arguments):
    """y, with -1 and 1 for 0 and 1, as Keras takes them."""
    return tf.where(tf.reduce_all((y == 0) | (y == 1)), 2 * y - 1, y)


_OF = keras.losses
KINDS = {
    _OF.sparse_categorical_crossentropy: Kind("softmax", _all_counted, sparse=True, logits=True),
    _OF.categorical_generalized_cross_entropy: Kind("softmax", _same, sparse=True),
    _OF.categorical_crossentropy: Kind("softmax", _smoothed, logits=True),
    _OF.categorical_focal_crossentropy: Kind("softmax", _hard, logits=True),
    _OF.kl_divergence: Kind("softmax", _same),
    _OF.binary_crossentropy: Kind("sigmoid", _smoothed_units, logits=True),
    _OF.binary_focal_crossentropy: Kind("sigmoid", _hard, logits=True),
    _OF.mean_squared_error: Kind("linear", _same),
    _OF.mean_absolute_error: Kind("linear", _same),
    _OF.mean_absolute_percentage_error: Kind("linear", _same),
    _OF.mean_squared_logarithmic_error: Kind("linear", _same),
    _OF.huber: Kind("linear", _same),
    _OF.log_cosh: Kind("linear", _same),
    _OF.poisson: Kind("linear", _same),
    _OF.cosine_similarity: Kind("linear", _same),
    _OF.categorical_hinge: Kind("linear", _same),
    _OF.hinge: Kind("linear", _signs),
    _OF.squared_hinge: Kind("linear", _signs),
}


class LossFacts:
    """What is known of one loss, where it is one of Keras's.

    Args:
        loss: as `compile` takes it: a name, a function or a `keras.losses.Loss`.
        units: width of the answers.
        y: labels, by whose shape Keras chooses "crossentropy".

    Attributes:
        name: of the loss.
        kind: its `Kind`; None if it is not Keras's, or goes along another axis than the units.
        arguments: of its function.
    """

    def __init__(self, loss, units, y=None):
        self.name = loss if isinstance(loss, str) else getattr(loss, "name", None)
        if self.name in CHOOSE_BY_LABELS:
            loss = _cross_entropy(units, y)
        loss = keras.losses.get(loss)
        function = getattr(loss, "fn", loss)
        self.name = self.name or getattr(loss, "__name__", type(loss).__name__)
        self.arguments = getattr(loss, "_fn_kwargs", {})
        self.kind = KINDS.get(function) if inspect.isfunction(function) else None
        own = isinstance(loss, keras.losses.Loss) and type(loss).call is not _CALL
        if own or self.arguments.get("axis", -1) not in (-1, 1):
            self.kind = None

    @property
    def from_logits(self):
        return bool(self.arguments.get("from_logits", False))


def _cross_entropy(units, y):
    if units == 1:
        return keras.losses.binary_crossentropy
    if y is None or len(y.shape) < 2 or y.shape[-1] == 1:
        return keras.losses.sparse_categorical_crossentropy
    return keras.losses.categorical_crossentropy


def lowest_answers(loss, y, answers, activation):
    """Return the answers that make each example's own loss smallest: `(batch, units)`.

    That is the one-hot label, smoothed where the loss smooths it; the vector of labels; y itself.

    Args:
        loss: of a compiled network.
        y: labels of the loss.
        answers: the network's, `(batch, units)`.
        activation: of the output layer.

    Returns:
        None where there are none in closed form, such as for a loss that is not Keras's.
    """
    units = answers.shape[-1]
    facts = LossFacts(loss, units, y)
    if facts.kind is None or facts.from_logits:
        return None
    if facts.kind.sparse:
        vectors = tf.one_hot(tf.cast(tf.reshape(y, (-1,)), tf.int32), units, dtype=answers.dtype)
    else:
        vectors = tf.reshape(tf.cast(y, answers.dtype), (-1, units))
    lowest = facts.kind.lowest(vectors, facts.arguments)
    if lowest is None or activation == "linear":
        return lowest
    return tf.clip_by_value(lowest, 0.0, 1.0)  # such as the -1 of a hinge
