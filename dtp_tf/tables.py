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


def show_server(console, found):
    """Print what `dtp_tf.serving.describe` found: versions, then signatures."""
    table = Table(box=None, pad_edge=False)
    for name in ("version", "state", "error"):
        table.add_column(name)
    for one in found["versions"]:
        table.add_row(str(one["version"]), one["state"], escape(one["error"] or "-"))
    console.print(f"model      {found['model']} at {found['url']}", markup=False)
    console.print(table)
    if found["signatures"] is None:
        console.print("no version is available, so the signatures are not known", markup=False)
        return
    console.print(f"\nsignatures of version {found['version']}", markup=False)
    table = Table(box=None, pad_edge=False)
    for name in ("signature", "", "name", "type", "shape"):
        table.add_column(name)
    for name, signature in found["signatures"].items():
        for kind in ("inputs", "outputs"):
            for tensor, info in signature[kind].items():
                table.add_row(
                    escape(name), kind[:-1], escape(tensor), info["dtype"], _shape(info["shape"])
                )
                name = ""
    console.print(table)


def _shape(sizes):
    if sizes is None:
        return "any"
    return escape("[" + ", ".join("n" if size == -1 else str(size) for size in sizes) + "]")


def show_load_test(console, result):
    """Print what `dtp_tf.load_test.load_test` measured."""
    console.print(
        f"{result['url']}: {result['images']} images, {result['batch_size']} per request, every "
        f"answer checked against the {result['checked_against']}",
        markup=False,
    )
    table = Table(box=None, pad_edge=False)
    names = ("workers", "requests", "requests/s", "images/s")
    for name in (*names, "p50 ms", "p90 ms", "p99 ms", "max ms", "wrong", "errors"):
        table.add_column(name, justify="right")
    for level in result["levels"]:
        latency = level["latency_ms"] or {}
        errors = ", ".join(f"{n} {kind}" for kind, n in level["errors"].items())
        table.add_row(
            str(level["concurrency"]),
            f"{level['requests']:,}",
            f"{level['requests_per_second']:,.1f}",
            f"{level['images_per_second']:,.1f}",
            *(f"{latency[p]:,.1f}" if p in latency else "-" for p in ("p50", "p90", "p99", "max")),
            f"{level['wrong']:,}",
            escape(errors or "0"),
        )
    console.print(table)
    for level in result["levels"]:
        if level["first_error"]:
            console.print(
                f"first error with {level['concurrency']} worker(s): {level['first_error']}",
                markup=False,
            )
