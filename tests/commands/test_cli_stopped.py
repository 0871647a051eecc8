"""Ctrl-C ends a command with one word, wherever it comes."""

import click
import pytest
from helpers import invoke

from dtp_tf.commands.main import main


def _raise(error, cause=None):
    raise error from cause


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (KeyboardInterrupt(), None),
        (RuntimeError("in user code: KeyboardInterrupt"), None),
        (RuntimeError("generator failed"), KeyboardInterrupt()),
    ],
)
def test_ctrl_c_is_no_traceback_even_where_tensorflow_hands_it_on(monkeypatch, error, cause):
    command = click.Command("work", callback=lambda: _raise(error, cause))
    monkeypatch.setitem(main.commands, "work", command)
    result = invoke("work")
    assert (result.exit_code, result.stderr.strip()) == (1, "Aborted!")


def test_an_error_that_is_no_ctrl_c_stays_what_it_is(monkeypatch):
    command = click.Command("work", callback=lambda: _raise(RuntimeError("a fault of ours")))
    monkeypatch.setitem(main.commands, "work", command)
    assert str(invoke("work").exception) == "a fault of ours"
