"""The command `reproduce`."""

import dataclasses

import click

from dtp_tf.commands.options import (
    anyway_option,
    data_dir_option,
    echo,
    json_option,
    machine_options,
    print_json,
    workers_option,
)
from dtp_tf.processes.cores import check_workers
from dtp_tf.processes.quiet import import_tensorflow
from dtp_tf.reproducing.plan import SETTINGS_OF, make_plan
from dtp_tf.reproducing.tables import find_table, table_names


@click.command(epilog="Example:  python cli.py reproduce lee --rows dtp,bp --seeds 1 --quick")
@click.argument("table", required=False)
@click.option("--rows", metavar="ROW,...", help="Names of rows, or of rules. [default: all]")
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    help="How many seeds, from 0 on. [default: as many as the table says]",
)
@click.option(
    "--settings",
    type=click.Choice(SETTINGS_OF),
    default="published",
    show_default=True,
    help="The paper's settings (this project's where it does not tell its own), this project's, or "
    "both. --rows ROW-ours trains that row anyway.",
)
@click.option("--quick", is_flag=True, help="Train in fewer epochs; the table says so.")
@click.option(
    "--out", type=click.Path(), help="The folder. [default: reproductions/TABLE, or TABLE-quick]"
)
@click.option(
    "--dry-run", is_flag=True, help="Train nothing; say what would be trained, and what is there."
)
@anyway_option
@data_dir_option
@workers_option
@machine_options
@json_option
def reproduce(
    table, rows, seeds, settings, quick, out, dry_run, anyway, data_dir, workers, machine, as_json
):
    """Train the rows of a paper's TABLE (or of FILE.yaml), and hold them against what is published.

    Without TABLE, list the tables. Finished runs are not repeated: after Ctrl-C or a crash the same
    command goes on, also within an epoch, and other rows or seeds with the same --out join the
    table.
    """
    if table is None:
        _list_tables(as_json)
        return
    asked = dict(table=table, rows=rows, seeds=seeds, settings=settings, quick=quick)
    check_workers(workers)  # these refuse before TensorFlow is imported
    make_plan(**asked, machine=machine)

    import_tensorflow()
    from dtp_tf.console.tables import make_console
    from dtp_tf.reproducing.reproduction import reproduce as run_reproduction

    content = run_reproduction(
        **asked,
        out=out,
        data_dir=data_dir,
        anyway=anyway,
        workers=workers,
        dry_run=dry_run,
        console=make_console(stderr=as_json),
        **dataclasses.asdict(machine),
    )
    if as_json:
        print_json(content)


def _list_tables(as_json):
    tables = [find_table(name) for name in table_names()]
    if as_json:
        print_json(
            [
                {
                    "table": one.name,
                    "title": one.title,
                    "source": one.source,
                    "rows": list(one.rows),
                }
                for one in tables
            ]
        )
        return
    for one in tables:
        echo(f"{one.name}\n    {one.title}\n    rows: {', '.join(one.rows)}")
