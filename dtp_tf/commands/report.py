"""The command `report`."""

import webbrowser

import click

from dtp_tf.commands.options import data_dir_option, echo, in_memory_option, rule_option
from dtp_tf.processes.quiet import import_tensorflow


@click.command(epilog="Example:  python cli.py report runs/20261123-120000-digits --open")
@click.argument("path", metavar="RUN|COMPARISON|SEARCH|PRESET", type=click.Path())
@click.option("--out", type=click.Path(),
              help="The file. [default: report.html in the folder; of a shipped preset NAME.html]")
@click.option("--open", "show", is_flag=True, help="Show it in the browser.")
@rule_option
@data_dir_option
@in_memory_option
def report(path, out, show, rule, data_dir, in_memory):
    """Write an HTML page on a run, a comparison, a search or a preset: one file, to be sent.

    It is of what the folder holds, or a shipped preset by its name. Of a run it has the curves, the
    accuracy of each class, images that were answered wrong and right, the first layer's weights,
    what the inverses give back, settings, data and versions. Images are shown only if they are
    those of the training. `train`, `compare` and `tune` write their page themselves.
    """
    import_tensorflow()
    from dtp_tf.reports import report as write_report

    written = write_report(path, out, rule=rule, data_dir=data_dir, in_memory=in_memory)
    echo(f"written    {written}")
    if show and not webbrowser.open(written.resolve().as_uri()):
        echo("no browser was found: open the file yourself.", err=True)
