"""Refusing what does not fit: a loss, its labels, the output layer and the rule.

Targets move along the gradient of each example's own loss, so that a loss must be a mean over the
batch; and a rule without gradients has to know where a loss is smallest.
"""

import keras
import numpy as np
import tensorflow as tf

from dtp_tf.errors import SettingError
from dtp_tf.network.losses import LossFacts, lowest_answers

MEANS = ("sum_over_batch_size", "mean")


def one_loss(loss):
    """Return the one loss in what `compile` takes.

    Raises:
        SettingError: there are several, or it is no mean over the batch.
    """
    if isinstance(loss, (list, tuple)) or isinstance(loss, dict) and "class_name" not in loss:
        every = list(loss.values()) if isinstance(loss, dict) else list(loss)
        if len(every) != 1:
            raise SettingError(f"`loss` must be one loss, for one output, got {len(every)}.")
        loss = every[0]
    reduction = getattr(loss, "reduction", "mean")
    if reduction not in MEANS:
        raise SettingError(
            f"`loss` must be a mean over the batch, got reduction {reduction!r}; use "
            'reduction="sum_over_batch_size".'
        )
    return loss


def check_fits(loss, activation, units):
    """Raise `SettingError` if a loss makes nothing of what a network answers with.

    Args:
        loss: one that `one_loss` returned.
        activation, units: of the output layer.
    """
    facts = LossFacts(loss, units)
    kind = facts.kind
    if facts.from_logits and activation != "linear":
        raise SettingError(
            f"`loss` {facts.name} has from_logits=True, but the network answers with the "
            f'{activation} of its logits; leave it out, or use `output_activation` "linear".'
        )
    if kind is None or kind.of == "linear":
        return
    if activation == "linear" and not facts.from_logits:
        logits = " (or from_logits=True)" if kind.logits else ""
        raise SettingError(
            f"`loss` {facts.name} is of probabilities, and `output_activation` linear gives none; "
            f'use "{kind.of}"{logits}.'
        )
    if kind.of == "softmax" and (activation == "sigmoid" or units == 1):
        raise SettingError(
            f"`loss` {facts.name} is of classes that exclude each other, got `output_activation` "
            f"{activation} with {units} unit{'s' * (units > 1)}; use binary_crossentropy, or "
            "softmax with a unit for each class."
        )


def check_has_lowest(loss, activation, units, rule):
    """Raise `SettingError` if a rule that takes the best answers as targets cannot know them."""
    answers, facts = tf.zeros((1, units)), LossFacts(loss, units)
    y = tf.zeros(1) if facts.kind is not None and facts.kind.sparse else answers
    if lowest_answers(loss, y, answers, activation) is None:
        raise SettingError(
            f"the rule {type(rule).__name__} takes the answers with the smallest loss as targets, "
            f"and for `loss` {facts.name} they are not known in closed form; use a loss such as "
            "mean_squared_error, or a rule such as dtp."
        )


def check_labels(loss, y, answers, activation):
    """Raise `SettingError` for labels of another shape than a loss takes.

    Args:
        loss, answers, activation: see `lowest_answers`.
        y: labels; of them only the shape counts.
    """
    units = answers.shape[-1]
    if not hasattr(y, "shape"):
        what = "none" if y is None else f"a {type(y).__name__}"
        raise SettingError(f"`y` must be one array of labels, got {what}; give labels of x as y.")
    facts, shape = LossFacts(loss, units, y), y.shape
    rank = shape.rank if isinstance(shape, tf.TensorShape) else len(shape)
    if facts.kind is None or rank is None:
        return
    numbers = rank == 1 or rank == 2 and shape[-1] in (1, None)
    vectors = rank == 2 and shape[-1] in (units, None) or rank == 1 and units == 1
    if numbers if facts.kind.sparse else vectors:
        return
    wanted, instead = f"(batch, {units})", f"vectors with a number for each of {units} units"
    if facts.kind.sparse:
        wanted, instead = "(batch,)", "numbers of classes, or for vectors a loss such as "
        instead += "categorical_crossentropy"
    elif numbers and facts.kind.of == "softmax":
        instead += ", or for numbers of classes the loss sparse_categorical_crossentropy"
    arrived = ", ".join("batch" if n == 0 else str(size) for n, size in enumerate(shape))
    raise SettingError(
        f"`y` must have the shape {wanted} for `loss` {facts.name} and an output of {units} "
        f"{activation} unit{'s' * (units > 1)}, got ({arrived}{',' * (rank == 1)}); use {instead}."
    )


def check_mean(loss, y, answers, weighted=False):
    """Raise `SettingError` if the loss of two examples is not the mean of what each has alone.

    It is tried with numbers of no meaning, for what is not known to be a mean.

    Args:
        loss: of a compiled network.
        y, answers: labels and answers; of them only shapes and types count.
        weighted: whether examples have weights.
    """
    units, facts = answers.shape[-1], LossFacts(loss, answers.shape[-1], y)
    if facts.kind is not None or None in y.shape[1:]:
        return
    rng, shape = np.random.default_rng(0), (2, *y.shape[1:])
    p = rng.dirichlet(np.ones(units), size=2) if units > 1 else rng.uniform(size=(2, 1))
    floating = "float" in keras.backend.standardize_dtype(y.dtype)
    labels = rng.uniform(size=shape) if floating else rng.integers(2, size=shape)
    both, first, second = _tried(keras.losses.get(loss), labels, p)
    together, alone = np.mean(both), [np.mean(first), np.mean(second)]
    if not np.isclose(np.mean(alone), together, 1e-3) and np.isfinite(alone).all():
        raise SettingError(
            f"`loss` {facts.name} is no mean over the batch, by which targets are scaled: of two "
            f"examples it is {together:.6g}, and of each alone {alone[0]:.6g} and {alone[1]:.6g}; "
            "return a loss for each example, (batch,), or their mean."
        )
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if np.ndim(both) == 0 and np.isfinite(both) and (weighted or replicas > 1):
        what = "weigh" if weighted else "share"
        why = "the examples have weights" if weighted else f"there are {replicas} replicas"
        raise SettingError(
            f"`loss` {facts.name} gives one number for the whole batch, which leaves nothing to "
            f"{what}, and {why}; return a loss for each example, (batch,)."
        )


def _tried(loss, labels, answers):
    """The losses of two examples, of the first and of the second; no numbers where it fails."""
    each = loss.call if isinstance(loss, keras.losses.Loss) else loss
    dtype = keras.config.floatx()
    with tf.init_scope():  # at once, while a step is traced
        y, p = tf.constant(labels, dtype), tf.constant(answers, dtype)
        try:
            return [np.asarray(each(y[a:b], p[a:b])) for a, b in ((0, 2), (0, 1), (1, 2))]
        except Exception:  # training has its own numbers, and the loss may say what is wrong there
            return [np.array(np.nan)] * 3
