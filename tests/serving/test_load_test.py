"""`load-test`: what it measures adds up, and a wrong answer never passes."""

import json
import socket
import time

import numpy as np
import pytest
from fake_model_server import FakeModelServer
from helpers import digits, invoke, refusal, sentence, succeeded
from PIL import Image
from served import save_classifier, small_classifier, write_version

from dtp_tf.data.image_files import encode_pixels
from dtp_tf.errors import SettingError, UserError
from dtp_tf.serving.load_images import encoded_images, expected_answers
from dtp_tf.serving.load_test import MAX_ERRORS, check_load_test, difference, load_test


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    path = tmp_path_factory.mktemp("served")
    for seed in (1, 2):
        save_classifier(small_classifier(seed), path / f"{seed}.keras")
    write_version(small_classifier(seed=2), path / "digits" / "1")
    write_version(small_classifier(seed=2), path / "old" / "1", signatures=["serving_default"])
    return path


@pytest.fixture(scope="module")
def running(home):
    with FakeModelServer({name: home / name for name in ("digits", "old")}) as server:
        yield server


@pytest.fixture
def server(running):
    running.reset()
    return running


@pytest.fixture(scope="module")
def images():
    return [encode_pixels(image) for image in digits().test.images[:5]]


def url(server, scheme):
    return server.grpc_url() if scheme == "grpc" else server.url()


def run(*words):
    return json.loads(succeeded(invoke("load-test", *words, "--json")))


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_every_request_is_answered_counted_and_checked(server, home, scheme):
    words = (url(server, scheme), "--concurrency", "1,3", "--requests", 20, "--batch-size", 4,
             "--limit", 10)  # fmt: skip
    found = run(*words, "--expect", home / "2.keras")
    assert (found["batch_size"], found["images"]) == (4, 10)
    assert found["checked_against"] == "local run"
    assert [level["concurrency"] for level in found["levels"]] == [1, 3]
    for level in found["levels"]:
        assert level["requests"] == 20
        assert (level["wrong"], level["errors"], level["first_error"]) == (0, {}, None)
        assert level["requests_per_second"] == pytest.approx(20 / level["seconds"])
        assert level["images_per_second"] == pytest.approx(4 * level["requests_per_second"])
        times = [level["latency_ms"][name] for name in ("p50", "p90", "p99", "max")]
        assert times == sorted(times)
        assert 0 < times[0] < 1000 * level["seconds"]
    if scheme == "http":
        predictions = [body for path, body in server.seen if path.endswith(":predict")]
        assert len(predictions) == 3 + 2 * 20  # each batch once before the clock starts
        sent = {one["b64"] for body in predictions
                for one in json.loads(body)["inputs"]["image_bytes"]}  # fmt: skip
        assert len(sent) == 10
        assert server.connections == 1 + 1 + 3  # each worker's stays open


@pytest.mark.slow
def test_latency_is_the_servers(server, images):
    server.delay = 0.1
    (level,) = load_test(server.url(), images, [1], requests=3)["levels"]
    assert 100 < level["latency_ms"]["p50"] <= 1000 * level["seconds"] / 2
    assert level["requests_per_second"] < 10


@pytest.mark.slow
def test_a_duration_ends_each_level_in_time(server, images):
    server.delay = 0.05
    start = time.monotonic()
    levels = load_test(server.url(), images[:1], [1, 2], duration=0.5)["levels"]
    assert 1 < time.monotonic() - start < 10
    assert 2 <= levels[0]["requests"] <= 11
    assert levels[1]["requests"] <= 22
    assert all(0.5 <= level["seconds"] < 3 for level in levels)


@pytest.mark.slow
def test_workers_work_at_the_same_time(server, images):
    server.delay = 0.2
    one, four = load_test(server.url(), images[:1], [1, 4], requests=8)["levels"]
    assert one["seconds"] > 1.6
    assert four["seconds"] < 0.8 * one["seconds"]


