"""Train a recipe over seeds and ship the best as a preset, with the answers it must keep giving.

    python benchmarks/make_preset.py --recipe digits --seeds 3
    python benchmarks/make_preset.py --recipe cifar10 --recorded docs/results.csv --data-dir DIR
    python benchmarks/make_preset.py --recipe mnist-compare --rule sdtp --name mnist_mlp_sdtp

The best seed is that with the highest validation accuracy; of several, that with the lowest
validation loss. With --recorded, such a table, or the runs.csv of `reproduce`, says which seed that
is: it alone is trained again, and must still be the best. Finished runs are not repeated and
unfinished ones are resumed, so this may be stopped and started again at any time. It writes
dtp_tf/presets/pretrained/NAME/ and tests/golden/NAME.json; published weights do not change:
another version gets another name.
"""

import csv
import json
import pathlib
import subprocess
import sys

import click
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from dtp_tf.files import make_folder, write_json  # noqa: E402
from dtp_tf.presets.folder import SHIPPED, probe_images  # noqa: E402
from dtp_tf.presets.writing import refuse_used  # noqa: E402
from dtp_tf.recipes.recipe import recipe as find_recipe  # noqa: E402
from dtp_tf.sharing.opening import load_preset  # noqa: E402
from dtp_tf.sharing.run_presets import save_run  # noqa: E402

GOLDEN = ROOT / "tests/golden"
BLOCKS = (2, 4, 8)  # pixels on a side of the probe images' blocks
FOLDER = click.Path(path_type=pathlib.Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--recipe", required=True, help="The recipe.")
@click.option("--rule", help="The rule. [default: the recipe's]")
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="How many.")
@click.option(
    "--recorded", type=FOLDER, help="Table of results that says which seed to train, of which."
)
@click.option("--name", help="Of the preset. [default: RECIPE_mlp_RULE]")
@click.option("--data-dir", type=click.Path(), help="Folder of TensorFlow Datasets.")
@click.option("--runs", type=FOLDER, default=ROOT / "runs/presets", help="Folder of the runs.")
@click.option("--out", type=FOLDER, default=SHIPPED, help="Folder of the presets.")
@click.option("--golden", type=FOLDER, default=GOLDEN, help="Folder of the golden answers.")
@click.option("--float16", is_flag=True, help="Store weights in half the bytes.")
def main(recipe, rule, seeds, recorded, name, data_dir, runs, out, golden, float16):
    """Train a recipe over seeds and ship the best as a preset."""
    own = find_recipe(recipe).rule
    rule = rule or own
    stem = recipe if rule == own else f"{recipe}-{rule}"
    name = name or f"{recipe}_mlp_{rule}"
    refuse_used(out / name)
    tried = {} if recorded is None else recorded_accuracies(recorded, recipe, rule)
    results = {}
    for seed in [max(tried, key=tried.get)] if tried else range(seeds):
        run = runs / f"{stem}-{seed}"
        if not (run / "metrics.json").exists():
            train(recipe, rule, seed, run, data_dir)
        refuse_another(run, recipe=recipe, rule=rule, seed=seed)
        metrics = json.loads((run / "metrics.json").read_text())
        if metrics["interrupted"]:
            sys.exit(f"{run} was interrupted: resume it first.")
        results[seed] = metrics["validation"]
    best = best_seed(results)
    tried = {**tried, **{seed: one["accuracy"] for seed, one in results.items()}}
    if tried[best] < max(tried.values()):
        sys.exit(f"seed {best} is not the best any more: validation {tried}; train all of them.")
    facts = save_run(
        runs / f"{stem}-{best}", out / name, float16=float16, data_dir=data_dir, tried=tried
    )
    make_folder(golden)
    write_json(golden / f"{name}.json", golden_answers(out / name))
    for seed, one in results.items():
        click.echo(f"seed {seed}: validation {one['accuracy']:.2%}{' *' if seed == best else ''}")
    click.echo(f"{out / name}: test {facts['results']['test']['accuracy']:.2%}")


def train(name, rule, seed, run, data_dir):
    """Start or resume one run; stop here if it fails."""
    command = [sys.executable, ROOT / "cli.py", "train", "--no-export"]
    if (run / "config.json").exists():
        command += ["--resume", run]
    else:
        command += [name, "--rule", rule, "--seed", str(seed), "--run-dir", run]
    if data_dir:
        command += ["--data-dir", data_dir]
    subprocess.run([str(part) for part in command], check=True)


def refuse_another(run, **wanted):
    """Stop if a run is not of the recipe, rule and seed that its folder's name says."""
    config = json.loads((run / "config.json").read_text())
    found = {name: config[name] for name in wanted}
    if found != wanted:
        sys.exit(f"{run} is a run of {found}, not of {wanted}: move it away, or give other --runs.")


def recorded_accuracies(table, recipe, rule):
    """Return {seed: validation accuracy} of a recipe and a rule in a table of results."""
    with open(table, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    rows = [row for row in rows if (row["recipe"], row["rule"]) == (recipe, rule)]
    if not rows:
        sys.exit(f"{table} has no run of the recipe {recipe} by {rule}.")
    return {int(row["seed"]): float(row["validation_accuracy"]) for row in rows}


def best_seed(results):
    """Return the seed with the best of {seed: validation report}."""
    return max(results, key=lambda seed: (results[seed]["accuracy"], -results[seed]["loss"]))


def golden_answers(folder):
    """Return what a preset answers to images that need no data set.

    They are the finest blocks that it does not all give one class to.
    """
    saved = load_preset(folder)
    for block in BLOCKS:
        images = probe_images(saved.image_shape(), block=block)
        scores = np.asarray(saved.model(images, training=False))
        if len(set(scores.argmax(axis=-1))) > 1:
            break
    else:
        sys.exit(f"{folder} gives all probe images one class: it has learned nothing.")
    return {
        "images": "dtp_tf.presets.folder.probe_images",
        "block": block,
        "classes": [saved.class_names[i] for i in scores.argmax(axis=-1)],
        "scores": [[float(f"{score:.8g}") for score in row] for row in scores],
    }


if __name__ == "__main__":
    main()
