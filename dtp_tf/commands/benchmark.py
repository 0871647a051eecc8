"""The command `benchmark`."""

import re

import click

from dtp_tf.commands.options import Seconds, data_dir_option, echo, json_option, print_json
from dtp_tf.errors import SettingError
from dtp_tf.processes.quiet import import_tensorflow

MAX_BATCH = 10_000


@click.command(epilog="Example:  python cli.py benchmark --batch-sizes 128,1024")
@click.option(
    "--batch-sizes", default="128,1024", show_default=True, metavar="N,..",
    help="Images per batch, measured one after the other.",
)  # fmt: skip
@click.option(
    "--seconds", type=Seconds(), default=2.0, show_default=True,
    help="Length of a window; the fastest of five windows counts.",
)  # fmt: skip
@click.option(
    "--start-up", is_flag=True,
    help="Measure `train cifar10` as well: its first step, and its memory. Needs the data.",
)  # fmt: skip
@click.option("--profile", is_flag=True, help="Show where the time of a training step goes.")
@data_dir_option
@json_option
def benchmark(batch_sizes, seconds, start_up, profile, data_dir, as_json):
    """Measure how fast this machine trains, beside its matrix products.

    The network is that of the recipe cifar10, on random images: no data are needed. Other work on
    the machine falsifies the numbers. It takes about five minutes.
    """
    sizes = _sizes(batch_sizes)
    import_tensorflow()
    from dtp_tf.benchmarking.start_up import measure_start_up
    from dtp_tf.benchmarking.throughput import measure_throughput
    from dtp_tf.console.tables import make_console, show_throughput

    # Before the long measurement, since the data may be missing.
    started = measure_start_up("cifar10", data_dir) if start_up else None
    found = measure_throughput(
        batch_sizes=sizes,
        seconds=seconds,
        profile=profile,
        report=lambda text: echo(f"measuring {text}", err=True),
    )
    found["start_up"] = started
    if as_json:
        print_json(found)
    else:
        show_throughput(make_console(), found)


def _sizes(text):
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(re.fullmatch("0*[1-9][0-9]{0,17}", part) for part in parts):
        raise SettingError(
            "`--batch-sizes` must be whole numbers from 1 with commas between them, got "
            f"{text[:40]!r}."
        )
    sizes = [int(part) for part in parts]
    if max(sizes) > MAX_BATCH:  # twenty batches of images are made
        raise SettingError(f"`--batch-sizes` must be at most {MAX_BATCH:,}, got {max(sizes):,}.")
    return sizes
