"""The command line: parse, call one library function, print.

TensorFlow takes seconds to import, so each command imports what it needs when it runs.
"""

import sys

import click

from dtp_tf.commands.benchmark import benchmark
from dtp_tf.commands.compare import compare
from dtp_tf.commands.evaluate import evaluate
from dtp_tf.commands.export import export
from dtp_tf.commands.launch import launch
from dtp_tf.commands.options import echo
from dtp_tf.commands.predict import predict
from dtp_tf.commands.presets import import_torch, presets, save_preset
from dtp_tf.commands.recipes import recipes
from dtp_tf.commands.report import report
from dtp_tf.commands.reproduce import reproduce
from dtp_tf.commands.serving import load_test, serve, server_status
from dtp_tf.commands.train import train
from dtp_tf.commands.tuning import tune
from dtp_tf.console.plain import printable
from dtp_tf.console.program import PROGRAM
from dtp_tf.errors import SettingError, UserError
from dtp_tf.processes.quiet import import_tensorflow
from dtp_tf.processes.streams import ready_streams


class Commands(click.Group):
    """Turns the library's errors into one sentence and an exit code."""

    def main(self, *args, **options):
        ready_streams()
        try:
            return super().main(*args, **options)
        except SettingError as error:  # while the options are read, as --version is
            sys.exit(f"Error: {_sentence(error)}")
        except OSError as error:  # the help could not be printed
            sys.exit(f"Error: {_system_error(error)}")

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except SettingError as error:
            raise click.UsageError(_sentence(error)) from None
        except UserError as error:
            raise click.ClickException(_sentence(error)) from None
        except click.ClickException as error:
            error.message = _sentence(error.message)
            raise
        except MemoryError:
            raise click.ClickException(
                "there is not enough memory for this; ask for less, or free some."
            ) from None
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            raise click.ClickException(_system_error(error)) from None
        except Exception as error:
            if _was_stopped(error):
                raise KeyboardInterrupt from None
            raise


def _was_stopped(error):
    """Whether an error is a Ctrl-C in other clothes: TensorFlow, in the middle of whose work it
    came, may hand it on as a RuntimeError that names it."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt) or "KeyboardInterrupt" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _system_error(error):
    """Return the sentence for an `OSError`."""
    where = f": {error.filename}" if error.filename else ""
    return _sentence(f"{error.strerror or error}{where}.")


def _sentence(error):
    """Return an error as one line, in which names may be of other people."""
    return printable(str(error), lines=False)


def show_versions(ctx, param, value):
    """Print the versions and devices, and end."""
    if not value or ctx.resilient_parsing:
        return
    import_tensorflow()
    from dtp_tf.machines.devices import device_name
    from dtp_tf.machines.versions import versions

    for name, version in versions().items():
        if name != "device":
            echo(f"{name} {version}")
    echo(f"device {device_name()}")
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


COMMANDS = (
    train, compare, reproduce, evaluate, predict, export, recipes, benchmark, launch, presets,
    save_preset, import_torch, serve, server_status, load_test, tune, report,
)  # fmt: skip
for command in COMMANDS:
    main.add_command(command)
    # click keeps the first help option that it makes, also where a command is called by itself
    command.context_settings.update(main.context_settings)
for command in (main, *COMMANDS):  # whoever has no clone has no cli.py
    command.help = command.help.replace("python cli.py", PROGRAM)
    command.epilog = command.epilog and command.epilog.replace("python cli.py", PROGRAM)


if __name__ == "__main__":
    sys.exit(main())
