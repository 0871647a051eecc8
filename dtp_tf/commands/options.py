"""Options that several commands share, and what they print: text, or JSON alone."""

import dataclasses
import functools
import json
import math

import click

from dtp_tf.console.plain import printable
from dtp_tf.errors import SettingError, UserError
from dtp_tf.machines.checkpoint_every import USUAL
from dtp_tf.machines.machine import IN_MEMORY, JIT, STRATEGIES, Machine
from dtp_tf.recipes.recipe import SETTINGS

LONGEST = 10_000_000  # seconds or milliseconds; a system call takes not much more


def json_option(command):
    """Add `--json`."""
    text = "Print the result as JSON on stdout, all else on stderr."
    return click.option("--json", "as_json", is_flag=True, help=text)(command)


def data_dir_option(command):
    """Add `--data-dir`."""
    text = "Folder of TensorFlow Datasets. [default: TFDS's own]"
    return click.option("--data-dir", type=click.Path(), help=text)(command)


def dataset_option(command):
    """Add `--dataset` of a command that opens a model."""
    text = "The model's data set, named again: otherwise it is not downloaded."
    return click.option("--dataset", help=text)(command)


def anyway_option(command):
    """Add `--anyway`."""
    text = "Go on although the data are not those of the training; what differs is said."
    return click.option("--anyway", is_flag=True, help=text)(command)


def rule_option(command):
    """Add `--rule` of a command that opens a model."""

    def check(ctx, param, value):
        if value is not None and ".py:" not in value:
            raise SettingError(f"`--rule` must be FILE.py:CLASS, got {value!r}.")
        return value

    return click.option(
        "--rule",
        metavar="FILE.py:CLASS",
        callback=check,
        help="The rule of your own that the model was trained by. The file is run.",
    )(command)


def export_dir_option(command):
    """Add `--export-dir`."""
    return click.option(
        "--export-dir",
        type=click.Path(),
        default="exported_models",
        show_default=True,
        help="Folder of exported models.",
    )(command)


def keep_options(command):
    """Add `--keep` and `--keep-others`."""
    options = (
        click.option(
            "--keep",
            type=click.IntRange(min=1),
            metavar="N",
            help="Remove all exported versions but the N highest. [default: keep all]",
        ),
        click.option(
            "--keep-others/--no-keep-others",
            default=True,
            show_default=True,
            help="With --keep: leave alone the versions of other data or of another recipe.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def no_report_option(command):
    """Add `--no-report`."""
    text = "Do not write report.html, a page on what came of it."
    return click.option("--no-report", is_flag=True, help=text)(command)


def in_memory_option(command):
    """Add `--in-memory`."""
    return click.option(
        "--in-memory",
        type=click.Choice(IN_MEMORY),
        default="auto",
        show_default=True,
        help="Hold all images in memory, or read them from the disk as they are needed (no), which "
        "changes no result; auto = hold them if they fit.",
    )(command)


workers_option = click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes that train at the same time, each with its share of the cores.",
)


def machine_options(command):
    """Add what `dtp_tf.machines.Machine` takes, each as an option; the command gets `machine`."""

    @functools.wraps(command)
    def with_machine(**given):
        names = [field.name for field in dataclasses.fields(Machine)]
        machine = Machine(**{name: given.pop(name) for name in names})
        return command(machine=machine, **given)

    options = (
        click.option(
            "--device",
            metavar="DEVICE",
            default="auto",
            show_default=True,
            help="auto = the GPU where there is one, cpu, or gpu:N.",
        ),
        click.option(
            "--jit",
            type=click.Choice(JIT),
            default="auto",
            show_default=True,
            help="What XLA compiles: auto = the optimizers' updates, on = the whole step.",
        ),
        click.option(
            "--strategy",
            type=click.Choice(STRATEGIES),
            default="none",
            show_default=True,
            help="mirrored = all GPUs of this host; multiworker = one of several workers.",
        ),
        in_memory_option,
        click.option(
            "--checkpoint-every",
            metavar="STEPS|TIME",
            default=USUAL,
            show_default=True,
            help="How often to save the state within an epoch: 500 (steps), 30s, 10min, 2h, or "
            "epoch = only after each.",
        ),
    )
    for option in reversed(options):
        with_machine = option(with_machine)
    return with_machine


class Seconds(click.FloatRange):
    """A length of time; "nan" and "inf" are numbers to Python, and nothing that can be waited."""

    def __init__(self, min_open=True):
        super().__init__(min=0, min_open=min_open)

    def convert(self, value, param, ctx):
        number = super().convert(value, param, ctx)
        if not math.isfinite(number) or number > LONGEST:
            self.fail(f"{value} cannot be waited; give a number of at most {LONGEST:,}.")
        return number


def echo(text, err=False, nl=True):
    """Print text in which names may be of other people."""
    click.echo(printable(text), err=err, nl=nl)


def print_json(content):
    """Print JSON on stdout, in ASCII.

    Raises:
        UserError: a number in it is not finite, which JSON cannot say.
    """
    try:
        text = json.dumps(content, indent=2, allow_nan=False)
    except ValueError:
        raise UserError(
            "the result has numbers that are not finite, which JSON has no place for; ask again "
            "without --json to see it."
        ) from None
    click.echo(text)


def model_argument(command):
    """Add the argument `model`: what `dtp_tf.sharing.open_model` takes."""
    return click.argument("model", metavar="MODEL", type=click.Path())(command)


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
