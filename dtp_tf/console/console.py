"""What a person sees while training: the network, a progress bar, a line per epoch, the report."""

import os

import keras
import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from dtp_tf.console.plain import printable
from dtp_tf.console.tables import cell
from dtp_tf.console.tables import make_console as make_console
from dtp_tf.console.tables import show_answers as show_answers

MOST_COUNTS = 20  # classes whose images are counted one by one


def show_data(console, data):
    """Print the set, its splits and classes; of a folder, what is left out and what is double."""
    height, width, channels = data.image_shape
    test = "test split not read"
    if data.test is not None:
        test = f"{len(data.test):,} test ({data.test_origin})"
    console.print(
        f"data       {data.name}: {height}x{width}x{channels} images, "
        f"{len(data.class_names)} classes; {len(data.train):,} training, "
        f"{len(data.validation):,} validation, {test}",
        markup=False,
    )
    console.print(f"classes    {_counts(data)} (training images)", markup=False)
    if data.reading:
        console.print(f"images     {data.reading}", markup=False)
    if data.folder is not None:
        for line in folder_lines(data.folder):
            console.print(line, markup=False)
    if data.records is not None:
        for line in record_lines(data.records):
            console.print(line, markup=False)


def _counts(data):
    """Return how many training images there are of each class; of many classes, the range."""
    counts = np.bincount(data.train.labels, minlength=len(data.class_names))
    if len(counts) <= MOST_COUNTS:
        return ", ".join(f"{name} {n:,}" for name, n in zip(data.class_names, counts, strict=True))
    return f"{len(counts):,} classes of {counts.min():,} to {counts.max():,}"


def folder_lines(folder):
    """Return a line for each reason why files of a folder are left out, and one on copies."""
    lines = [
        f"left out   {len(paths):,} {reason}: {_examples(folder.path, paths)}"
        for reason, paths in sorted(folder.left_out.items())
    ]
    groups = folder.copies()
    if groups:
        files = sum(map(len, groups))
        line = f"identical  {files:,} files are {len(groups):,} images; each is in one split"
        across = [group for group in groups if len({file.label for file in group}) > 1]
        if across:
            paths = [file.path for file in across[0]]
            line += (
                f"; {len(across):,} of them are in several classes: "
                f"{_examples(folder.path, paths)}"
            )
        lines.append(line)
    return lines


def record_lines(records):
    """Return a line on what is left out of record files, and one on copies."""
    files, images = records.copies
    lines = []
    if records.leaks:
        lines.append(f"left out   {records.leaks:,} identical to images of another split")
    if files:
        lines.append(
            f"identical  {files:,} records are {images:,} images; each is in one split"
        )
    return lines


def _examples(folder, paths):
    shown = [os.path.relpath(path, folder) for path in paths[:3]]
    return printable(", ".join(shown), lines=False) + (", ..." if len(paths) > 3 else "")


def show_network(console, network, recipe):
    """Print the layers as pairs, with the numbers of forward and inverse weights."""
    table = Table(box=None, pad_edge=False)
    feedback = "inverse g" if network.inverted else "feedback"
    for name in ("layer", "forward f", "weights", feedback, "weights"):
        table.add_column(name, justify="right" if name == "weights" else "left")
    total = 0
    for i, pair in enumerate(network.layers_up):
        is_output = pair is network.output_pair
        below, above = shape_text(pair.below), shape_text(pair.above)
        activation = network.output_activation if is_output else activation_text(pair)
        dropout = f"dropout {pair.dropout:g}" if pair.dropout else ""
        words = (below, "->", above, pair.kind, activation, dropout)
        shape = " ".join(word for word in words if word)
        back = "-"
        if pair.inverse:
            linear = pair.inverse_activation is keras.activations.linear
            name = "linear" if linear else recipe.inverse_activation
            back = f"{above} -> {below} {name if activation else ''}".rstrip()
        elif i in network.feedback:
            kernel = getattr(network.feedback[i], "kernel", None)
            back = "own" if kernel is None else " -> ".join(map(str, _ends(kernel, pair)))
        forward, inverse = _count(pair.forward_variables), _count(network.feedback_weights(i))
        total += inverse
        number = "output" if is_output else str(i + 1)
        table.add_row(number, shape, f"{forward:,}", back, f"{inverse:,}" if inverse else "-")
    forward = _count(network.forward_variables)
    table.add_row("all", "", f"{forward:,}", "", f"{total:,}" if total else "-")
    console.print(table)


