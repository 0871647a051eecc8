"""The command `evaluate`."""

import click

from dtp_tf.commands.options import (
    data_dir_option,
    dataset_option,
    json_option,
    model_argument,
    print_json,
    rule_option,
)
from dtp_tf.processes.quiet import import_tensorflow


@click.command(epilog="Example:  python cli.py evaluate runs/20261123-120000-digits --json")
@model_argument
@click.option(
    "--split",
    type=click.Choice(["test", "validation", "train"]),
    default="test",
    show_default=True,
    help="Which images.",
)
@rule_option
@dataset_option
@data_dir_option
@json_option
def evaluate(model, split, rule, dataset, data_dir, as_json):
    """Report accuracy, overall and per class.

    MODEL is a run's folder (its best network counts), a preset's name or folder, or a .keras file.
    """
    import_tensorflow()
    from dtp_tf.console.console import show_report
    from dtp_tf.console.tables import make_console
    from dtp_tf.data.sets import load_recorded_data
    from dtp_tf.evaluating.evaluation import evaluate as evaluate_model
    from dtp_tf.network.objectives import recipe_loss
    from dtp_tf.sharing.opening import open_model

    saved = open_model(model, rule)
    data = load_recorded_data(saved.recipe(), data_dir, dataset)
    saved.check_fits(data)
    loss, images = recipe_loss(saved.recipe()), getattr(data, split)
    result = evaluate_model(saved.model, images, saved.class_names, loss=loss)
    if as_json:
        print_json(result)
    else:
        show_report(make_console(), result, f"{data.name} {split}")
