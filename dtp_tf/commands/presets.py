"""The commands around presets: `presets`, `save-preset`, `import-torch`."""

import json

import click

from dtp_tf.commands.options import (
    data_dir_option,
    dataset_option,
    echo,
    json_option,
    print_json,
)
from dtp_tf.processes.quiet import import_tensorflow
from dtp_tf.recipes.recipe import SETTINGS


@click.command(epilog="Example:  python cli.py presets digits_mlp_dtp")
@click.argument("name", required=False)
@json_option
def presets(name, as_json):
    """List the presets that come with dtp_tf, or tell all of preset NAME.

    NAME may be a preset's folder as well. A preset is a network with published weights; `predict`,
    `evaluate`, `export` and `train --init` take its name, and `dtp_tf.DTPNetwork.from_preset` too.
    """
    from dtp_tf.presets.folder import preset_info, shipped_presets

    if name is not None:
        facts = preset_info(name)
        if as_json:
            print_json(facts)
        else:
            from dtp_tf.presets.cards import model_card

            echo(model_card(facts).strip())
        return
    table = shipped_presets()
    if as_json:
        print_json({name: dict(facts) for name, facts in table.items()})
        return
    rows = [("preset", "data", "network", "rule", "test accuracy", "weights", "size")]
    for name, facts in table.items():
        accuracy = facts["test_accuracy"]
        rows.append((
            name, facts["data"] or "-", facts["layers"], facts["rule"],
            "-" if accuracy is None else f"{accuracy:.2%}", f"{facts['parameters']:,}",
            f"{facts['bytes'] / 1e6:.1f} MB",
        ))  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)]
        echo("  ".join(cells).rstrip())


def license_option(command):
    """Add `--license`."""
    return click.option(
        "--license",
        default="apache-2.0",
        show_default=True,
        help="License of the weights, as model hubs write it.",
    )(command)


@click.command(epilog="Example:  python cli.py save-preset runs/20261123-120000-digits my_digits")
@click.argument("run", type=click.Path())
@click.argument("folder", metavar="DIR", type=click.Path())
@license_option
@click.option(
    "--float16",
    is_flag=True,
    help="Store weights in half the bytes, if that leaves the test accuracy as it is.",
)
@dataset_option
@data_dir_option
@json_option
def save_preset(run, folder, license, float16, dataset, data_dir, as_json):
    """Write a finished run's best network to DIR as a preset: weights, metadata, model card.

    The folder can be uploaded to a model hub as it is. Its name becomes the preset's.
    """
    import_tensorflow()
    from dtp_tf.presets.writing import refuse_used
    from dtp_tf.sharing.run_presets import save_run

    refuse_used(folder)
    facts = save_run(
        run, folder, license=license, float16=float16, data_dir=data_dir, dataset=dataset
    )
    if as_json:
        print_json(facts)
    else:
        show_preset(folder, facts)


@click.command(epilog="Example:  python cli.py import-torch w.pt --layers 64,32,10 --out my_digits")
@click.argument("file", type=click.Path())
@click.option(
    "--layers", required=True, metavar="INTEGER,..",
    help="Inputs, units of the hidden layers, classes.",
)
@click.option("--out", required=True, metavar="DIR", type=click.Path(), help="The preset's folder.")
@click.option("--activation", default="tanh", show_default=True, help="Of the hidden layers.")
@click.option("--inverse-activation", help="Of the inverses. [default: the same]")
@click.option(
    "--dataset",
    help="That the network was trained on, to have its classes and the test accuracy.",
)
@click.option(
    "--image-shape", metavar="H,W,C",
    help="Of the images, without a dataset. With neither, the network takes numbers.",
)
@click.option(
    "--preprocessing", default="unit", show_default=True,
    help="Pixels to inputs, as in a recipe.",
)
@click.option(
    "--image-order",
    type=click.Choice(["chw", "hwc"]),
    default="chw",
    show_default=True,
    help="How images were flattened: channels first, as PyTorch has them, or last.",
)
@click.option("--class-names", metavar="NAME,..", help="Of the classes. [default: the dataset's]")
@license_option
@data_dir_option
@json_option
def import_torch(file, layers, out, image_shape, class_names, as_json, **options):
    """Bring weights trained with PyTorch into a preset: FILE is a .pt or .safetensors file.

    It holds the state dict of an nn.Sequential or nn.ModuleList of Linear layers, or a dictionary
    F1 .. FM of forward layers, with inverses G2 .. G(M-1) if there are any: G_i leads from layer i
    back to layer i - 1. Nothing in the file is run as code. PyTorch must be installed for .pt
    files, and safetensors for the others.
    """
    sizes = SETTINGS["units"].parse("layers", layers)
    if image_shape is not None:
        image_shape = SETTINGS["units"].parse("image_shape", image_shape)
        if len(image_shape) != 3 or image_shape[-1] not in (1, 3):
            text = ",".join(map(str, image_shape))
            raise click.UsageError(
                f"--image-shape must be height,width,channels, with 1 or 3 channels; got {text}."
            )
    if class_names is not None:
        class_names = [name.strip() for name in class_names.split(",")]
    import_tensorflow()
    from dtp_tf.sharing.torch_import import import_torch as run_import

    facts, lines = run_import(
        file, sizes, out, image_shape=image_shape, class_names=class_names, **options
    )
    if as_json:
        print_json(facts)
        return
    for line in lines:
        echo(line)
    results = facts["results"]
    if results:
        echo(f"test accuracy {results['test']['accuracy']:.2%}")
    show_preset(out, facts)


def show_preset(folder, facts):
    """Print where a preset was written."""
    size = sum(file["bytes"] for file in facts["files"].values())
    echo(f"preset     {folder}: {facts['layers']}, {size / 1e6:.1f} MB")
    literal = json.dumps(str(folder), ensure_ascii=False)  # double quotes, as in all examples
    echo(f"load it    dtp_tf.DTPNetwork.from_preset({literal})")
