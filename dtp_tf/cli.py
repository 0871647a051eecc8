"""The command line: parse, call one library function, print.

TensorFlow takes seconds to import, so each command imports what it needs when it runs.
"""

import json
import os
import sys
import tempfile

import click

from dtp_tf.errors import SettingError, UserError
from dtp_tf.plan import make_plan
from dtp_tf.recipes import (
    RECIPES,
    RULE_SETTINGS,
    SETTINGS,
    Recipe,
    read_config,
    rule_settings,
    shown,
)
from dtp_tf.recipes import recipe as find_recipe


def import_tensorflow():
    """Import TensorFlow without its start-up messages, which are no news to a user.

    They are written to the file descriptor before TensorFlow reads its log level. If the import
    fails, they are shown after all.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as messages:
        os.dup2(messages.fileno(), 2)
        try:
            import keras  # noqa: F401
            import tensorflow  # noqa: F401
        except BaseException:
            messages.seek(0)
            os.write(kept, messages.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


class Commands(click.Group):
    """Turns the library's errors into one sentence and an exit code."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except SettingError as error:
            raise click.UsageError(str(error)) from None
        except UserError as error:
            raise click.ClickException(str(error)) from None
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            where = f": {error.filename}" if error.filename else ""
            raise click.ClickException(f"{error.strerror or error}{where}.") from None


def show_versions(ctx, param, value):
    """Print the versions and devices, and end."""
    if not value or ctx.resilient_parsing:
        return
    import_tensorflow()
    from dtp_tf.training import device_name, versions

    for name, version in versions().items():
        if name != "device":
            click.echo(f"{name} {version}")
    click.echo(f"device {device_name()}")
    ctx.exit()


def setting_options(command, without=("recipe",)):
    """Add one option for each setting of a recipe but those in `without`."""
    for name, setting in reversed(SETTINGS.items()):
        if name in without:
            continue
        flag = "--" + name.replace("_", "-")
        text = setting.help
        if setting.kind is bool:
            option = click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=text)
        else:
            limits = setting.range_text()
            metavar = setting.kind.__name__.replace("str", "text").upper()
            option = click.option(
                flag,
                name,
                metavar=f"{metavar},..." if setting.many or setting.per_layer else metavar,
                help=f"{text} [{limits}]" if limits else text,
            )
        command = option(command)
    return command


def json_option(command):
    """Add `--json`."""
    text = "Print the result as JSON on stdout, all else on stderr."
    return click.option("--json", "as_json", is_flag=True, help=text)(command)


def data_dir_option(command):
    """Add `--data-dir`."""
    text = "Folder of TensorFlow Datasets. [default: TFDS's own]"
    return click.option("--data-dir", type=click.Path(), help=text)(command)


def export_dir_option(command):
    """Add `--export-dir`."""
    return click.option(
        "--export-dir",
        type=click.Path(),
        default="exported_models",
        show_default=True,
        help="Folder of exported models.",
    )(command)


def model_argument(command):
    """Add the argument `model`: what `dtp_tf.runs.open_model` takes."""
    return click.argument("model", metavar="MODEL", type=click.Path())(command)


def print_json(content):
    """Print JSON on stdout."""
    click.echo(json.dumps(content, indent=2))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=show_versions,
    help="Show the versions of dtp_tf, Keras and TensorFlow, and the device.",
)
def main():
    """Train, evaluate and export networks that learn by difference target propagation.

    \b
    Start with:  python cli.py train
    """


@main.command(epilog="Example:  python cli.py train digits --epochs 10 --units 128,128")
@click.argument("recipe", required=False)
@click.option("--config", type=click.Path(), help="JSON or YAML file of settings, below the flags.")
@click.option("--resume", type=click.Path(), metavar="RUN", help="Continue the run in this folder.")
@click.option("--run-dir", type=click.Path(), help="The run's folder. [default: runs/TIME-RECIPE]")
@data_dir_option
@export_dir_option
@click.option("--no-export", is_flag=True, help="Do not export the trained network.")
@json_option
@setting_options
def train(recipe, config, resume, run_dir, data_dir, export_dir, no_export, as_json, **flags):
    """Train a network by RECIPE (default: digits), evaluate it and export it.

    Every setting of the recipe can be overridden by a flag, or by a file given with --config;
    `recipes NAME` explains them. Ctrl-C ends the training after the current batch and leaves a
    usable run, which --resume continues.
    """
    settings = {name: value for name, value in flags.items() if value is not None}
    if config is not None:
        from_file = read_config(config)
        base = from_file.pop("recipe", None)
        recipe = recipe or base
        if "rule" in from_file and settings.get("rule", from_file["rule"]) != from_file["rule"]:
            # The file's settings of another rule mean nothing to this one.
            from_file = {k: v for k, v in from_file.items() if k not in RULE_SETTINGS}
        settings = {**from_file, **settings}
    if resume is not None:
        if run_dir is not None:
            raise click.UsageError("--run-dir and --resume exclude each other: drop one.")
        settled = recipe  # may only repeat the run's
    elif recipe == "custom":  # what a recipe made in Python calls itself
        settled = Recipe.from_dict(settings)
    else:
        settled = find_recipe(recipe or "digits", **settings)

    import_tensorflow()
    from dtp_tf.console import make_console
    from dtp_tf.training import train as run_training

    _, history = run_training(
        settled,
        resume=resume,
        data_dir=data_dir,
        run_dir=run_dir,
        export_dir=None if no_export else export_dir,
        console=make_console(stderr=as_json),
        **(settings if resume is not None else {}),
    )
    if as_json:
        export_path = history.export_path
        print_json(
            {
                "run_dir": str(history.run_dir),
                "export": None if export_path is None else str(export_path),
                **history.metrics,
            }
        )


