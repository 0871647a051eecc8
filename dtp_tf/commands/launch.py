"""The command that starts several workers on this machine."""

import click

from dtp_tf.errors import SettingError


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog="Example:  python cli.py launch --workers 2 train digits --epochs 5",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1, max=64),
    default=2,
    show_default=True,
    help="How many processes train together.",
)
@click.argument(
    "words", metavar="train [OPTIONS]...", nargs=-1, required=True, type=click.UNPROCESSED
)
@click.pass_context
def launch(ctx, workers, words):
    """Try out `train --strategy multiworker` with several processes on this machine.

    Each worker is a process that runs the given `train` with the same global batches, of which it
    has its share, over free ports of the loopback. The chief's text is shown as usual, of the
    others errors only. Ctrl-C ends all of them in order; when one fails, all end, with its exit
    code. On several hosts, start `train --strategy multiworker` on each instead.
    """
    from dtp_tf.machines.launch import launch as run

    ctx.exit(run(workers, worker_words(words)))


def worker_words(words):
    """Return the words of each worker's command.

    Raises:
        SettingError: the command is not `train`, or has another strategy.
    """
    name, *rest = words
    if name != "train":
        raise SettingError(f"`launch` starts workers that `train` together, got {name!r}.")
    for i, word in enumerate(rest):
        flag, _, value = word.partition("=")
        if flag == "--strategy":
            value = value or (rest[i + 1] if i + 1 < len(rest) else "")
            if value != "multiworker":
                raise SettingError(
                    f"`launch` starts workers, whose `strategy` is multiworker, got {value!r}: "
                    "leave --strategy out."
                )
            return [name, *rest]
    return [name, "--strategy", "multiworker", *rest]
