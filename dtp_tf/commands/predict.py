"""The command `predict`: images named by a model here, or by a server."""

import click

from dtp_tf.commands.options import echo, json_option, print_json, rule_option
from dtp_tf.commands.serving import server_options
from dtp_tf.processes.quiet import import_tensorflow


@click.command(epilog="Example:  python cli.py predict runs/20261123-120000-digits seven.png")
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
@rule_option
@json_option
@click.pass_context
def predict(ctx, paths, top, url, batch_size, rule, as_json, **connection):
    """Name the classes of image files, best first, with scores: from 0 to 1, but those of a linear
    output.

    MODEL is a run's folder (its best network counts), a preset's name or folder, or a .keras file.
    Images are PNG, JPEG, GIF, WEBP, BMP, TIFF or PPM files of any size up to 100 million pixels,
    grey or colour; they are converted and resized to the network's input.
    With --url the server's model answers, and all paths are images. A run that was trained on a
    folder says which of the images it learned from, by their content.
    """
    from dtp_tf.console.tables import make_console, show_answers

    if url is not None:
        from dtp_tf.serving.asking import answer as ask
        from dtp_tf.serving.connecting import connect

        with connect(url, **connection) as client:
            answers = ask(client, paths, top, batch_size)
    else:
        model, *images = paths
        check_local(ctx, images)
        import_tensorflow()
        from dtp_tf.evaluating.evaluation import answer
        from dtp_tf.sharing.model_data import trained_on
        from dtp_tf.sharing.opening import open_model

        saved = open_model(model, rule)
        answers = answer(saved, images, top)
        splits, said = trained_on(saved, model, images)
        for one, split in zip(answers, splits, strict=False):
            one["split"] = split
        if said:
            echo(f"note: {said}", err=True)
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
