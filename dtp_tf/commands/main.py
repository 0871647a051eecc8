"""The command line: parse, call one library function, print.

TensorFlow takes seconds to import, so each command imports what it needs when it runs.
"""

import dataclasses
import sys

import click

from dtp_tf.cli_benchmark import benchmark
from dtp_tf.cli_launch import launch
from dtp_tf.cli_options import (
    data_dir_option,
    export_dir_option,
    json_option,
    keep_option,
    machine_options,
    model_argument,
    print_json,
    setting_options,
)
from dtp_tf.cli_presets import import_torch, presets, save_preset
from dtp_tf.cli_serving import load_test, serve, server_options, server_status
from dtp_tf.cli_tuning import tune
from dtp_tf.config_files import read_config
from dtp_tf.errors import SettingError, UserError
from dtp_tf.machine import Machine
from dtp_tf.named_recipes import RECIPES
from dtp_tf.plan import make_plan
from dtp_tf.quiet import import_tensorflow
from dtp_tf.recipes import RULE_SETTINGS, SETTINGS, Recipe, rule_settings, shown
from dtp_tf.recipes import recipe as find_recipe


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
    from dtp_tf.devices import device_name
    from dtp_tf.provenance import versions

    for name, version in versions().items():
        if name != "device":
            click.echo(f"{name} {version}")
    click.echo(f"device {device_name()}")
    ctx.exit()


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
@keep_option
@click.option("--no-export", is_flag=True, help="Do not export the trained network.")
@machine_options
@json_option
@setting_options
def train(
    recipe,
    config,
    resume,
    run_dir,
    data_dir,
    export_dir,
    keep,
    no_export,
    device,
    jit,
    strategy,
    as_json,
    **flags,
):
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
    machine = Machine(device, jit, strategy)
    if resume is None:
        machine.check_fits(settled)

    import_tensorflow()
    from dtp_tf.console import make_console
    from dtp_tf.training import train as run_training

    _, history = run_training(
        settled,
        resume=resume,
        data_dir=data_dir,
        run_dir=run_dir,
        export_dir=None if no_export else export_dir,
        keep=keep,
        console=make_console(stderr=as_json),
        **dataclasses.asdict(machine),
        **(settings if resume is not None else {}),
    )
    if as_json and history.run_dir is not None:  # not of a worker that is not the chief
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
@machine_options
@json_option
@shared_setting_options
def compare(
    recipe, rules, seeds, out, rule_config, data_dir, device, jit, strategy, as_json, **flags
):
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
    machine = Machine(device, jit, strategy)
    make_plan(**asked, machine=machine)  # refuses before TensorFlow is imported

    import_tensorflow()
    from dtp_tf.comparison import compare as run_comparison
    from dtp_tf.console import make_console

    console = make_console(stderr=as_json)
    content = run_comparison(
        **asked, out=out, data_dir=data_dir, console=console, **dataclasses.asdict(machine)
    )
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
@click.argument("paths", metavar="[MODEL] IMAGE...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--top", type=click.IntRange(min=1), default=3, show_default=True, help="Classes per image."
)
@click.option(
    "--url", help="Ask a model server, at http://HOST:8501/v1/models/NAME or grpc://HOST:8500/NAME."
)
@server_options
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=32,
    show_default=True,
    help="With --url: images per request.",
)
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="With --url: how often to ask again a server that is not available.",
)
@json_option
@click.pass_context
def predict(ctx, paths, top, url, batch_size, as_json, **connection):
    """Name the classes of image files, best first, with scores from 0 to 1.

    MODEL is a run's folder (its best network counts), a preset's name or folder, or a .keras file.
    Any common image format and size, grey or colour: images are converted and resized to the
    network's input. With --url the server's model answers, and all paths are images.
    """
    from dtp_tf.tables import make_console, show_answers

    if url is not None:
        from dtp_tf.serving import answer as ask
        from dtp_tf.serving import connect

        with connect(url, **connection) as client:
            answers = ask(client, paths, top, batch_size)
    else:
        model, *images = paths
        check_local(ctx, images)
        import_tensorflow()
        from dtp_tf.evaluation import answer
        from dtp_tf.runs import open_model

        answers = answer(open_model(model), images, top)
    if as_json:
        print_json(answers)
    else:
        show_answers(make_console(), answers)


def check_local(ctx, images):
    """Refuse what makes no sense for `predict` without --url."""
    if not images:
        raise click.UsageError("Missing argument 'IMAGE...'.")
    for name in ("version", "label", "timeout", "batch_size", "retries"):
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} needs --url, a server to ask.")


@main.command(epilog="Example:  python cli.py export runs/20261123-120000-digits --name my_digits")
@model_argument
@click.option("--name", help="Name of the exported model. [default: the recipe's or preset's]")
@click.option(
    "--format",
    "formats",
    type=click.Choice(["savedmodel", "onnx", "litert"]),
    multiple=True,
    help="Write the forward network in this format too (may be repeated); the SavedModel is always "
    "written.",
)
@export_dir_option
@keep_option
@data_dir_option
@json_option
def export(model, name, formats, export_dir, keep, data_dir, as_json):
    """Export a network as a SavedModel for TensorFlow Serving.

    MODEL is a run's folder (its best network counts), a preset's name or folder, or a .keras file.
    It becomes EXPORT_DIR/NAME/VERSION, one version above the highest, after it was checked on test
    images, for which the run's data are read; a preset needs no data and is checked on others.
    ONNX (which needs the extra `onnx`) and LiteRT lie in the version's assets.extra, checked alike.
    """
    formats = [kind for kind in dict.fromkeys(formats) if kind != "savedmodel"]
    import_tensorflow()
    from dtp_tf.export import format_paths, serve_command
    from dtp_tf.trained_export import export_trained

    path = export_trained(
        model, export_dir, name, data_dir=data_dir, formats=formats, keep=keep
    )
    others = {kind: str(file) for kind, file in format_paths(path, formats).items()}
    if as_json:
        print_json({"export": str(path), "formats": others, "serve": serve_command(path)})
    else:
        click.echo(f"exported   {path}")
        for kind, file in others.items():
            click.echo(f"{kind:10} {file}")
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


COMMANDS = (
    benchmark, launch, presets, save_preset, import_torch, serve, server_status, load_test, tune
)  # fmt: skip
for command in COMMANDS:
    main.add_command(command)


if __name__ == "__main__":
    sys.exit(main())
