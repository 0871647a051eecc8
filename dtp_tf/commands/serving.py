"""The commands around a model server: `serve`, `server-status`, `load-test`."""

import pathlib

import click

from dtp_tf.commands.options import (
    data_dir_option,
    export_dir_option,
    json_option,
    print_json,
    rule_option,
)
from dtp_tf.errors import SettingError
from dtp_tf.processes.quiet import import_tensorflow


def server_options(command):
    """Add `--version`, `--label` and `--timeout` of a request to a server."""
    options = [
        click.option("--version", type=click.IntRange(min=0), help="Version of the served model."),
        click.option("--label", help="Label of a version of the served model, such as stable."),
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            default=10.0,
            show_default=True,
            help="Seconds to wait for each answer of the server.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


PORT = click.IntRange(1, 65535)


@click.command(epilog="Example:  python cli.py serve digits --rest-port 8501 --batching")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@export_dir_option
@rule_option
@click.option(
    "--rest-port", "--port", "rest_port", type=PORT, default=8501, show_default=True,
    help="Port of the REST interface.",
)  # fmt: skip
@click.option(
    "--grpc-port", type=PORT, default=8500, show_default=True, help="Port of the gRPC interface."
)
@click.option(
    "--label", "labels", metavar="[NAME:]LABEL=VERSION", multiple=True,
    help="Name a version, such as stable=3; may be repeated. All versions are loaded then.",
)  # fmt: skip
@click.option("--batching", is_flag=True, help="Compute requests together that arrive together.")
@click.option(
    "--max-batch-size", type=click.IntRange(min=1), default=128, show_default=True,
    help="With --batching: images computed together, and per request, at most.",
)  # fmt: skip
@click.option(
    "--batch-timeout", type=click.FloatRange(min=0), default=1.0, show_default=True,
    help="With --batching: milliseconds to wait for more requests.",
)  # fmt: skip
@click.option("--metrics", is_flag=True, help="Offer metrics for Prometheus on the REST port.")
@click.option("--docker", is_flag=True, help="Use Docker's image, whatever is on the PATH.")
@click.option(
    "--config-dir", type=click.Path(),
    help="Folder to keep the server's configuration files in. [default: a temporary one]",
)  # fmt: skip
@click.option(
    "--start-timeout", type=click.FloatRange(min=0, min_open=True), default=300.0,
    show_default=True, help="Seconds until every model must answer a prediction.",
)  # fmt: skip
@click.option("--show-log", is_flag=True, help="Print the server's log, not its errors alone.")
@click.option("--print-command", is_flag=True, help="Print the command that would serve, and end.")
@click.option(
    "--compose", type=click.Path(allow_dash=True), metavar="FILE",
    help="Write a Docker Compose file that serves the same elsewhere (- prints it), and end.",
)  # fmt: skip
def serve(
    names, export_dir, rule, labels, docker, config_dir, start_timeout, show_log, print_command,
    compose, **settings,
):  # fmt: skip
    """Serve exported models with TensorFlow Serving until Ctrl-C.

    NAME is a model in --export-dir, or the path of the folder above its versions; there may be
    several. A preset or a run's folder is exported first. The server is the
    `tensorflow_model_server` on the PATH, otherwise Docker's image tensorflow/serving. It is ready,
    and says so, when every model has answered a prediction. New versions are picked up while it
    runs.
    """
    from dtp_tf.console.tables import make_console
    from dtp_tf.files import write_text
    from dtp_tf.serving.model_server import (
        ServerPlan,
        command_text,
        compose_text,
        config_files,
        find_models,
        likely_runner,
        server_command,
    )
    from dtp_tf.serving.server_process import serve as run_server
    from dtp_tf.serving.server_process import write_config

    if print_command and compose is not None:
        raise click.UsageError("--print-command and --compose exclude each other: drop one.")
    names = [exported_name(name, export_dir, rule) for name in names]
    plan = ServerPlan(find_models(names, export_dir, labels), **settings)
    if compose == "-":
        click.echo(compose_text(plan, "."), nl=False)
    elif compose is not None:
        write_text(compose, compose_text(plan, pathlib.Path(compose).parent))
        click.echo(f"serve it   docker compose -f {compose} up")
    elif print_command:
        runner = likely_runner(docker)
        if config_files(plan) and config_dir is None:
            raise click.UsageError(
                "this server needs configuration files; say with --config-dir DIR where to put "
                "them."
            )
        folder = write_config(plan, runner, config_dir) if config_dir is not None else None
        click.echo(command_text(server_command(plan, runner, folder)))
    else:
        run_server(
            plan,
            docker=docker,
            console=make_console(),
            config_dir=config_dir,
            timeout=start_timeout,
            show_log=show_log,
        )


def exported_name(name, export_dir, rule=None):
    """Return the name of an export; what is no export yet, but a preset or a run, becomes one."""
    from dtp_tf.presets.folder import is_preset
    from dtp_tf.serving.model_server import is_exported

    is_run = (pathlib.Path(name) / "best.keras").is_file()
    if is_exported(name, export_dir) or not (is_preset(name) or is_run):
        return name
    import_tensorflow()
    from dtp_tf.export.trained_export import export_trained

    path = export_trained(name, export_dir, rule=rule)
    click.echo(f"exported   {path}", err=True)
    return str(path.parent)


@click.command(
    "server-status",
    epilog="Example:  python cli.py server-status http://localhost:8501/v1/models/digits",
)
@click.argument("url")
@server_options
@json_option
def server_status(url, version, label, timeout, as_json):
    """Show the versions of a served model, their states, and its signatures.

    URL is http://HOST:8501/v1/models/NAME or grpc://HOST:8500/NAME.
    """
    from dtp_tf.console.tables import make_console, show_server
    from dtp_tf.serving.client import describe
    from dtp_tf.serving.connecting import connect

    with connect(url, version=version, label=label, timeout=timeout) as client:
        found = describe(client)
    if as_json:
        print_json(found)
    else:
        show_server(make_console(), found)


@click.command(
    "load-test",
    epilog="Example:  python cli.py load-test http://localhost:8501/v1/models/digits "
    "--concurrency 1,4 --duration 5",
)
@click.argument("url")
@click.argument("images", metavar="[IMAGE]...", nargs=-1, type=click.Path())
@click.option(
    "--concurrency", default="1,4", show_default=True, metavar="INT,...",
    help="Numbers of requests under way at once, measured one after the other.",
)  # fmt: skip
@click.option(
    "--duration", type=click.FloatRange(min=0, min_open=True),
    help="Seconds for each concurrency. [default: 10]",
)  # fmt: skip
@click.option("--requests", type=click.IntRange(min=1), help="Requests for each, instead.")
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=1, show_default=True,
    help="Images per request.",
)  # fmt: skip
@click.option(
    "--dataset", default="digits", show_default=True,
    help="Where no IMAGE is given: the set whose test images are sent, or a name in TFDS.",
)  # fmt: skip
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True,
    help="How many images of the set.",
)  # fmt: skip
@click.option(
    "--expect", type=click.Path(), metavar="RUN|MODEL",
    help="Check against the answers of this run or .keras file, not the server's first ones.",
)  # fmt: skip
@rule_option
@data_dir_option
@server_options
@json_option
def load_test(
    url, images, concurrency, duration, requests, dataset, limit, expect, rule, data_dir, as_json,
    batch_size, **connection,
):  # fmt: skip
    """Measure throughput and latency of a model server, and check every answer.

    URL is http://HOST:8501/v1/models/NAME or grpc://HOST:8500/NAME. Ends with exit code 1 if any
    answer was wrong. A new version of the model in the middle of it counts as wrong: name one with
    --version.
    """
    from dtp_tf.console.tables import make_console, show_load_test
    from dtp_tf.serving.load_images import encoded_images, expected_answers
    from dtp_tf.serving.load_test import check_load_test
    from dtp_tf.serving.load_test import load_test as run_load_test

    if duration is not None and requests is not None:
        raise click.UsageError("--duration and --requests exclude each other: drop one.")
    if duration is None and requests is None:
        duration = 10.0
    try:
        workers = [int(number) for number in concurrency.split(",")]
    except ValueError:
        raise SettingError(
            f"--concurrency must be whole numbers with commas, got {concurrency!r}."
        ) from None
    encoded = encoded_images(images, dataset, limit, data_dir, lossless=expect is not None)
    result = run_load_test(
        url,
        encoded,
        workers,
        duration=duration,
        requests=requests,
        batch_size=batch_size,
        expected=None if expect is None else expected_answers(expect, encoded, rule),
        **connection,
    )
    if as_json:
        print_json(result)
    else:
        show_load_test(make_console(), result)
    check_load_test(result)
