"""The command `tune`."""

import dataclasses

import click

from dtp_tf.commands.options import (
    Seconds,
    anyway_option,
    data_dir_option,
    echo,
    json_option,
    machine_options,
    no_report_option,
    print_json,
    setting_options,
    workers_option,
)
from dtp_tf.processes.quiet import import_tensorflow
from dtp_tf.tuning.search_space import make_search, to_yaml


@click.command(epilog="Example:  python cli.py tune digits --trials 10 --epochs 3")
@click.argument("recipe", required=False)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many trials in all, those of earlier calls included.",
)
@click.option(
    "--timeout",
    type=Seconds(),
    metavar="SECONDS",
    help="Stop after this time; unfinished trials can go on later. [default: none]",
)
@click.option(
    "--search",
    type=click.Path(),
    metavar="FILE",
    help="YAML or JSON file of the search space. [default: ranges around the recipe's values]",
)
@click.option("--show-search", is_flag=True, help="Print the search space as YAML, and end.")
@workers_option
@click.option("--out", type=click.Path(), help="The study's folder. [default: tunings/RECIPE]")
@anyway_option
@no_report_option
@data_dir_option
@machine_options
@json_option
@setting_options
def tune(
    recipe,
    trials,
    timeout,
    search,
    show_search,
    workers,
    out,
    data_dir,
    anyway,
    no_report,
    machine,
    as_json,
    **flags,
):
    """Search for settings of RECIPE (default: digits) with a better validation accuracy.

    Trials train RECIPE with other values of what is searched; those that fall behind are stopped
    early. A flag overrides the recipe, and what it sets is not searched. The same command goes on
    after Ctrl-C or a kill, and may run in several processes at once. The test split is not read.
    Needs the extra `tune`.
    """
    settings = {name: value for name, value in flags.items() if value is not None}
    recipe = recipe or "digits"
    # Refuses before TensorFlow is imported.
    _, space = make_search(recipe, search, machine, **settings)
    if show_search:
        plain = space.to_plain()
        print_json(plain) if as_json else echo(to_yaml(plain), nl=False)
        return
    import_tensorflow()
    from dtp_tf.console.tables import make_console
    from dtp_tf.tuning.tuning import tune as run_search

    content = run_search(
        recipe, trials, search=search, timeout=timeout, workers=workers, out=out,
        data_dir=data_dir, anyway=anyway, report=not no_report,
        console=make_console(stderr=as_json),
        **dataclasses.asdict(machine), **settings,
    )  # fmt: skip
    if as_json:
        print_json(content)
