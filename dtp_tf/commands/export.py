"""The command `export`."""

import click

from dtp_tf.commands.options import (
    data_dir_option,
    dataset_option,
    echo,
    export_dir_option,
    json_option,
    keep_options,
    model_argument,
    print_json,
    rule_option,
)
from dtp_tf.processes.quiet import import_tensorflow


@click.command(epilog="Example:  python cli.py export runs/20261123-120000-digits --name my_digits")
@model_argument
@click.option(
    "--name", help="Name of the exported model. [default: the recipe's, other data's or preset's]"
)
@click.option(
    "--format",
    "formats",
    type=click.Choice(["savedmodel", "onnx", "litert"]),
    multiple=True,
    help="Write the forward network in this format too (may be repeated); the SavedModel is always "
    "written.",
)
@export_dir_option
@keep_options
@rule_option
@dataset_option
@data_dir_option
@json_option
def export(model, name, formats, export_dir, keep, keep_others, rule, dataset, data_dir, as_json):
    """Export a network as a SavedModel for TensorFlow Serving.

    MODEL is a run's folder (its best network counts), a preset's name or folder, or a .keras file.
    It becomes EXPORT_DIR/NAME/VERSION, one version above the highest, after it was checked. A
    finished run and a preset need no data for that; another .keras file is checked on its test
    images, for which its data are read.
    ONNX (which needs the extra `onnx`) and LiteRT lie in the version's assets.extra, checked alike.
    """
    formats = [kind for kind in dict.fromkeys(formats) if kind != "savedmodel"]
    import_tensorflow()
    from dtp_tf.export.origins import kept_others
    from dtp_tf.export.saved_model import format_paths, serve_command
    from dtp_tf.export.trained_export import export_trained

    path = export_trained(
        model, export_dir, name, data_dir=data_dir, dataset=dataset, rule=rule, formats=formats,
        keep=keep, keep_others=keep_others,
    )
    others = {kind: str(file) for kind, file in format_paths(path, formats).items()}
    if as_json:
        print_json({"export": str(path), "formats": others, "serve": serve_command(path)})
    else:
        echo(f"exported   {path}")
        for kind, file in others.items():
            echo(f"{kind:10} {file}")
        said = kept_others(path) if keep is not None and keep_others else None
        if said is not None:
            echo(f"kept       {said}")
        echo(f"serve it   {serve_command(path)}")
