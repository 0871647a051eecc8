"""The command `compare`."""

import dataclasses

import click

from dtp_tf.commands.options import (
    anyway_option,
    data_dir_option,
    json_option,
    machine_options,
    no_report_option,
    print_json,
    setting_options,
    workers_option,
)
from dtp_tf.comparing.plan import make_plan
from dtp_tf.processes.cores import check_workers
from dtp_tf.processes.quiet import import_tensorflow


def shared_setting_options(command):
    """Add one option for each setting that the rules of a comparison may be given together."""
    return setting_options(command, without=("recipe", "rule", "seed"))


@click.command(epilog="Example:  python cli.py compare digits --rules bp,dtp,ldrl --seeds 2")
@click.argument("recipe", required=False)
@click.option(
    "--rules", metavar="RULE,...", help="Names of rules, FILE.py:CLASS, or all. [default: all]"
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
@anyway_option
@data_dir_option
@workers_option
@no_report_option
@machine_options
@json_option
@shared_setting_options
def compare(
    recipe,
    rules,
    seeds,
    out,
    rule_config,
    data_dir,
    workers,
    anyway,
    no_report,
    machine,
    as_json,
    **flags,
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
    check_workers(workers)  # these refuse before TensorFlow is imported
    make_plan(**asked, machine=machine)

    import_tensorflow()
    from dtp_tf.comparing.comparison import compare as run_comparison
    from dtp_tf.console.tables import make_console

    console = make_console(stderr=as_json)
    content = run_comparison(
        **asked,
        out=out,
        data_dir=data_dir,
        anyway=anyway,
        workers=workers,
        report=not no_report,
        console=console,
        **dataclasses.asdict(machine),
    )
    if as_json:
        print_json(content)
