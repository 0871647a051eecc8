"""Run every recipe over its seeds and write the table of results.

    python benchmarks/reproduce.py --data-dir DIR

Each run is `python cli.py train RECIPE --seed SEED`, in a folder of its own. Finished runs are not
repeated and unfinished ones are resumed, so this may be stopped and started again at any time.
"""

import csv
import json
import pathlib
import subprocess
import sys

import click

ROOT = pathlib.Path(__file__).resolve().parent.parent
SEEDS = {"digits": 3, "cifar10": 3, "cifar10-notebook": 3, "mnist-paper": 2, "mnist": 3}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--data-dir", type=click.Path(), help="Folder of TensorFlow Datasets.")
@click.option(
    "--runs", type=click.Path(path_type=pathlib.Path), default=ROOT / "runs" / "reproduce",
    help="Folder of the runs.",
)
@click.option(
    "--csv", "table", type=click.Path(path_type=pathlib.Path), default=ROOT / "docs/results.csv",
    help="The table to write.",
)
@click.option("--recipe", "names", multiple=True, type=click.Choice(list(SEEDS)), help="Only this.")
def main(data_dir, runs, table, names):
    """Run the recipes over their seeds and write the table of results."""
    rows = []
    for name in names or SEEDS:
        for seed in range(SEEDS[name]):
            run = runs / f"{name}-{seed}"
            if not (run / "metrics.json").exists():
                train(name, seed, run, data_dir)
            rows.append(row(name, seed, run))
            write(rows, table)  # after every run: hours of work are not lost to a stop


def train(name, seed, run, data_dir):
    """Start or resume one run; stop here if it fails."""
    command = [sys.executable, ROOT / "cli.py", "train", "--no-export"]
    if (run / "config.json").exists():
        command += ["--resume", run]
    else:
        command += [name, "--seed", str(seed), "--run-dir", run]
    if data_dir:
        command += ["--data-dir", data_dir]
    subprocess.run([str(part) for part in command], check=True)


def row(name, seed, run):
    """Return one run's line of the table."""
    metrics = json.loads((run / "metrics.json").read_text())
    conditions = metrics["conditions"]
    recipe, data = conditions["recipe"], conditions["data"]
    if metrics["interrupted"]:
        sys.exit(f"{run} was interrupted: resume it first.")
    return {
        "recipe": name,
        "seed": seed,
        "test_accuracy": f"{metrics['test']['accuracy']:.4f}",
        "validation_accuracy": f"{metrics['validation']['accuracy']:.4f}",
        "best_epoch": metrics["best_epoch"],
        "epochs": metrics["epochs"],
        "training_seconds": round(metrics["seconds"]),
        "data": data["name"],
        "split": f"{data['training_images']}/{data['validation_images']}/{data['test_images']}",
        "hidden_units": " ".join(map(str, recipe["units"])),
        "rule": recipe["rule"],
        "schedule": recipe["schedule"],
        "batch_size": recipe["batch_size"],
        "chosen_by": conditions["chosen_by"],
        "device": conditions["device"],
        "tensorflow": conditions["tensorflow"],
        "keras": conditions["keras"],
        "command": f"python cli.py train {name} --seed {seed}",
    }


def write(rows, table):
    """Write the table."""
    with open(table, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
