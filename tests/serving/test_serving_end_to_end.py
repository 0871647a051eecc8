"""From training to answers, with TensorFlow Serving itself, where it is on the PATH."""

import base64
import json
import shutil
import signal
import socket
import time
import urllib.request

import grpc
import numpy as np
import pytest
from helpers import digits, invoke, killed_at_the_end, start, succeeded, trained
from PIL import Image
from tensorflow_serving.apis import classification_pb2, prediction_service_pb2_grpc

from dtp_tf.data.image_files import encode_pixels
from dtp_tf.runs.models import load_model
from dtp_tf.serving.connecting import connect

pytestmark = pytest.mark.skipif(
    shutil.which("tensorflow_model_server") is None,
    reason="tensorflow_model_server is not on the PATH",
)


def free_port():
    with socket.socket() as one:
        one.bind(("", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def export_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("exported")
    succeeded(invoke("export", trained()[0], "--export-dir", path))
    return path


@pytest.fixture(scope="module")
def served(export_dir, tmp_path_factory):
    """(process, REST port, gRPC port) of a running `serve`."""
    ports = free_port(), free_port()
    process = start(
        "serve", "digits", "--export-dir", export_dir, "--rest-port", ports[0], "--grpc-port",
        ports[1], "--batching", "--metrics", "--start-timeout", 120,
        cwd=tmp_path_factory.mktemp("work"),
    )  # fmt: skip
    with killed_at_the_end(process):
        for line in process.stdout:
            if "Ctrl-C stops" in line:
                break
        else:
            pytest.fail(process.stderr.read())
        yield process, *ports


@pytest.fixture(scope="module")
def exact():
    """The probabilities of the first test images, computed here."""
    model = load_model(trained()[0] / "classifier.keras").model
    return np.asarray(model(digits().test.images[:3]))


def post(port, verb, request):
    url = f"http://localhost:{port}/v1/models/digits:{verb}"
    with urllib.request.urlopen(url, json.dumps(request).encode(), timeout=30) as answered:
        return json.load(answered)


def encoded():
    contents = [encode_pixels(image) for image in digits().test.images[:3]]
    return [{"b64": base64.b64encode(content).decode()} for content in contents]


@pytest.mark.parametrize("signature", ["serving_default", "image_bytes"])
@pytest.mark.parametrize("form", ["row", "columnar"])
def test_rest_answers_in_both_forms(served, exact, signature, form):
    values = encoded() if signature == "image_bytes" else digits().test.images[:3].tolist()
    name = "images" if signature == "serving_default" else "image_bytes"
    if form == "row":
        request = {"instances": [{name: value} for value in values]}
        rows = post(served[1], "predict", {"signature_name": signature, **request})["predictions"]
        probabilities = [row["probabilities"] for row in rows]
    else:
        request = {"signature_name": signature, "inputs": {name: values}}
        probabilities = post(served[1], "predict", request)["outputs"]["probabilities"]
    np.testing.assert_allclose(probabilities, exact, atol=1e-5)


def test_rest_and_grpc_classify_examples(served, exact):
    request = {
        "signature_name": "classify",
        "examples": [{"image/encoded": one} for one in encoded()],
    }
    results = post(served[1], "classify", request)["results"]
    best = [str(i) for i in exact.argmax(axis=1)]
    assert [row[0][0] for row in results] == best

    message = classification_pb2.ClassificationRequest()
    message.model_spec.name, message.model_spec.signature_name = "digits", "classify"
    for image in digits().test.images[:3]:
        example = message.input.example_list.examples.add()
        content = encode_pixels(image)
        example.features.feature["image/encoded"].bytes_list.value.append(content)
    with grpc.insecure_channel(f"localhost:{served[2]}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        answered = stub.Classify(message, timeout=30).result.classifications
    assert [one.classes[0].label for one in answered] == best


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_predict_asks_it_as_it_asks_the_run(served, tmp_path, scheme):
    Image.fromarray(np.kron(digits().test.images[1, ..., 0], np.ones((5, 4), np.uint8))).save(
        tmp_path / "a.webp", lossless=True
    )
    url = {
        "http": f"http://localhost:{served[1]}/v1/models/digits",
        "grpc": f"grpc://localhost:{served[2]}/digits",
    }[scheme]
    words = (tmp_path / "a.webp", "--json")
    (remote,) = json.loads(succeeded(invoke("predict", "--url", url, *words)))
    (local,) = json.loads(succeeded(invoke("predict", trained()[0], *words)))
    assert remote["classes"] == local["classes"]
    assert remote["scores"] == pytest.approx(local["scores"], abs=1e-4)
    found = json.loads(succeeded(invoke("load-test", url, "--requests", 50, "--concurrency", "1,4",
                                        "--expect", trained()[0], "--json")))  # fmt: skip
    assert [level["errors"] for level in found["levels"]] == [{}, {}]


def test_status_and_metrics_are_there(served):
    url = f"http://localhost:{served[1]}"
    found = json.loads(succeeded(invoke("server-status", f"{url}/v1/models/digits", "--json")))
    assert found["versions"][0]["state"] == "AVAILABLE"
    assert {"serving_default", "image_bytes", "classify"} <= set(found["signatures"])
    with urllib.request.urlopen(f"{url}/monitoring/prometheus/metrics", timeout=30) as answered:
        assert b"# TYPE" in answered.read()


def test_a_new_version_takes_over_and_ctrl_c_ends_it_all(served, export_dir):
    """Last, for it stops the server."""
    process, port, _ = served
    succeeded(invoke("export", trained()[0], "--export-dir", export_dir))
    end = time.monotonic() + 60
    with connect(f"http://localhost:{port}/v1/models/digits") as client:
        while client.signatures()[0] != 2:
            assert time.monotonic() < end, client.status()
            time.sleep(0.2)
        outputs = client.predict("serving_default", {"images": digits().test.images[:3]})
        assert len(outputs["classes"]) == 3
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 0
    with pytest.raises(OSError):
        socket.create_connection(("localhost", port), timeout=1).close()
