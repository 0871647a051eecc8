"""Consoles, and the tables that need no TensorFlow: answers, servers, load tests."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def make_console(stderr=False, quiet=False):
    """Return a console for human text; to stderr where stdout belongs to a program."""
    console = Console(stderr=stderr, quiet=quiet, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console = Console(stderr=stderr, quiet=quiet, highlight=False, soft_wrap=True, width=110)
    return console


def show_answers(console, answers):
    """Print the answers of `dtp_tf.evaluation.answer`."""
    table = Table(box=None, pad_edge=False)
    for name in ("image", "class", "score"):
        table.add_column(name, justify="right" if name == "score" else "left")
    for one in answers:
        for i, (label, score) in enumerate(zip(one["classes"], one["scores"], strict=True)):
            table.add_row("" if i else escape(one["image"]), escape(label), f"{score:.4f}")
    console.print(table)
