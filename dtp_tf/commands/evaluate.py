"""The command `evaluate`."""

import click

from dtp_tf.commands.options import (
    anyway_option,
    data_dir_option,
    echo,
    in_memory_option,
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
    type=click.Choice(["test", "validation", "train", "all"]),
    help="Which images; all = of another folder. [default: test; all of a folder without test/]",
)
@click.option(
    "--image-folder", type=click.Path(), help="Other images: a folder with the model's classes."
)
@click.option(
    "--dataset",
    help="Another data set with the model's classes; or the model's own, which is then downloaded.",
)
@click.option(
    "--diagnostics", type=click.IntRange(1), metavar="N",
    help="Measure on the first N of these images what `train --diagnostics-every` does: angles to "
    "backpropagation's updates, and more.",
)
@anyway_option
@rule_option
@data_dir_option
@in_memory_option
@json_option
def evaluate(
    model, split, image_folder, dataset, diagnostics, anyway, rule, data_dir, in_memory, as_json
):
    """Report accuracy, overall and per class.

    MODEL is a run's folder (its best network counts), a preset's name or folder, or a .keras file.
    It is evaluated on the data that it was trained on, if they have not changed since; or on
    others, whose classes must have the same names, in any order.
    """
    if image_folder is not None and dataset is not None:
        raise click.UsageError("--image-folder and --dataset exclude each other: drop one.")
    import_tensorflow()
    from dtp_tf.console.console import show_diagnostics, show_report
    from dtp_tf.console.tables import make_console
    from dtp_tf.evaluating.diagnostics import diagnose, rounding_warning
    from dtp_tf.evaluating.evaluation import evaluate as evaluate_model
    from dtp_tf.network.objectives import recipe_loss
    from dtp_tf.sharing.model_data import model_split
    from dtp_tf.sharing.opening import open_model

    saved = open_model(model, rule)
    images, name, warning = model_split(
        saved, model, split, image_folder=image_folder, dataset=dataset, data_dir=data_dir,
        anyway=anyway, in_memory=in_memory,
    )  # fmt: skip
    if warning:
        echo(f"warning: {warning}", err=True)
    loss = recipe_loss(saved.recipe()) if "recipe" in saved.about else None
    measured = None
    if diagnostics is not None:
        measured = diagnose(saved.model, images, diagnostics, len(saved.class_names), loss)
        if (warning := rounding_warning(measured)) is not None:
            echo(f"warning: {warning}", err=True)
    result = evaluate_model(saved.model, images, saved.class_names, loss=loss)
    if measured is not None:
        result["diagnostics"] = measured
    if as_json:
        print_json(result)
    else:
        console = make_console()
        if measured is not None:
            few = min(diagnostics, result["images"])
            show_diagnostics(console, measured, f"{name}: the first {few:,} images")
        show_report(console, result, name)
