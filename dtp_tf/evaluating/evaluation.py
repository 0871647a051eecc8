"""Accuracy overall and per class, the confusion matrix, and pictures of them."""

import dataclasses

import numpy as np

from dtp_tf.data.image_files import read_image
from dtp_tf.data.images import fit_image
from dtp_tf.data.streaming import faults_told
from dtp_tf.errors import UserError
from dtp_tf.evaluating.pictures import PLAIN, drawable, save_figure

TOP = 5  # answers that `top_5_accuracy` looks at


def evaluate(model, split, class_names, batch_size=1000, loss=None):
    """Return a report on a classifier as JSON types.

    Args:
        model: a Keras model, uint8 images -> a score for each class, such as its probability.
        split: a `dtp_tf.data.sets.Split`.
        class_names: one name per class.
        batch_size: images per step.
        loss: a Keras loss of one-hot labels; cross-entropy in nats by default.

    Returns:
        A dict: "accuracy" (0 .. 1), "balanced_accuracy" (the mean of the classes' accuracies),
        "top_5_accuracy" (how often the class is one of the five best answers; 1 for five classes
        or fewer), "loss" (mean over the images), "images" (their number),
        "per_class" (accuracy by class name; None where the split has no image of the class) and
        "confusion_matrix" (rows: true classes; columns: answers; numbers of images).

    Raises:
        UserError: a score is not finite.
    """
    return report(finite(predict(model, split, batch_size)), split.labels, class_names, loss)


def predict(model, split, batch_size=1000):
    """Return the scores of each class for a split, float32 `(n, classes)`."""
    with faults_told():
        parts = [model(images, training=False) for images, _ in split.batches(batch_size)]
    return np.concatenate([np.asarray(part) for part in parts])


def finite(scores):
    """Return scores as they are; of what is not finite, the best would mean nothing."""
    if not np.isfinite(scores).all():
        raise UserError(
            "the network's scores are not finite: its weights are damaged, or its training "
            "diverged; use another one, or train again with a lower `learning_rate`."
        )
    return scores


def report(scores, labels, class_names, loss=None):
    """Return the report of `evaluate` for given scores, `(n, classes)`."""
    answers = scores.argmax(axis=-1)
    classes = len(class_names)
    confusion = np.zeros((classes, classes), int)
    np.add.at(confusion, (labels, answers), 1)
    totals = confusion.sum(axis=1)
    recalls = [confusion[i, i] / totals[i] for i in range(classes) if totals[i]]
    best = np.argsort(-scores, axis=-1, kind="stable")[:, :TOP]
    return {
        "accuracy": float(np.mean(answers == labels)),
        "balanced_accuracy": float(np.mean(recalls)),
        "top_5_accuracy": float(np.mean((best == labels[:, None]).any(axis=-1))),
        "loss": _cross_entropy(scores, labels) if loss is None else _loss(loss, scores, labels),
        "images": len(labels),
        "per_class": {
            name: float(confusion[i, i] / totals[i]) if totals[i] else None
            for i, name in enumerate(class_names)
        },
        "confusion_matrix": confusion.tolist(),
    }


def _cross_entropy(probabilities, labels):
    of_label = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(of_label, 1e-12)).mean())


def _loss(loss, scores, labels):
    return float(loss(np.eye(scores.shape[-1], dtype=scores.dtype)[labels], scores))


def answer(saved, paths, top):
    """Classify image files.

    Args:
        saved: a `dtp_tf.runs.models.SavedModel`.
        paths: of the images; all are read before any is classified.
        top: classes per image, best first.

    Returns:
        One dict per image: "image" (its path), "classes" and "scores" (0 .. 1, but with
        linear output).

    Raises:
        UserError: an image that is missing, damaged or too large, a model that takes no images, or
            scores that are not finite.
    """
    shape = saved.image_shape()
    images = [np.asarray(fit_image(read_image(path), shape)) for path in paths]
    names = saved.class_names
    answers = []
    for path, image in zip(paths, images, strict=True):
        scores = finite(np.asarray(saved.model(image[None], training=False))[0])
        best = np.argsort(-scores, kind="stable")[:top]
        answers.append(
            {
                "image": str(path),
                "classes": [names[i] for i in best],
                "scores": [float(scores[i]) for i in best],
            }
        )
    return answers


def draw_confusion_matrix(result, path):
    """Draw the confusion matrix of a report, in percent of each true class."""
    matrix = np.array(result["confusion_matrix"], float)
    names = [drawable(name) for name in result["per_class"]]
    share = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    many = len(names) > 20
    side = 6.5 if not many else min(4 + 0.14 * len(names), 20)
    figure, axes = _figure(1, 1, side * 1.15, side)
    picture = axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    figure.colorbar(picture, ax=axes, label="% of the true class", shrink=0.8)
    size = 9 if not many else 5
    turn = 90 if many else 45
    axes.set_xticks(range(len(names)), names, rotation=turn, ha="right", fontsize=size, **PLAIN)
    axes.set_yticks(range(len(names)), names, fontsize=size, **PLAIN)
    axes.set(xlabel="answer", ylabel="true class")
    axes.set_title(f"accuracy {result['accuracy']:.2%}", y=1)
    if not many:
        for (row, column), value in np.ndenumerate(share):
            look = dict(ha="center", va="center", fontsize=8)
            color = "white" if value > 50 else "black"
            axes.text(column, row, f"{value:.0f}", color=color, **look)
    save_figure(figure, path)


