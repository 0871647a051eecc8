"""The command `train`."""

import dataclasses

import click

from dtp_tf.commands.options import (
    anyway_option,
    data_dir_option,
    export_dir_option,
    json_option,
    keep_options,
    machine_options,
    no_report_option,
    print_json,
    setting_options,
)
from dtp_tf.processes.quiet import import_tensorflow
from dtp_tf.recipes.config_files import read_config, refuse_unnamed
from dtp_tf.recipes.recipe import RULE_SETTINGS, Recipe
from dtp_tf.recipes.recipe import recipe as find_recipe


@click.command(epilog="Example:  python cli.py train digits --epochs 10 --units 128,128")
@click.argument("recipe", required=False)
@click.option("--config", type=click.Path(), help="JSON or YAML file of settings, below the flags.")
@click.option("--resume", type=click.Path(), metavar="RUN", help="Continue the run in this folder.")
@click.option("--run-dir", type=click.Path(), help="The run's folder. [default: runs/TIME-RECIPE]")
@click.option("--name", help="Name of the export. [default: the recipe's, or other data's]")
@anyway_option
@data_dir_option
@export_dir_option
@keep_options
@click.option("--no-export", is_flag=True, help="Do not export the trained network.")
@no_report_option
@machine_options
@json_option
@setting_options
def train(
    recipe,
    config,
    resume,
    run_dir,
    name,
    anyway,
    data_dir,
    export_dir,
    keep,
    keep_others,
    no_export,
    no_report,
    machine,
    as_json,
    **flags,
):
    """Train a network by RECIPE (default: digits), evaluate it and export it.

    Every setting of the recipe can be overridden by a flag, or by a file given with --config;
    `recipes NAME` explains them. Ctrl-C ends the training after the current batch and leaves a
    usable run, which --resume continues from there.
    """
    settings = {name: value for name, value in flags.items() if value is not None}
    if config is not None:
        from_file = read_config(config)
        base = from_file.pop("recipe", None)
        recipe = recipe or base
        refuse_unnamed(f"config file {config}", from_file, settings)
        if "rule" in from_file and settings.get("rule", from_file["rule"]) != from_file["rule"]:
            # The file's settings of another rule mean nothing to this one.
            from_file = {k: v for k, v in from_file.items() if k not in RULE_SETTINGS}
        settings = {**from_file, **settings}
    if anyway and resume is None:
        raise click.UsageError("--anyway needs --resume, a run whose data may have changed.")
    if resume is not None:
        if run_dir is not None:
            raise click.UsageError("--run-dir and --resume exclude each other: drop one.")
        settled = recipe  # may only repeat the run's
    elif recipe == "custom":  # what a recipe made in Python calls itself
        settled = Recipe.from_dict(settings)
    else:
        settled = find_recipe(recipe or "digits", **settings)
    if resume is None:  # before TensorFlow is imported
        settled.check()
        machine.check_fits(settled)

    import_tensorflow()
    from dtp_tf.console.tables import make_console
    from dtp_tf.training.train import train as run_training

    _, history = run_training(
        settled,
        resume=resume,
        data_dir=data_dir,
        run_dir=run_dir,
        export_dir=None if no_export else export_dir,
        name=name,
        keep=keep,
        keep_others=keep_others,
        anyway=anyway,
        report=not no_report,
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
