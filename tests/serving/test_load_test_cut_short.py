"""A load test that failures cut short says so, and ends with 1 whatever was answered before."""

import json

import pytest
from helpers import invoke, refusal

from dtp_tf.console.tables import PlainConsole, show_load_test
from dtp_tf.errors import SettingError, UserError
from dtp_tf.serving import load_test as module
from dtp_tf.serving.client import ServerError
from dtp_tf.serving.load_test import MAX_ERRORS, check_load_test, load_test

ANSWER = {"classes": [["a"]], "scores": [[1.0]]}


class Server:
    """A client of a server that fails from some request on, for good or a number of times."""

    def __init__(self, begin, times):
        self.begin, self.times, self.sent = begin, times, 0
        self.address = type("Address", (), {"server": "s", "which": lambda self: "m"})()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def signatures(self):
        return 1, {"image_bytes": {}}

    def prepare(self, signature, inputs):
        return inputs

    def send(self, request):
        self.sent += 1
        if self.begin < self.sent <= self.begin + self.times:
            raise ServerError("the server failed on demand.", "500")
        return ANSWER


@pytest.fixture
def failing(monkeypatch):
    def use(begin, times):
        server = Server(begin, times)
        monkeypatch.setattr(module, "connect", lambda url, **connection: server)

    return use


def test_failures_that_end_a_level_are_said_and_are_an_error(failing):
    failing(begin=6, times=10**9)
    result = load_test("u", [b""], [1], requests=1000)
    (level,) = result["levels"]
    assert (level["requests"], level["cut_short"]) == (5, True)
    assert json.loads(json.dumps(result)) == result
    with pytest.raises(UserError) as caught:
        check_load_test(result)
    assert str(caught.value) == (
        f"{MAX_ERRORS} failures cut the load test at concurrency 1 short: the server failed on "
        "demand."
    )


def test_fewer_failures_are_counted_and_are_no_error(failing):
    failing(begin=6, times=MAX_ERRORS - 1)
    result = load_test("u", [b""], [1], requests=1000)
    (level,) = result["levels"]
    assert (level["requests"], level["cut_short"]) == (1000 - MAX_ERRORS + 1, False)
    check_load_test(result)


def test_a_person_reads_which_level_was_cut_short(failing, capsys):
    failing(begin=6, times=10**9)
    show_load_test(PlainConsole(width=110), load_test("u", [b""], [2], requests=1000))
    assert "cut short by failures with 2 worker(s)" in capsys.readouterr().out


def test_the_command_ends_with_1_and_its_json_is_whole(failing, tmp_path, monkeypatch):
    failing(begin=6, times=10**9)
    result = invoke("load-test", "http://h/v1/models/m", "--requests", 500, "--concurrency", 1,
                    "--limit", 1, "--json")  # fmt: skip
    assert "failures cut the load test at concurrency 1 short" in refusal(result, 1)
    assert json.loads(result.stdout)["levels"][0]["cut_short"] is True


def test_more_workers_than_a_machine_has_threads_are_refused():
    with pytest.raises(SettingError, match="concurrency must be at most 1,000, got 1,000,000"):
        load_test("u", [b""], [1, 1_000_000], requests=1)