@pytest.mark.slow
def test_files_are_sent_where_they_are_named(server, tmp_path):
    for i in range(2):
        Image.fromarray(digits().test.images[i, ..., 0]).save(tmp_path / f"{i}.png")
    words = (server.url(), tmp_path / "0.png", tmp_path / "1.png", "--requests", 3)
    found = run(*words, "--concurrency", 1)
    assert found["images"] == 2
    assert found["checked_against"] == "first answers"


def test_a_jpeg_is_checked_against_a_local_run_without_its_decoder(server, home, tmp_path):
    pixels = np.kron(digits().test.images[3, ..., 0], np.ones((9, 7), np.uint8))
    Image.fromarray(pixels).save(tmp_path / "a.jpg")
    words = (server.url(), tmp_path / "a.jpg", "--requests", 2, "--concurrency", 1)
    assert run(*words, "--expect", home / "2.keras")["levels"][0]["wrong"] == 0
    assert encoded_images([tmp_path / "a.jpg"]) == [(tmp_path / "a.jpg").read_bytes()]


def test_a_person_gets_a_table(server):
    words = ("load-test", server.url(), "--requests", 3, "--concurrency", "1,2", "--limit", 3)
    lines = succeeded(invoke(*words)).splitlines()
    assert lines[0].startswith(f"{server.url()}: 3 images, 1 per request, every answer checked")
    assert lines[1].split()[:2] == ["workers", "requests"]
    assert [line.split()[:2] for line in lines[2:4]] == [["1", "3"], ["2", "3"]]
    assert lines[2].split()[-2:] == ["0", "0"]


# -- wrong answers ---------------------------------------------------------------------------------


def change_later(server, after, change):
    """Let predictions be changed once so many were answered."""
    counted = []

    def distort(outputs):
        counted.append(1)
        return change(dict(outputs)) if len(counted) > after else outputs

    server.distort = distort


def shifted(outputs):
    return {**outputs, "scores": outputs["scores"] + np.float32(3e-5)}


def swapped(outputs):
    return {**outputs, "classes": outputs["classes"][:, ::-1]}


@pytest.mark.parametrize("scheme", ["http", "grpc"])
@pytest.mark.parametrize("change", [shifted, swapped])
def test_answers_that_change_are_wrong_and_the_exit_code_says_so(server, scheme, change):
    change_later(server, 5 + 6, change)  # five before the clock starts
    words = ("load-test", url(server, scheme), "--requests", 10, "--concurrency", 1, "--limit", 5)
    result = invoke(*words, "--json")
    assert result.exit_code == 1
    text = sentence(result.stderr)
    assert "4 of 10 answers differ from the first answers: class 1 is " in text
    (level,) = json.loads(result.stdout)["levels"]
    assert (level["requests"], level["wrong"]) == (10, 4)


def test_the_answers_of_another_network_are_wrong(server, home):
    words = ("load-test", server.url(), "--requests", 5, "--concurrency", 1, "--limit", 5)
    text = refusal(invoke(*words, "--expect", home / "1.keras"), 1)
    assert "5 of 5 answers differ from the local run" in text


def test_one_wrong_image_makes_its_batch_wrong(server, home, images):
    right = expected_answers(home / "2.keras", images)
    classes, scores = right[3]
    right[3] = (classes, [score + 2e-4 for score in scores])
    (level,) = load_test(server.url(), images, [1], requests=4, batch_size=5, expected=right)[
        "levels"
    ]
    assert level["wrong"] == 4
    (level,) = load_test(server.url(), images, [1], requests=10, expected=right)["levels"]
    assert level["wrong"] == 2


RIGHT = (["a", "b", "c", "d"], [0.5, 0.2, 0.2, 0.1])


@pytest.mark.parametrize(
    ("classes", "scores", "same"),
    [
        (["a", "b", "c"], [0.5, 0.2, 0.2], True),
        (["a", "c", "b"], [0.5, 0.2, 0.2], True),  # level: rounding decides
        (["a", "b", "c"], [0.500009, 0.2, 0.2], True),
        (["a", "b", "c"], [0.50002, 0.2, 0.2], False),
        (["b", "a", "c"], [0.5, 0.2, 0.2], False),
        (["a", "b", "d"], [0.5, 0.2, 0.2], False),
        (["a", "b", "b"], [0.5, 0.2, 0.2], False),
        (["a", "b", "x"], [0.5, 0.2, 0.2], False),
        (["a", "b", "c", "x"], [0.5, 0.2, 0.2, 0.1], True),  # may be level with the last known
        (["a", "b", "c", "d", "e"], [0.5, 0.2, 0.2, 0.1, 0.0], False),
    ],
)
def test_what_counts_as_the_same_answer(classes, scores, same):
    assert (difference((classes, scores), RIGHT, 1e-5) is None) is same


