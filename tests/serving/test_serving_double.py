"""The model server of these tests keeps the contract of a real one's REST interface."""

import base64
import json
import urllib.error
import urllib.request

import numpy as np
import pytest
from fake_model_server import FakeModelServer
from helpers import digits
from served import NAMES, small_classifier, write_version
from serving_support import (  # noqa: F401
    ask,
    assert_same_answers,
    fixture_home,
    fixture_pictures,
    fixture_running,
    fixture_server,
)

from dtp_tf.data.image_files import encode_pixels, read_image
from dtp_tf.data.images import fit_image
from dtp_tf.serving.asking import answer
from dtp_tf.serving.connecting import connect


def post(server, verb, request, pin=""):
    """Return (status, content) of a request with nothing between it and the wire."""
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    try:
        with urllib.request.urlopen(f"{server.url()}{pin}:{verb}", body, timeout=30) as answered:
            return answered.status, json.load(answered)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def png(number):
    content = encode_pixels(digits().test.images[number])
    return {"b64": base64.b64encode(content).decode()}


@pytest.mark.slow
def test_row_and_columnar_requests_by_pixels_and_by_bytes_have_one_answer(server):
    images = digits().test.images[:3].tolist()
    encoded = [png(i) for i in range(3)]
    by_bytes = {"signature_name": "image_bytes"}
    rows = [
        {"instances": images},
        {"instances": [{"images": image} for image in images]},
        {**by_bytes, "instances": encoded},
        {**by_bytes, "instances": [{"image_bytes": one} for one in encoded]},
    ]
    columns = [
        {"inputs": images},
        {"inputs": {"images": images}},
        {**by_bytes, "inputs": encoded},
        {**by_bytes, "inputs": {"image_bytes": encoded}},
    ]
    found = []
    for request in columns:
        status, content = post(server, "predict", request)
        assert status == 200, content
        found.append(content["outputs"])
    for request in rows:
        status, content = post(server, "predict", request)
        assert status == 200, content
        found.append({k: [one[k] for one in content["predictions"]] for k in found[0]})
    classifier = small_classifier(seed=2)
    exact = np.asarray(classifier(digits().test.images[:3]))
    for outputs in found:
        np.testing.assert_allclose(outputs["probabilities"], exact, atol=1e-5)
        assert [row[0] for row in outputs["classes"]] == [NAMES[i] for i in exact.argmax(axis=1)]


def test_examples_are_classified(server):
    request = {"signature_name": "classify", "examples": [{"image/encoded": png(3)}]}
    status, content = post(server, "classify", request)
    assert status == 200
    ((best, *others),) = content["results"]
    exact = np.asarray(small_classifier(seed=2)(digits().test.images[3:4]))[0]
    assert best == [NAMES[exact.argmax()], pytest.approx(float(exact.max()), abs=1e-5)]
    assert len(others) == 4


@pytest.mark.parametrize(
    ("verb", "request_", "pin", "code"),
    [
        ("predict", b"{", "", 400),
        ("predict", {}, "", 400),
        ("predict", {"instances": [], "inputs": []}, "", 400),
        ("predict", {"instances": [[[1.0]]]}, "", 400),
        ("predict", {"instances": [[[1]]]}, "", 400),
        ("predict", {"inputs": {"pixels": []}}, "", 400),
        ("predict", {"signature_name": "none", "instances": [1]}, "", 400),
        ("predict", {"signature_name": "image_bytes", "instances": [{"b64": "!"}]}, "", 400),
        ("classify", {"examples": [{"image/encoded": "x"}]}, "", 400),
        ("regress", {"examples": []}, "", 400),
        ("predict", {"instances": [1]}, "/versions/9", 404),
        ("predict", {"instances": [1]}, "/labels/none", 400),
    ],
)
def test_a_wrong_request_is_refused_with_a_reason(server, verb, request_, pin, code):
    status, content = post(server, verb, request_, pin)
    assert status == code
    assert list(content) == ["error"]
    assert len(content["error"]) > 10


@pytest.mark.slow
def test_a_new_version_answers_as_soon_as_it_is_there(server, home, pictures, tmp_path):
    write_version(small_classifier(seed=1), tmp_path / "m" / "1")
    with FakeModelServer({"m": tmp_path / "m"}) as other, connect(other.url("m")) as client:
        assert_same_answers(answer(client, pictures[:1], 3), ask(home / "1.keras", pictures[0]))
        write_version(small_classifier(seed=2), tmp_path / "m" / "2")
        assert_same_answers(answer(client, pictures[:1], 3), ask(home / "2.keras", pictures[0]))


def test_fitting_here_is_what_the_graph_does(pictures):
    """Otherwise equal answers of the two would say nothing of the fitting."""
    for path in pictures:
        assert np.asarray(fit_image(read_image(path), (8, 8, 1))).std() > 10