def shared_setting_options(command):
    """Add one option for each setting that the rules of a comparison may be given together."""
    return setting_options(command, without=("recipe", "rule", "seed"))


@main.command(epilog="Example:  python cli.py compare digits --rules bp,dtp,ldrl --seeds 2")
@click.argument("recipe", required=False)
@click.option(
    "--rules", metavar="RULE,...", help="Names of rules, or FILE.py:CLASS. [default: all rules]"
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="How many seeds, from 0 on.",
)
@click.option("--out", type=click.Path(), help="The folder. [default: comparisons/RECIPE]")
@click.option(
    "--rule-config",
    type=click.Path(),
    help="JSON or YAML file of settings by rule, {rule: {setting: value}}, above the flags.",
)
@data_dir_option
@json_option
@shared_setting_options
def compare(recipe, rules, seeds, out, rule_config, data_dir, as_json, **flags):
    """Train RECIPE (default: digits) by several learning rules and compare them in a table.

    All rules of one seed have the same split, initial forward weights and order of batches. A flag
    overrides the recipe for every rule; settings of rules go to the rules that take them. Finished
    runs are not repeated: after Ctrl-C the same command goes on, and other rules or seeds with the
    same --out join the table.
    """
    settings = {name: value for name, value in flags.items() if value is not None}
    asked = dict(
        recipe=recipe or "digits", rules=rules, seeds=seeds, rule_config=rule_config, **settings
    )
    make_plan(**asked)  # refuses before TensorFlow is imported

    import_tensorflow()
    from dtp_tf.comparison import compare as run_comparison
    from dtp_tf.console import make_console

    console = make_console(stderr=as_json)
    content = run_comparison(**asked, out=out, data_dir=data_dir, console=console)
    if as_json:
        print_json(content)


@main.command(epilog="Example:  python cli.py evaluate runs/20261123-120000-digits --json")
@model_argument
@click.option(
    "--split",
    type=click.Choice(["test", "validation", "train"]),
    default="test",
    show_default=True,
    help="Which images.",
)
@data_dir_option
@json_option
def evaluate(model, split, data_dir, as_json):
    """Report accuracy, overall and per class.

    MODEL is a run's folder (its best network counts), a preset's name or folder, or a .keras file.
    """
    import_tensorflow()
    from dtp_tf.console import make_console, show_report
    from dtp_tf.data import load_data
    from dtp_tf.evaluation import evaluate as evaluate_model
    from dtp_tf.runs import open_model

    saved = open_model(model)
    data = load_data(saved.recipe(), data_dir)
    saved.check_fits(data)
    result = evaluate_model(saved.model, getattr(data, split), saved.class_names)
    if as_json:
        print_json(result)
    else:
        show_report(make_console(), result, f"{data.name} {split}")


@main.command(epilog="Example:  python cli.py predict runs/20261123-120000-digits seven.png")
@model_argument
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--top", type=click.IntRange(min=1), default=3, show_default=True, help="Classes per image."
)
@json_option
def predict(model, images, top, as_json):
    """Name the classes of image files, best first, with scores from 0 to 1.

    MODEL is a run's folder (its best network counts), a preset's name or folder, or a .keras file.
    Any common image format and size, grey or colour: images are converted and resized to the
    network's input.
    """
    import_tensorflow()
    from dtp_tf.console import make_console, show_answers
    from dtp_tf.evaluation import answer
    from dtp_tf.runs import open_model

    answers = answer(open_model(model), images, top)
    if as_json:
        print_json(answers)
    else:
        show_answers(make_console(), answers)


