"""Measure how the time of an epoch and the memory grow with batch, width, depth and workers.

    python benchmarks/scaling.py --data-dir DIR --out docs/benchmarks
    python benchmarks/scaling.py --data-dir DIR --out docs/benchmarks --lines lenet-ldrl,disk

Every point is a process of its own, which makes training steps on random images of CIFAR-10's
shape; an epoch is that of 50,000 images. Points whose images are on the disk are the first epoch of
`train cifar10 --in-memory no`, in which every image is decoded, with the compilation of the step.
The points of workers are runs of `launch ... train cifar10` with three layers of 250 units and
batches of 120 images for all workers together; their memory is that of the largest process. Leaves
scaling.csv and scaling.png; lines that are not measured again stay in them as they are.
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

from dtp_tf.benchmarking.memory import largest_memory_gb  # noqa: E402

START = {
    "recipe": "cifar10", "rule": "dtp", "images": "memory",
    "batch_size": 128, "width": 1000, "depth": 3, "workers": 0,
}  # fmt: skip
LENET = {"recipe": "cifar10-lenet", "rule": "ldrl", "width": None, "depth": None}
# Two and three workers have equal parts of 120 images, and less to exchange.
WORKERS = {"batch_size": 120, "width": 250}
# Name: (axis, values, what else differs from START).
LINES = {
    "dtp": ("batch_size", (32, 128, 512, 2048), {}),
    "ldrl": ("batch_size", (32, 128, 512, 2048), {"rule": "ldrl"}),
    "lenet-ldrl": ("batch_size", (32, 128, 512), LENET),
    "disk": ("batch_size", (32, 128, 512, 2048), {"images": "disk"}),
    "width": ("width", (250, 500, 1000, 2000), {}),
    "depth": ("depth", (1, 2, 4, 8), {}),
    "workers": ("workers", (1, 2, 3), WORKERS),
}
IMAGES = 50_000
COLUMNS = ("line", *START, "images_per_second", "seconds_per_epoch", "peak_memory_gb")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--out", type=click.Path(file_okay=False, path_type=pathlib.Path), required=True)
@click.option("--data-dir", required=True, help="Folder of TensorFlow Datasets with CIFAR-10.")
@click.option("--seconds", default=1.0, show_default=True, help="Length of a window; five a point.")
@click.option("--lines", default=",".join(LINES), show_default=True, help="Which to measure.")
@click.option("--point", hidden=True)
def main(out, data_dir, seconds, lines, point):
    """Measure all points, each in a process of its own."""
    if point is not None:
        point = json.loads(point)
        trained = point["workers"] or point["images"] == "disk"
        print(json.dumps(measure_training(point, data_dir) if trained else measure(point, seconds)))
        return
    chosen = [name.strip() for name in lines.split(",")]
    if unknown := [name for name in chosen if name not in LINES]:
        raise click.UsageError(f"`--lines` {unknown[0]!r} is none of {', '.join(LINES)}.")
    kept = read_rows(out / "scaling.csv")
    for name in chosen:
        axis, values, differs = LINES[name]
        rows = []
        for value in values:
            point = {**START, **differs, axis: value}
            words = "--out", out, "--data-dir", data_dir, "--seconds", seconds
            found = measured(__file__, *words, "--point", json.dumps(point))
            rows.append({"line": name, **point, **json.loads(found)})
            print(json.dumps(rows[-1]), flush=True)
        kept[name] = rows
        every = [row for one in LINES for row in kept.get(one, ())]
        write_table(out / "scaling.csv", COLUMNS, every)
    draw(kept, out / "scaling.png")


def read_rows(path):
    """Return the rows of a table by the names of their lines."""
    rows = {}
    if path.exists():
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                rows.setdefault(row["line"], []).append(row)
    return rows


def measure(point, seconds):
    """Return the speed and the memory of training steps at one point."""
    import dtp_tf
    from dtp_tf.benchmarking.throughput import random_images, step_rate

    settings = {"rule": point["rule"], "batch_size": point["batch_size"]}
    if point["width"]:
        settings["units"] = (point["width"],) * point["depth"]
    recipe = dtp_tf.recipe(point["recipe"], **settings)
    rate = step_rate(recipe, random_images(point["batch_size"]), seconds)
    return _found(rate, resource.RUSAGE_SELF)


def measure_training(point, data_dir):
    """Return the speed and the memory of an epoch of `train`: the second, or from the disk the
    first, in which images are decoded."""
    launch = ["launch", "--workers", str(point["workers"])] if point["workers"] > 1 else []
    units = ",".join([str(point["width"])] * point["depth"])
    disk = point["images"] == "disk"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "cli.py"), *launch, "train", point["recipe"]]
        command += ["--data-dir", data_dir, "--no-export", "--epochs", "2", "--units", units]
        command += ["--batch-size", str(point["batch_size"]), "--run-dir", f"{folder}/run"]
        command += ["--rule", point["rule"], *(["--in-memory", "no"] if disk else [])]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with open(f"{folder}/run/log.csv", newline="") as file:
            rates = [float(row["images_per_second"]) for row in csv.DictReader(file)]
    return _found(rates[0] if disk else rates[1], resource.RUSAGE_CHILDREN)


def _found(rate, whose):
    return {
        "images_per_second": round(rate, 1),
        "seconds_per_epoch": round(IMAGES / rate, 2),
        "peak_memory_gb": round(largest_memory_gb(whose), 3),
    }


def draw(kept, path):
    """Draw the time and the memory over each axis."""
    from matplotlib.figure import Figure

    axes = list(dict.fromkeys(axis for axis, _, _ in LINES.values()))
    figure = Figure(figsize=(4 * len(axes), 6), layout="constrained")
    plots = figure.subplots(2, len(axes), sharex="col")
    drawn = (("seconds_per_epoch", "seconds per epoch"), ("peak_memory_gb", "peak memory, GB"))
    for column, axis in enumerate(axes):
        names = [name for name in LINES if LINES[name][0] == axis and name in kept]
        values = sorted({value for name in names for value in LINES[name][1]})
        for plot, (measure_of, label) in zip(plots[:, column], drawn, strict=True):
            heights = {name: [float(row[measure_of]) for row in kept[name]] for name in names}
            for name in names:
                plot.plot(LINES[name][1], heights[name], marker="o", label=name)
            plot.set_xscale("log", base=2)
            plot.set_xticks(values, [str(value) for value in values])
            plot.set_ylim(0, 1.08 * max((max(own) for own in heights.values()), default=1))
            plot.grid(alpha=0.3)
            if column == 0:
                plot.set_ylabel(label)
            if len(names) > 1:
                plot.legend()
        plots[1][column].set_xlabel({"batch_size": "images per batch"}.get(axis, axis))
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