# -- failures --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_failures_are_counted_by_kind_and_not_repeated(server, scheme, images):
    counted = []

    def fail_sometimes():
        counted.append(1)
        return {4: "UNAVAILABLE", 5: "INTERNAL", 7: "UNAVAILABLE"}.get(len(counted))

    class Failures(list):
        def __bool__(self):
            return True

        def pop(self, index):
            return fail_sometimes()

    server.failures = Failures()
    # One request for the signatures and one for the only batch come first.
    result = load_test(url(server, scheme), images[:1], [1], requests=8)
    (level,) = result["levels"]
    names = ("503", "500") if scheme == "http" else ("UNAVAILABLE", "INTERNAL")
    assert level["errors"] == {names[0]: 2, names[1]: 1}
    assert (level["requests"], level["wrong"]) == (5, 0)
    assert "failed on demand with UNAVAILABLE" in level["first_error"]
    check_load_test(result)


def test_a_server_that_only_fails_ends_the_test_soon_and_with_an_error(server, images):
    counted = []

    def garbage(outputs):
        counted.append(1)
        return outputs if len(counted) == 1 else {"classes": outputs["classes"]}

    server.distort = garbage
    result = load_test(server.url(), images[:1], [1], requests=10_000)
    (level,) = result["levels"]
    assert level["errors"] == {"bad answer": MAX_ERRORS}
    assert (level["requests"], level["latency_ms"]) == (0, None)
    with pytest.raises(UserError, match="no request was answered at concurrency 1: .* answered"):
        check_load_test(result)


@pytest.mark.slow
def test_a_request_that_takes_too_long_is_a_timeout(server, images):
    counted = []

    def slow(outputs):
        counted.append(1)
        if len(counted) == 3:
            time.sleep(2.5)
        return outputs

    server.distort = slow
    (level,) = load_test(server.url(), images[:1], [1], requests=4, timeout=1.5)["levels"]
    assert level["errors"] == {"timeout": 1}
    assert level["requests"] == 3


def test_without_a_server_there_is_one_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        where = f"http://127.0.0.1:{taken.getsockname()[1]}/v1/models/m"
        assert "nothing answers" in refusal(invoke("load-test", where, "--requests", 1), 1)


def test_an_export_without_image_bytes_is_refused(server):
    text = refusal(invoke("load-test", server.url("old"), "--requests", 1), 1)
    assert "has no signature image_bytes" in text


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["--concurrency", "0"], 2, "concurrency must be whole numbers from 1, got [0]"),
        (["--concurrency", "many"], 2, "--concurrency must be whole numbers with commas"),
        (["--duration", "1", "--requests", "1"], 2, "exclude each other"),
        (["missing.png"], 1, "image missing.png does not exist"),
        (["--expect", "missing.keras"], 1, "missing.keras does not exist"),
    ],
)
def test_a_test_that_makes_no_sense_is_refused(server, words, code, expected):
    assert expected in refusal(invoke("load-test", server.url(), *words), code)


def test_the_library_refuses_numbers_that_make_no_test(images):
    for settings in ({}, {"duration": 1, "requests": 1}):
        with pytest.raises(SettingError, match="either a duration or a number of requests"):
            load_test("http://h/v1/models/m", images, [1], **settings)
    with pytest.raises(SettingError, match="at least one image"):
        load_test("http://h/v1/models/m", [], [1], requests=1)


def test_without_files_the_first_test_images_of_the_digits_are_sent(tmp_path):
    encoded = encoded_images((), limit=3)
    assert encoded == [encode_pixels(image) for image in digits().test.images[:3]]