@main.command(epilog="Example:  python cli.py export runs/20261123-120000-digits --name my_digits")
@model_argument
@click.option("--name", help="Name of the exported model. [default: the recipe's or preset's]")
@export_dir_option
@data_dir_option
@json_option
def export(model, name, export_dir, data_dir, as_json):
    """Export a network as a SavedModel for TensorFlow Serving.

    MODEL is a run's folder (its best network counts), a preset's name or folder, or a .keras file.
    It becomes EXPORT_DIR/NAME/VERSION, one version above the highest, after it was checked on test
    images, for which the run's data are read; a preset needs no data and is checked on others.
    """
    import_tensorflow()
    from dtp_tf.data import load_data
    from dtp_tf.export import export as write_export
    from dtp_tf.export import serve_command
    from dtp_tf.presets import probe_images
    from dtp_tf.runs import open_model

    saved = open_model(model)
    if saved.preset is None:
        recipe = saved.recipe()
        data = load_data(recipe, data_dir)
        saved.check_fits(data)
        default_name, images = recipe.recipe, data.test.images[:100]
    else:
        default_name, images = saved.preset, probe_images(saved.image_shape())
    classifier = saved.classifier()
    path = write_export(classifier, saved.class_names, export_dir, name or default_name, images)
    if as_json:
        print_json({"export": str(path), "serve": serve_command(path)})
    else:
        click.echo(f"exported   {path}")
        click.echo(f"serve it   {serve_command(path)}")


@main.command(epilog="Example:  python cli.py recipes cifar10")
@click.argument("name", required=False)
@json_option
def recipes(name, as_json):
    """List the recipes, or explain every setting of recipe NAME."""
    if name is None:
        if as_json:
            print_json({name: find_recipe(name).to_dict() for name in RECIPES})
            return
        width = max(map(len, RECIPES))
        for name, named in RECIPES.items():
            click.echo(f"{name:{width}}  {named.summary}")
        return
    settled = find_recipe(name)
    if as_json:
        print_json(settled.to_dict())
        return
    click.echo(f"{name}: {RECIPES[name].summary}\n")
    for setting, value in settled.to_dict().items():
        other_rules = setting in RULE_SETTINGS and setting not in rule_settings(settled.rule)
        if setting == "recipe" or other_rules:
            continue
        click.echo(f"{setting} = {shown(value)}")
        limits = SETTINGS[setting].range_text()
        text = SETTINGS[setting].help + (f" [{limits}]" if limits else "")
        click.echo(click.wrap_text(text, 96, "    ", "    "))


@main.command(epilog="Example:  python cli.py presets digits_mlp_dtp")
@click.argument("name", required=False)
@json_option
def presets(name, as_json):
    """List the presets that come with dtp_tf, or tell all of preset NAME.

    NAME may be a preset's folder as well. A preset is a network with published weights; `predict`,
    `evaluate`, `export` and `train --init` take its name, and `dtp_tf.DTPNetwork.from_preset` too.
    """
    from dtp_tf.presets import preset_info, shipped_presets

    if name is not None:
        facts = preset_info(name)
        if as_json:
            print_json(facts)
        else:
            from dtp_tf.cards import model_card

            click.echo(model_card(facts).split("---\n", 2)[2].strip())
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
        click.echo("  ".join(cells).rstrip())


def license_option(command):
    """Add `--license`."""
    return click.option(
        "--license",
        default="apache-2.0",
        show_default=True,
        help="License of the weights, as model hubs write it.",
    )(command)


@main.command(epilog="Example:  python cli.py save-preset runs/20261123-120000-digits my_digits")
@click.argument("run", type=click.Path())
@click.argument("folder", metavar="DIR", type=click.Path())
@license_option
@click.option(
    "--float16",
    is_flag=True,
    help="Store weights in half the bytes, if that changes no answer to the test images.",
)
@data_dir_option
@json_option
def save_preset(run, folder, license, float16, data_dir, as_json):
    """Write a finished run's best network to DIR as a preset: weights, metadata, model card.

    The folder can be uploaded to a model hub as it is. Its name becomes the preset's.
    """
    import_tensorflow()
    from dtp_tf.preset_models import refuse_used, save_run

    refuse_used(folder)
    facts = save_run(run, folder, license=license, float16=float16, data_dir=data_dir)
    if as_json:
        print_json(facts)
    else:
        show_preset(folder, facts)


@main.command(epilog="Example:  python cli.py import-torch w.pt --layers 64,32,10 --out my_digits")
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
    from dtp_tf.torch_import import import_torch as run_import

    facts, lines = run_import(
        file, sizes, out, image_shape=image_shape, class_names=class_names, **options
    )
    if as_json:
        print_json(facts)
        return
    for line in lines:
        click.echo(line)
    results = facts["results"]
    if results:
        click.echo(f"test accuracy {results['test']['accuracy']:.2%}")
    show_preset(out, facts)


def show_preset(folder, facts):
    """Print where a preset was written."""
    size = sum(file["bytes"] for file in facts["files"].values())
    click.echo(f"preset     {folder}: {facts['layers']}, {size / 1e6:.1f} MB")
    click.echo(f'load it    dtp_tf.DTPNetwork.from_preset("{folder}")')


if __name__ == "__main__":
    sys.exit(main())
