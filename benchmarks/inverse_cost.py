"""Measure what updates of the inverses L-DRL needs: angles to backpropagation and accuracy by cost.

    python benchmarks/inverse_cost.py --data-dir DIR --out docs/benchmarks

Every point is a short run of `train cifar10-lenet` on 20,000 images with one setting changed, each
in a process of its own. Finished runs are not repeated, so this may be stopped and started again.
When all are there, the time of each point's training step is measured beside backpropagation's: let
the machine have no other work then. Leaves inverse_cost.csv and inverse_cost.png.
"""

import csv
import json
import pathlib
import subprocess
import sys

import click
from points import measured, write_table

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

RECIPE, EPOCHS, SEED = "cifar10-lenet", 1, 100
# 60 % of the training images are held out, which makes epochs short and the accuracies exact.
SHARED = {"epochs": EPOCHS, "seed": SEED, "validation_fraction": 0.6, "diagnostics_every": EPOCHS}
# The recipe's own settings for ldrl, and one of them changed at a time.
POINTS = {
    "bp": {"rule": "bp"},
    "recipe": {},
    "inverse_steps 2": {"inverse_steps": 2},
    "inverse_steps 4": {"inverse_steps": 4},
    "inverse_epochs_before 0": {"inverse_epochs_before": 0},
    "inverse_epochs_before 0 inverse_steps 4": {"inverse_epochs_before": 0, "inverse_steps": 4},
    "inverse_learning_rate 1e-3": {"inverse_learning_rate": 1e-3},
    "inverse_learning_rate 3e-3": {"inverse_learning_rate": 3e-3},
    "inverse_learning_rate 3e-2": {"inverse_learning_rate": 3e-2},
    "noise 0.003": {"noise": 0.003},
    "noise 0.3": {"noise": 0.3},
    "noise_directions gaussian orthogonal orthogonal": {
        "noise_directions": "gaussian,orthogonal,orthogonal"
    },
    "inverse_initializer torch_uniform": {"inverse_initializer": "torch_uniform"},
    "inverse_initializer small_uniform": {"inverse_initializer": "small_uniform"},
}
LAYERS = (1, 2, 3)
COLUMNS = (
    "point", "step_milliseconds", "cost", "validation_accuracy",
    *(f"angle_bp_{layer}" for layer in LAYERS), "command",
)  # fmt: skip


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--out", type=click.Path(file_okay=False, path_type=pathlib.Path), required=True)
@click.option("--data-dir", required=True, help="Folder of TensorFlow Datasets with CIFAR-10.")
@click.option(
    "--runs", type=click.Path(file_okay=False, path_type=pathlib.Path),
    default=ROOT / "runs/inverse_cost", help="Folder of the runs.",
)  # fmt: skip
@click.option("--seconds", default=1.0, show_default=True, help="Length of a window; five a point.")
@click.option("--time", "timed", hidden=True, help="Print the seconds of one point's step.")
def main(out, data_dir, runs, seconds, timed):
    """Train and time all points."""
    if timed is not None:
        print(step_seconds(POINTS[timed], seconds))
        return
    results = {name: trained(command_of(changes), runs / name.replace(" ", "-"), data_dir)
               for name, changes in POINTS.items()}  # fmt: skip
    rows = []
    for name, result in results.items():
        words = "--out", out, "--data-dir", data_dir, "--seconds", seconds
        time = float(measured(__file__, *words, "--time", name))
        base = rows[0]["step_milliseconds"] if rows else 1e3 * time
        rows.append({
            "point": name,
            "step_milliseconds": round(1e3 * time, 1),
            "cost": round(1e3 * time / base, 2),
            **result,
            "command": " ".join(["python", "cli.py", *command_of(POINTS[name])]),
        })  # fmt: skip
        print(json.dumps(rows[-1]), flush=True)
    write_table(out / "inverse_cost.csv", COLUMNS, rows)
    draw(rows, out / "inverse_cost.png")


def command_of(changes):
    """Return the words of the command that trains with these settings."""
    words = ["train", RECIPE]
    for name, value in {"rule": "ldrl", **SHARED, **changes}.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    return words


def trained(words, run, data_dir):
    """Train, or go on with the training, unless it is finished; return accuracy and angles."""
    metrics = run / "metrics.json"
    if not metrics.exists() or json.loads(metrics.read_text())["interrupted"]:
        resumed = (run / "last.keras").exists()
        start = ["train", "--resume", str(run)] if resumed else [*words, "--run-dir", str(run)]
        command = [sys.executable, str(ROOT / "cli.py"), *start, "--no-export"]
        subprocess.run([*command, "--data-dir", data_dir], check=True, stdout=subprocess.DEVNULL)
    result = found(run)
    print(run.name, json.dumps(result), flush=True)
    return result


def step_seconds(changes, seconds):
    """Return the time of a training step on a batch in memory."""
    import dtp_tf
    from dtp_tf.benchmarking.throughput import random_images, step_rate

    recipe = dtp_tf.recipe(RECIPE, **{"rule": "ldrl", **changes})
    return recipe.batch_size / step_rate(recipe, random_images(1000), seconds)


def found(run):
    """Return the accuracy and the angles after the last epoch of a run."""
    with (run / "log.csv").open(newline="") as file:
        last = list(csv.DictReader(file))[-1]
    angles = {f"angle_bp_{layer}": last[f"angle_bp_{layer}"] for layer in LAYERS}
    return {
        "validation_accuracy": round(float(last["val_accuracy"]), 4),
        **{name: round(float(angle), 1) for name, angle in angles.items()},
    }


def draw(rows, path):
    """Draw the angles and the accuracy over the cost; a mark for each point."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    marks = "os^vDP*X<>ph8d"
    for row, mark in zip(rows, marks, strict=True):
        at = [row["cost"]]
        for layer in LAYERS:
            left.plot(at, [row[f"angle_bp_{layer}"]], mark, color=f"C{layer - 1}", alpha=0.8)
        right.plot(at, [100 * row["validation_accuracy"]], mark, color="C7", label=row["point"])
    for layer in LAYERS:
        left.plot([], [], "o", color=f"C{layer - 1}", label=f"layer {layer}")
    left.set_ylabel("angle to backpropagation's update, degrees")
    right.set_ylabel(f"validation accuracy after {EPOCHS} epoch, %")
    for plot in (left, right):
        plot.set_xlabel("time of a training step, in those of backpropagation")
        plot.grid(alpha=0.3)
    left.set_ylim(0, 1.05 * left.get_ylim()[1])
    left.legend()
    right.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
