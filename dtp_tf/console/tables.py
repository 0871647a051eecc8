"""Consoles, and the tables that need no TensorFlow: answers, servers, load tests."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dtp_tf.console.plain import printable


class PlainConsole(Console):
    """A console that shows names as they are: no codes for the terminal, no emoji.

    What the output's encoding has no sign for is shown as an escape.
    """

    def render_str(self, text, **options):
        shown = printable(text).encode(self.encoding, "backslashreplace").decode(self.encoding)
        return super().render_str(shown, **options)


def make_console(stderr=False, quiet=False):
    """Return a console for human text; to stderr where stdout belongs to a program."""
    options = dict(stderr=stderr, quiet=quiet, highlight=False, soft_wrap=True, emoji=False)
    console = PlainConsole(**options)
    return console if console.is_terminal else PlainConsole(**options, width=110)


def cell(text):
    """Return a name of any kind as a cell of a table: one line, as it is, without markup."""
    # `escape` doubles a backslash at the very end, which nothing takes away again.
    return escape(printable(text, lines=False) + " ")[:-1]


def show_answers(console, answers):
    """Print the answers of `dtp_tf.evaluating.evaluation.answer`."""
    table = Table(box=None, pad_edge=False)
    for name in ("image", "class", "score"):
        table.add_column(name, justify="right" if name == "score" else "left")
    for one in answers:
        for i, (label, score) in enumerate(zip(one["classes"], one["scores"], strict=True)):
            table.add_row("" if i else cell(one["image"]), cell(label), f"{score:.4f}")
    console.print(table)


def show_server(console, found):
    """Print what `dtp_tf.serving.client.describe` found: versions, then signatures."""
    table = Table(box=None, pad_edge=False)
    for name in ("version", "state", "error"):
        table.add_column(name)
    for one in found["versions"]:
        table.add_row(str(one["version"]), cell(one["state"]), cell(one["error"] or "-"))
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
                    cell(name), kind[:-1], cell(tensor), cell(info["dtype"]), _shape(info["shape"])
                )
                name = ""
    console.print(table)


def _shape(sizes):
    if sizes is None:
        return "any"
    return cell("[" + ", ".join("n" if size == -1 else str(size) for size in sizes) + "]")


def show_load_test(console, result):
    """Print what `dtp_tf.serving.load_test.load_test` measured."""
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
            cell(errors or "0"),
        )
    console.print(table)
    for level in result["levels"]:
        if level["cut_short"]:
            console.print(
                f"cut short by failures with {level['concurrency']} worker(s)", markup=False
            )
        if level["first_error"]:
            console.print(
                f"first error with {level['concurrency']} worker(s): {level['first_error']}",
                markup=False,
            )


def show_throughput(console, found):
    """Print what `dtp_tf.benchmarking.throughput.measure_throughput` found."""
    widths = "-".join(map(str, found["network"]))
    console.print(f"device     {found['device']}", markup=False)
    console.print(f"network    {widths}, float32")
    console.print(
        f"peak       {found['gemm_peak_gflops']:.0f} GFLOP/s, a product of matrices; memory "
        f"{found['memory_gb_per_second']:.0f} GB/s"
    )
    console.print("limit      the products of a step in their shapes, and the memory of Adam\n")
    table = Table(box=None, pad_edge=False)
    table.add_column("batch", justify="right")
    table.add_column("measured")
    for name in ("images/s", "GFLOP/s", "of the peak", "of the limit"):
        table.add_column(name, justify="right")
    for size, rates in found["batch_sizes"].items():
        measured = [(name, one) for name, one in rates.items() if isinstance(one, dict)]
        for i, (name, one) in enumerate(measured):
            table.add_row(
                "" if i else size,
                name,
                f"{one['images_per_second']:,.0f}",
                f"{one['gflops']:.0f}",
                f"{one['share_of_peak']:.1%}",
                f"{one['share_of_limit']:.1%}",
            )
    console.print(table)
    for size, rates in found["batch_sizes"].items():
        ratio = rates["dtp_epoch_over_bp_epoch"]
        console.print(f"\nbatches of {size}: an epoch of dtp takes {ratio:.2f} times one of bp")
        train, bp_train, fit = (rates[name] for name in ("train", "bp_train", "keras_bp_fit"))
        console.print(
            f"turn by turn, train has {train['share_of_step']:.1%} of the images/s of a step, "
            f"bp_train {bp_train['share_of_step']:.1%}; Keras's fit {fit['share_of_train']:.1%} of "
            "those of bp_train"
        )
        _show_profile(console, rates.get("profile", ()))
    started = found["start_up"]
    if started is not None:
        stages = ", ".join(f"{name} {took:.1f}" for name, took in started["stages"].items())
        memory = ", ".join(f"{name} {gb:.2f}" for name, gb in started["stages_memory_gb"].items())
        console.print(
            f"\ntrain cifar10: first step {started['first_step_seconds']:.1f} s after the start "
            f"({stages}), at most {started['peak_memory_gb']:.2f} GB of memory ({memory}); --help "
            f"{started['help_seconds']:.2f} s"
        )


def _show_profile(console, operations):
    if not operations:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("ms per step", justify="right")
    table.add_column("times", justify="right")
    table.add_column("operation (they run side by side)")
    for one in operations[:15]:
        table.add_row(f"{one['milliseconds']:.2f}", f"{one['times']:g}", cell(one["operation"]))
    console.print(table)
