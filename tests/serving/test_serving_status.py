"""`server-status` tells the versions and signatures of a model, by REST and gRPC alike."""

import json

import pytest
from helpers import invoke, refusal, succeeded
from serving_support import SCHEMES, fixture_home, fixture_running, fixture_server, url  # noqa: F401

from dtp_tf.serving.client import describe
from dtp_tf.serving.connecting import connect


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_status_tells_versions_and_signatures(server, scheme):
    found = json.loads(succeeded(invoke("server-status", url(server, scheme), "--json")))
    assert found["url"] == url(server, scheme)
    assert found["model"] == "digits"
    assert found["versions"] == [
        {"version": 2, "state": "AVAILABLE", "error": None},
        {"version": 1, "state": "AVAILABLE", "error": None},
    ]
    assert found["version"] == 2
    outputs = {
        "classes": {"dtype": "string", "shape": [-1, 5]},
        "scores": {"dtype": "float32", "shape": [-1, 5]},
        "probabilities": {"dtype": "float32", "shape": [-1, 10]},
    }
    signatures = found["signatures"]
    assert set(signatures) == {"serving_default", "image_bytes", "classify"}
    assert signatures["serving_default"]["inputs"] == {
        "images": {"dtype": "uint8", "shape": [-1, 8, 8, 1]}
    }
    assert signatures["image_bytes"]["inputs"] == {
        "image_bytes": {"dtype": "string", "shape": [-1]}
    }
    for name in ("serving_default", "image_bytes"):
        assert signatures[name]["outputs"] == outputs
        assert signatures[name]["method"] == "tensorflow/serving/predict"
    assert signatures["classify"]["method"] == "tensorflow/serving/classify"


def test_the_status_of_both_interfaces_is_the_same(server):
    found = []
    for scheme in SCHEMES:
        with connect(url(server, scheme), label="stable") as client:
            found.append(describe(client))
            del found[-1]["url"]
    assert found[0] == found[1]
    assert found[0]["version"] == 1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_status_is_a_table_for_a_person(server, scheme):
    text = succeeded(invoke("server-status", url(server, scheme)))
    rows = [line.split() for line in text.splitlines()]
    assert ["2", "AVAILABLE", "-"] in rows
    assert ["serving_default", "input", "images", "uint8", "[n,", "8,", "8,", "1]"] in rows
    assert ["output", "probabilities", "float32", "[n,", "10]"] in rows


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_status_of_a_model_that_is_still_loading_has_no_signatures(server, scheme):
    server.loading = True
    found = json.loads(succeeded(invoke("server-status", url(server, scheme), "--json")))
    assert {one["state"] for one in found["versions"]} == {"LOADING"}
    assert found["signatures"] is None
    text = succeeded(invoke("server-status", url(server, scheme)))
    assert "no version is available" in text


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_status_of_an_unknown_model_is_a_sentence(server, scheme):
    text = refusal(invoke("server-status", url(server, scheme, "none")), 1)
    assert "does not serve model 'none' (Could not find any versions of model none)." in text
