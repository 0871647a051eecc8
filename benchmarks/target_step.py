"""Measure how far the size of the first target's step turns updates from backpropagation's.

    python benchmarks/target_step.py RUN --data-dir DIR

RUN is a run of `dtp` with dense layers and `--inverse-first --inverse-activation matched`. Its
inverses get the transposed weights, so that nothing but the step is between the two: for each step,
the degrees between the gradients of each weight by the rule and by backpropagation, on a batch of
the run's training images.
"""

import pathlib
import sys

import click

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", type=click.Path(file_okay=False, path_type=pathlib.Path))
@click.option("--data-dir", help="Folder of TensorFlow Datasets.")
@click.option(
    "--step", "steps", multiple=True, type=click.FloatRange(0, min_open=True),
    default=(0.3, 0.1, 0.03, 0.01, 0.003), show_default=True,
)  # fmt: skip
@click.option("--images", default=128, show_default=True, type=click.IntRange(1))
def main(run, data_dir, steps, images):
    """Print a line for each step and weight."""
    from dtp_tf.data.sets import load_data
    from dtp_tf.errors import UserError
    from dtp_tf.runs.folder import Run
    from dtp_tf.training.symmetric import start_symmetric

    try:
        opened = Run.open(run)
        network = opened.load_best().model
        train = load_data(opened.recipe(), data_dir).train
        start_symmetric(network)
    except UserError as error:
        raise click.ClickException(str(error)) from None
    if getattr(network.rule, "target_step", None) is None:
        raise click.ClickException(f"{run} was trained by a rule that has no target step.")
    for step in steps:
        for name, degrees in angles(network, train.images[:images], train.labels[:images], step):
            print(f"step {step:<6g} {name:<26} {degrees:6.2f} degrees")


def angles(network, x, y, step):
    """Return `(weight, degrees between its gradients by the rule and by backpropagation)`."""
    import tensorflow as tf

    from dtp_tf.evaluating.diagnostics import angle
    from dtp_tf.network.batch import Batch
    from dtp_tf.rules import BP

    network.rule.target_step = step
    batch = Batch(network, tf.constant(x), tf.constant(y), update=False)
    found = [network.forward_gradients(batch, rule=rule)[0] for rule in (network.rule, BP())]
    for variable, *both in zip(network.forward_variables, *found, strict=True):
        name = "/".join(variable.path.split("/")[-2:])
        yield name, angle(*map(tf.convert_to_tensor, both))


if __name__ == "__main__":
    main()
