"""Names of other people, in a terminal: nothing is obeyed, hidden or replaced, nothing fails."""

import io
import json

import pytest
from rich.console import Console

from dtp_tf.commands.options import print_json
from dtp_tf.console.console import show_report
from dtp_tf.console.plain import printable, quoted
from dtp_tf.console.tables import PlainConsole, make_console, show_answers, show_server
from dtp_tf.errors import UserError

OBEYED = {
    "colour": ("\x1b[31mred", r"\x1b[31mred"),
    "8-bit sequence": ("\x9b31m", r"\x9b31m"),
    "title": ("\x1b]0;x\x07", r"\x1b]0;x\x07"),
    "start of the line": ("good\rbad", r"good\rbad"),
    "one back": ("a\bb", r"a\x08b"),
    "right to left": ("a\u202eb", r"a\u202eb"),
    "isolate": ("a\u2066b", r"a\u2066b"),
    "no width": ("a\u200bb\ufeff", r"a\u200bb\ufeff"),
    "half a character": ("a\udcff", r"a\udcff"),
    "line separator": ("a\u2028b", r"a\u2028b"),
}
AS_THEY_ARE = [
    ":cat:", "[/x]", "[red]a[/red]", "\\[x]", "a\\", "a\\\\", "$\\foo$", "日本語", "שלום", "naïve",
    "[link=http://x]", "\U0001f600",
]  # fmt: skip


def printed(show, *args, encoding="utf-8", terminal=False, kind=PlainConsole):
    """Return what a function prints on a console of ours with an encoding."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    emoji = {} if kind is Console else {"emoji": False}
    console = kind(file=file, force_terminal=terminal, width=110, highlight=False,
                   soft_wrap=True, color_system=None, **emoji)  # fmt: skip
    show(console, *args)
    file.flush()
    return raw.getvalue().decode(encoding)


def answers(name):
    return [{"image": name, "classes": [name], "scores": [1.0]}]


@pytest.mark.parametrize("name", OBEYED)
def test_what_a_terminal_would_obey_or_hide_is_shown_as_an_escape(name):
    raw, shown = OBEYED[name]
    assert printable(raw) == printable(raw, lines=False) == shown
    report = {"per_class": {raw: 1.0}, "accuracy": 1.0, "loss": 0.1, "images": 2}
    for text in (
        printed(show_answers, answers(raw)),
        printed(show_report, report, raw),
        printed(lambda console: console.print(f"run        {raw}", markup=False)),
    ):
        assert shown in text
        assert raw not in text


def test_ends_of_lines_stay_in_texts_and_not_in_names():
    assert printable("a\n\tb") == "a\n\tb"
    assert printable("a\n\tb", lines=False) == r"a\n\tb"
    assert r"a\nb" in printed(show_answers, answers("a\nb"))


@pytest.mark.parametrize("kind", [PlainConsole, Console])
@pytest.mark.parametrize("name", AS_THEY_ARE)
def test_names_are_shown_as_they_are(name, kind):
    if kind is Console:  # of a caller, which may have emoji
        name = name.replace(":cat:", "cat")
    line = printed(show_answers, answers(name), kind=kind).splitlines()[1]
    assert line.split() == [name, name, "1.0000"]


@pytest.mark.parametrize("name", AS_THEY_ARE)
def test_paths_are_shown_as_they_are(name):
    shown = printed(lambda console: console.print(f"run        runs/{name}", markup=False))
    assert shown == f"run        runs/{name}\n"


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", r"\xe9\u65e5\U0001f600"),
        ("latin-1", "é\\u65e5\\U0001f600"),
        ("cp1252", "é\\u65e5\\U0001f600"),
        ("utf-8", "é日\U0001f600"),
    ],
)
@pytest.mark.parametrize("terminal", [True, False])
def test_no_encoding_lets_the_output_fail(encoding, shown, terminal):
    text = printed(show_answers, answers("é日\U0001f600"), encoding=encoding, terminal=terminal)
    assert shown in text


def test_a_servers_words_are_names_too():
    evil = "\x1b[2J[/x]"
    signature = {"inputs": {evil: {"dtype": evil, "shape": [-1, 2]}}, "outputs": {}}
    found = {
        "url": "http://h/v1/models/m", "model": "m", "version": 1, "signatures": {evil: signature},
        "versions": [{"version": 1, "state": evil, "error": evil}],
    }  # fmt: skip
    text = printed(show_server, found)
    assert text.count(r"\x1b[2J[/x]") == 5
    assert "\x1b" not in text


def test_the_consoles_of_the_commands_are_such():
    for console in (make_console(), make_console(stderr=True), make_console(quiet=True)):
        assert isinstance(console, PlainConsole)
        assert console.render_str(":cat: \x1b").plain == r":cat: \x1b"


def test_json_is_ascii_and_has_no_number_that_json_has_not(capsys):
    print_json({"日\udcff\x1b": 1.5})
    text = capsys.readouterr().out
    assert text.isascii() and json.loads(text) == {"日\udcff\x1b": 1.5}
    for number in (float("nan"), float("inf")):
        with pytest.raises(UserError, match="not finite"):
            print_json({"loss": number})
    assert capsys.readouterr().out == ""


def test_printed_paths_are_one_word_of_a_shell():
    assert quoted("runs/a") == "runs/a"
    assert quoted("a b; rm -rf $HOME") == "'a b; rm -rf $HOME'"
