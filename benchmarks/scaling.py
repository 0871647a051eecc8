"""Measure how the time of an epoch and the memory grow with batch, width and depth, and draw it.

    python benchmarks/scaling.py --out docs/benchmarks

Every point is a process of its own, which trains on random images of CIFAR-10's shape; an epoch is
that of 50,000 images. Leaves scaling.csv and scaling.png.
"""

import csv
import json
import pathlib
import resource
import subprocess
import sys

import click

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

START = {"batch_size": 128, "width": 1000, "depth": 3}
AXES = {
    "batch_size": (32, 128, 512, 2048),
    "width": (250, 500, 1000, 2000),
    "depth": (1, 2, 4, 8),
}
IMAGES = 50_000
COLUMNS = ("axis", *START, "images_per_second", "seconds_per_epoch", "peak_memory_gb")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--out", type=click.Path(file_okay=False, path_type=pathlib.Path), required=True)
@click.option("--seconds", default=1.0, show_default=True, help="Length of a window; five a point.")
@click.option("--point", hidden=True)
def main(out, seconds, point):
    """Measure all points, each in a process of its own."""
    if point is not None:
        print(json.dumps(measure(json.loads(point), seconds)))
        return
    rows = []
    for axis, values in AXES.items():
        for value in values:
            point = {**START, axis: value}
            command = [sys.executable, __file__, "--out", str(out), "--seconds", str(seconds)]
            done = subprocess.run(
                [*command, "--point", json.dumps(point)],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            rows.append({"axis": axis, **point, **json.loads(done.stdout.splitlines()[-1])})
            print(json.dumps(rows[-1]), flush=True)
    out.mkdir(parents=True, exist_ok=True)
    with (out / "scaling.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    draw(rows, out / "scaling.png")


def measure(point, seconds):
    """Return the speed and the memory of training steps at one point."""
    import dtp_tf
    from dtp_tf.throughput import random_images, step_rate

    recipe = dtp_tf.recipe(
        "cifar10", batch_size=point["batch_size"], units=(point["width"],) * point["depth"]
    )
    rate = step_rate(recipe, random_images(point["batch_size"]), seconds)
    unit = 1 if sys.platform == "darwin" else 1024  # Linux counts in kilobytes
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
    return {
        "images_per_second": round(rate, 1),
        "seconds_per_epoch": round(IMAGES / rate, 2),
        "peak_memory_gb": round(peak, 3),
    }


def draw(rows, path):
    """Draw the time and the memory over each axis."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(AXES), 6), layout="constrained")
    axes = figure.subplots(2, len(AXES), sharex="col")
    for column, (axis, values) in enumerate(AXES.items()):
        for line, (name, label) in enumerate(
            (("seconds_per_epoch", "seconds per epoch"), ("peak_memory_gb", "peak memory, GB"))
        ):
            heights = [row[name] for row in rows if row["axis"] == axis]
            plot = axes[line][column]
            plot.plot(values, heights, marker="o")
            plot.set_xscale("log", base=2)
            plot.set_xticks(values, [str(value) for value in values])
            plot.set_ylim(bottom=0)
            plot.grid(alpha=0.3)
            if column == 0:
                plot.set_ylabel(label)
        axes[1][column].set_xlabel({"batch_size": "images per batch"}.get(axis, axis))
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
