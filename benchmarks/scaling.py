"""Measure how the time of an epoch and the memory grow with batch, width, depth and workers.

    python benchmarks/scaling.py --data-dir DIR --out docs/benchmarks

Every point is a process of its own, which makes training steps on random images of CIFAR-10's
shape; an epoch is that of 50,000 images. The points of workers are runs of `launch ... train
cifar10` with three layers of 250 units and batches of 120 images for all workers together; their
memory is that of the largest process. Leaves scaling.csv and scaling.png.
"""

import csv
import json
import pathlib
import resource
import subprocess
import sys
import tempfile

import click
from points import measured, write_table

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

START = {"batch_size": 128, "width": 1000, "depth": 3, "workers": 0}
AXES = {
    "batch_size": (32, 128, 512, 2048),
    "width": (250, 500, 1000, 2000),
    "depth": (1, 2, 4, 8),
    "workers": (1, 2, 3),
}
IMAGES = 50_000
COLUMNS = ("axis", *START, "images_per_second", "seconds_per_epoch", "peak_memory_gb")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--out", type=click.Path(file_okay=False, path_type=pathlib.Path), required=True)
@click.option("--data-dir", required=True, help="Folder of TensorFlow Datasets with CIFAR-10.")
@click.option("--seconds", default=1.0, show_default=True, help="Length of a window; five a point.")
@click.option("--point", hidden=True)
def main(out, data_dir, seconds, point):
    """Measure all points, each in a process of its own."""
    if point is not None:
        point = json.loads(point)
        found = measure_workers(point, data_dir) if point["workers"] else measure(point, seconds)
        print(json.dumps(found))
        return
    rows = []
    for axis, values in AXES.items():
        for value in values:
            point = {**START, axis: value}
            if axis == "workers":
                # Two and three workers have equal parts of 120 images, and less to exchange.
                point |= {"batch_size": 120, "width": 250}
            words = "--out", out, "--data-dir", data_dir, "--seconds", seconds
            found = measured(__file__, *words, "--point", json.dumps(point))
            rows.append({"axis": axis, **point, **json.loads(found)})
            print(json.dumps(rows[-1]), flush=True)
    write_table(out / "scaling.csv", COLUMNS, rows)
    draw(rows, out / "scaling.png")


def measure(point, seconds):
    """Return the speed and the memory of training steps at one point."""
    import dtp_tf
    from dtp_tf.benchmarking.throughput import random_images, step_rate

    recipe = dtp_tf.recipe(
        "cifar10", batch_size=point["batch_size"], units=(point["width"],) * point["depth"]
    )
    rate = step_rate(recipe, random_images(point["batch_size"]), seconds)
    return _found(rate, resource.RUSAGE_SELF)


def measure_workers(point, data_dir):
    """Return the speed and the memory of an epoch of several workers on this machine."""
    workers = ["launch", "--workers", str(point["workers"])] if point["workers"] > 1 else []
    units = ",".join([str(point["width"])] * point["depth"])
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "cli.py"), *workers, "train", "cifar10"]
        command += ["--data-dir", data_dir, "--no-export", "--epochs", "2", "--units", units]
        command += ["--batch-size", str(point["batch_size"]), "--run-dir", f"{folder}/run"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with open(f"{folder}/run/log.csv", newline="") as file:
            rates = [float(row["images_per_second"]) for row in csv.DictReader(file)]
    return _found(rates[1], resource.RUSAGE_CHILDREN)  # the first epoch compiles


def _found(rate, whose):
    unit = 1 if sys.platform == "darwin" else 1024  # Linux counts in kilobytes
    return {
        "images_per_second": round(rate, 1),
        "seconds_per_epoch": round(IMAGES / rate, 2),
        "peak_memory_gb": round(resource.getrusage(whose).ru_maxrss * unit / 1e9, 3),
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
            plot.set_ylim(0, 1.08 * max(heights))
            plot.grid(alpha=0.3)
            if column == 0:
                plot.set_ylabel(label)
        axes[1][column].set_xlabel({"batch_size": "images per batch"}.get(axis, axis))
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