def shape_text(shape):
    """Return the shape of an example, as 16x16x32."""
    return "x".join(map(str, shape))


def activation_text(pair):
    """Return the name of f's activation; nothing for a block, which may have several."""
    activation = getattr(pair, "activation", None)
    return "" if activation is None else keras.activations.serialize(activation)


def _ends(kernel, pair):
    """What feedback leads from and to; a kernel of a convolution leads through the pair."""
    return kernel.shape if len(kernel.shape) == 2 else map(shape_text, (pair.above, pair.below))


def _count(variables):
    return sum(int(v.shape.num_elements()) for v in variables)


def epoch_line(epoch, epochs, logs):
    """Return one epoch's numbers as one line of text."""

    def several(prefix, style):
        values = [value for name, value in logs.items() if name.startswith(prefix)]
        return " ".join(format(value, style) for value in values) or "-"

    return (
        f"epoch {epoch:{len(str(epochs))}d}/{epochs}  "
        f"loss {logs['loss']:.4f} val {logs['val_loss']:.4f}  "
        f"accuracy {logs['accuracy']:.2%} val {logs['val_accuracy']:.2%}  "
        f"local {several('local_loss_', '.1e')}  inverse {several('inverse_loss_', '.3g')}  "
        f"{logs['images_per_second']:,.0f} images/s"
    )


def show_report(console, result, what):
    """Print accuracy overall and per class, and how many images there are of each.

    Reports of older versions have neither numbers of images nor the balanced accuracy.
    """
    counts = [sum(row) for row in result.get("confusion_matrix", ())]
    table = Table(box=None, pad_edge=False)
    table.add_column("class")
    for name in ["accuracy"] + ["images"] * bool(counts):
        table.add_column(name, justify="right")
    for i, (name, accuracy) in enumerate(result["per_class"].items()):
        share = "-" if accuracy is None else f"{accuracy:.2%}"
        table.add_row(cell(name), share, *(f"{n:,}" for n in counts[i : i + 1]))
    console.print(table)
    parts = [f"accuracy {result['accuracy']:.2%}"]
    if "balanced_accuracy" in result:
        parts.append(f"balanced accuracy {result['balanced_accuracy']:.2%}")
    if "top_5_accuracy" in result and len(result["per_class"]) > 5:
        parts.append(f"top-5 accuracy {result['top_5_accuracy']:.2%}")
    parts += [f"loss {result['loss']:.4f}", f"{result['images']:,} images"]
    console.print(f"{what}: {', '.join(parts)}", markup=False)


# Columns of a person's table by names of `dtp_tf.evaluating.diagnostics`.
_MEASURED = {
    "angle_bp": "degrees to bp",
    "norm_ratio_bp": "length / bp's",
    "angle_gn": "degrees to GN",
    "target_difference": "t - h",
    "angle_jacobian": "degrees of Jacobians",
}


def show_diagnostics(console, measured, what):
    """Print what `dtp_tf.evaluating.diagnostics` measured, a line for each layer."""
    layers = sorted({int(name.rpartition("_")[2]) for name in measured})
    table = Table(box=None, pad_edge=False)
    table.add_column("layer")
    for title in _MEASURED.values():
        table.add_column(title, justify="right")
    for layer in layers:
        values = (measured.get(f"{name}_{layer}") for name in _MEASURED)
        table.add_row(f"{layer}", *("-" if one is None else f"{one:.4g}" for one in values))
    console.print(table)
    console.print(what, markup=False)


class Display(keras.callbacks.Callback):
    """A progress bar on a terminal, and a line per epoch everywhere.

    It reads no losses inside an epoch, so it never makes the device wait.
    """

    def __init__(self, console):
        super().__init__()
        self.console = console
        self._progress = self._bar = None

    def on_epoch_begin(self, epoch, logs=None):
        if not self.console.is_terminal or self.console.quiet:
            return
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        self._progress.start()
        self._bar = self._progress.add_task(
            f"epoch {epoch + 1}/{self.params['epochs']}", total=self.params["steps"]
        )

    def on_train_batch_end(self, batch, logs=None):
        if self._progress is not None:
            self._progress.update(self._bar, completed=batch + 1)

    def on_epoch_end(self, epoch, logs=None):
        self.close()
        self.console.print(epoch_line(epoch + 1, self.params["epochs"], logs), markup=False)

    def on_train_end(self, logs=None):
        self.close()

    def close(self):
        """Take the progress bar away; also after an error, which skips the other methods."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
