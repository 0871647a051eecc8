"""Time a training step with settings of its recipe changed, beside the recipe's own, turn by turn.

    python benchmarks/step_settings.py cifar10 noise_directions=orthogonal inverse_l2=0

prints a line for each change, made alone: the milliseconds of the fastest window, and the median
over the turns of its time by the recipe's. With `--profile FILE.csv` it writes where the time of
each step goes, too: operations that run side by side, and how often a step has them.
"""

import csv
import pathlib
import statistics
import sys

import click

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("recipe")
@click.argument("changes", nargs=-1, required=True)
@click.option("--rule", default="dtp", show_default=True)
@click.option("--batch-size", default=128, show_default=True, type=click.IntRange(1))
@click.option("--turns", default=40, show_default=True, type=click.IntRange(1))
@click.option("--seconds", default=0.25, show_default=True, help="Length of a window.")
@click.option("--profile", type=click.File("w", lazy=True, atomic=True), help="A CSV file.")
def main(recipe, changes, rule, batch_size, turns, seconds, profile):
    """Print a line for RECIPE and for each of CHANGES, NAME=VALUE."""
    from dtp_tf.benchmarking.profiling import profile_step
    from dtp_tf.benchmarking.throughput import compiled_step, in_turn, random_images
    from dtp_tf.errors import SettingError
    from dtp_tf.recipes.recipe import recipe as find_recipe

    try:
        own = find_recipe(recipe, rule=rule, batch_size=batch_size)
        parts = [change.partition("=") for change in changes]
        every = [own, *(own.replace(**{name: value}) for name, _, value in parts)]
    except SettingError as error:
        raise click.UsageError(str(error)) from None
    images = random_images(batch_size)
    steps = [compiled_step(one, images) for one in every]
    times = in_turn(steps, seconds, turns)
    for name, windows in zip([recipe, *changes], times, strict=True):
        ratio = statistics.median(a / b for a, b in zip(windows, times[0], strict=True))
        print(f"{name:<32} {1000 * min(windows):8.2f} ms {ratio:6.3f}")
    if profile is not None:
        rows = csv.writer(profile, lineterminator="\n")
        rows.writerow(["settings", "operation", "times", "milliseconds"])
        for name, step in zip([recipe, *changes], steps, strict=True):
            for one in profile_step(step):
                rows.writerow([name, one["operation"], one["times"], f"{one['milliseconds']:.4g}"])


if __name__ == "__main__":
    main()