@dataclasses.dataclass(frozen=True)
class Panel:
    """A diagram of logs over the epochs.

    Attributes:
        title: of the diagram.
        names: of the logs, one line each.
        scale: of the vertical axis, "linear" or "log".
        is_angle: whether these are degrees, of which 90 means nothing in common.
    """

    title: str
    names: list
    scale: str = "linear"
    is_angle: bool = False


def curve_panels(history):
    """Return the panels of losses, accuracies, local losses and reconstruction errors."""
    inverse = _named(history, "inverse_loss_")
    # L-DRL's loss falls below 0.
    lowest = min(
        (logs[name] for logs in history for name in inverse if logs.get(name) is not None),
        default=1,
    )
    return [
        Panel("loss", ["loss", "val_loss"]),
        Panel("accuracy", ["accuracy", "val_accuracy"]),
        Panel("local loss", _named(history, "local_loss_"), "log"),
        Panel("inverse loss", inverse, "log" if lowest > 0 else "linear"),
        Panel(
            "relative reconstruction error", _named(history, "val_reconstruction_error_"), "log"
        ),
    ]


def diagnostic_panels(history):
    """Return the panels of what `dtp_tf.evaluating.diagnostics` measured; none if it did not."""
    if not _named(history, "angle_bp_"):
        return []
    panels = [
        ("angle: update to backprop's (degrees)", "angle_bp_", "linear"),
        ("length of update / backprop's", "norm_ratio_bp_", "log"),
        ("angle: target to Gauss-Newton target (degrees)", "angle_gn_", "linear"),
        ("angle: Jacobian of g to that of f, transposed", "angle_jacobian_", "linear"),
        ("target difference (root mean square)", "target_difference_", "log"),
        ("relative reconstruction error", "val_reconstruction_error_", "log"),
    ]
    return [
        Panel(title, _named(history, prefix), scale, "angle" in prefix)
        for title, prefix, scale in panels
    ]


def draw_panel(axis, panel, history, marker="."):
    """Draw a `Panel` on an axis; a log has no point where it was not measured."""
    for name in panel.names:
        values = ((epoch, logs.get(name)) for epoch, logs in enumerate(history, start=1))
        points = [point for point in values if point[1] is not None]
        if points:
            axis.plot(*zip(*points, strict=True), label=_label(name), marker=marker)
    axis.set(xlabel="epoch", yscale=panel.scale)
    axis.set_title(panel.title, y=1)  # where it is anyway, without drawing all to find that out
    if panel.is_angle:
        axis.set_ylim(0, 100)
        axis.axhline(90, color="black", linestyle=":", linewidth=1)
    _finish_panel(axis)


def draw_curves(history, path):
    """Draw losses, accuracies, local losses and reconstruction errors over the epochs.

    Args:
        history: one dict of logs per epoch.
        path: of the picture.
    """
    figure, axes = _panels()
    panels = curve_panels(history)
    for axis, panel in zip(axes.flat, panels, strict=False):
        draw_panel(axis, panel, history)
    for axis in list(axes.flat)[len(panels) :]:
        axis.axis("off")
    save_figure(figure, path)


def draw_diagnostics(history, path):
    """Draw what `dtp_tf.evaluating.diagnostics` measured over the epochs; nothing if it did not.

    Args:
        history: one dict of logs per epoch.
        path: of the picture.
    """
    panels = diagnostic_panels(history)
    if not panels:
        return
    figure, axes = _panels()
    for axis, panel in zip(axes.flat, panels, strict=True):
        draw_panel(axis, panel, history)
    save_figure(figure, path)


def _finish_panel(axis):
    from matplotlib.ticker import MaxNLocator

    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.grid(alpha=0.3)
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=8)
    else:
        axis.text(0.5, 0.5, "no inverses", ha="center", transform=axis.transAxes)


def _named(history, prefix):
    names = dict.fromkeys(name for logs in history for name in logs)
    return [name for name in names if name.startswith(prefix)]


def _label(name):
    plain = {"loss": "training", "val_loss": "validation"}
    plain |= {"accuracy": "training", "val_accuracy": "validation"}
    return plain.get(name) or f"layer {name.rsplit('_', 1)[-1]}"


def _panels():
    """Return a figure with two rows of three panels, and these.

    Their places are known, so nothing needs to be drawn to find them: half of a picture's time.
    """
    figure, axes = _figure(2, 3, 15, 8, layout="none")
    figure.subplots_adjust(0.065, 0.07, 0.99, 0.95, wspace=0.25, hspace=0.26)
    return figure, axes


def _figure(rows, columns, width, height, layout="constrained"):
    from matplotlib.figure import Figure  # no window system, no global state

    figure = Figure(figsize=(width, height), layout=layout)
    return figure, figure.subplots(rows, columns)
