"""Accuracy per class, and which classes are taken for which."""

import numpy as np

from dtp_tf.reporting.blocks import Cell, Fold, Image, Images, Row, Table, Text
from dtp_tf.reporting.images import heat

FEW = 20  # classes up to which the matrix is a table of numbers
CONFUSED = 15  # pairs of classes that are listed
LONGEST = 24  # signs of a name at a column


def standard_error(accuracy, images):
    """Return the standard error of an accuracy that was measured on so many images."""
    return float(np.sqrt(accuracy * (1 - accuracy) / images))


def percent(accuracy, images=None):
    """Return an accuracy (0 .. 1) as text, with its standard error if the images are known."""
    if accuracy is None:
        return "-"
    if not images:
        return f"{100 * accuracy:.2f} %"
    return f"{100 * accuracy:.2f} ± {100 * standard_error(accuracy, images):.2f} %"


def class_blocks(report):
    """Return blocks of a report of `dtp_tf.evaluate`."""
    names = list(report["per_class"])
    matrix = report.get("confusion_matrix")
    if matrix is None or len(matrix) != len(names):
        return [_accuracies(report, None), Text("Not shown: there is no confusion matrix.", "note")]
    matrix = np.array(matrix)
    counts = matrix.sum(axis=1)
    table, most = _accuracies(report, counts), _confused(names, matrix)
    if len(names) <= FEW:
        return [Row([table, _numbers(names, matrix)]), *most]
    share = matrix / np.maximum(counts, 1)[:, None]
    accuracies = np.array([a for a in report["per_class"].values() if a is not None])
    text = (
        f"Of {len(names):,} classes the best has {percent(accuracies.max())}, the middle one "
        f"{percent(float(np.median(accuracies)))}, the worst {percent(accuracies.min())}."
    )
    alt = (
        f"confusion matrix of {len(names):,} classes: rows are true classes, columns answers, in "
        "the order of the table; the darker, the more often"
    )
    picture = Images(
        "Confusion matrix: a row for each true class, a column for each answer, both in the order "
        "of the classes; the darker, the larger the share of the true class.",
        [Image([(heat(share), alt)])], "large",
    )
    return [Text(text), picture, *most, Fold(f"All {len(names):,} classes", [table])]


def _accuracies(report, counts):
    rows = []
    for number, (name, accuracy) in enumerate(report["per_class"].items()):
        images = None if counts is None else int(counts[number])
        shown = "no image" if accuracy is None else percent(accuracy, images)
        rows.append([Cell(name, is_head=True), "-" if images is None else f"{images:,}", shown])
    return Table("Accuracy of each class on the test images, with its standard error.",
                 ["class", "images", "accuracy"], rows, (1, 2))


def _numbers(names, matrix):
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    rows = [
        [Cell(_cut(name), is_head=True),
         *(Cell(f"{n:,}" if n else "", s) for n, s in zip(line, shares, strict=True))]
        for name, line, shares in zip(names, matrix.tolist(), share.tolist(), strict=True)
    ]
    columns = tuple(range(1, len(names) + 1))
    return Table(
        "Confusion matrix: numbers of test images; a row for each true class, a column for each "
        "answer.", ["true class", *map(_cut, names)], rows, columns,
    )


def _confused(names, matrix):
    """Return a table of the pairs of classes that are confused most often."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:CONFUSED]
    rows = []
    for place in order:
        true, answer = np.unravel_index(place, wrong.shape)
        if wrong[true, answer]:
            share = wrong[true, answer] / matrix[true].sum()
            rows.append([names[true], names[answer], f"{wrong[true, answer]:,}",
                         f"{100 * share:.1f} %"])
    if not rows:
        return []
    return [Fold(
        f"The {len(rows)} most frequent confusions" if len(rows) > 1 else "The one confusion",
        [Table("What was taken for what most often.",
               ["true class", "answer", "images", "of the class"], rows, (2, 3))],
    )]


def _cut(name):
    return name if len(name) <= LONGEST else name[: LONGEST - 3] + "..."
