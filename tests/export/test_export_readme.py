"""The page on exports: its code runs, against the contract of a model server's REST interface."""

import base64
import io
import json
import pathlib
import re
import urllib.request

import numpy as np
import pytest
import tensorflow as tf
from c_api import Session
from helpers import digits, invoke, succeeded, trained

from dtp_tf.data.image_files import encode_pixels

PAGE = (pathlib.Path(__file__).parents[2] / "exported_models" / "README.md").read_text()
REST, ONNX = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def server(path):
    """Return a stand-in for `urlopen` that answers as a server documents it.

    Values go to the tensors of the signature that is named; base64 is decoded before; rows are
    answered in rows.
    """
    session = Session(path)

    def decoded(value):
        if isinstance(value, dict) and set(value) == {"b64"}:
            return base64.b64decode(value["b64"])
        return [decoded(one) for one in value] if isinstance(value, list) else value

    def array(values):
        values = decoded(values)
        return np.array(values, object if isinstance(values[0], bytes) else np.uint8)

    def plain(values):
        text = np.vectorize(bytes.decode, otypes=[object])
        return (text(values) if values.dtype == object else values).tolist()

    def predict(signature, body):
        (name,) = session.signatures[signature].inputs
        if "instances" in body:
            named = [
                one[name] if isinstance(one, dict) and set(one) == {name} else one
                for one in body["instances"]
            ]
            answer = session(signature, **{name: array(named)})
            assert {len(values) for values in answer.values()} == {len(named)}
            rows = range(len(named))
            return {"predictions": [{k: plain(v)[i] for k, v in answer.items()} for i in rows]}
        answer = session(signature, **{name: array(body["inputs"][name])})
        return {"outputs": {name: plain(values) for name, values in answer.items()}}

    def classify(signature, body):
        assert session.signatures[signature].method_name == "tensorflow/serving/classify"
        examples = []
        for one in body["examples"]:
            example = tf.train.Example()
            for name, value in one.items():
                example.features.feature[name].bytes_list.value.append(decoded(value))
            examples.append(example.SerializeToString())
        answer = session(signature, inputs=np.array(examples, object))
        assert set(answer) == {"classes", "scores"}
        both = zip(plain(answer["classes"]), plain(answer["scores"]), strict=True)
        return {"results": [[list(pair) for pair in zip(*row, strict=True)] for row in both]}

    def urlopen(url, data):
        method = re.fullmatch(r"http://localhost:8501/v1/models/digits:(predict|classify)", url)[1]
        body = json.loads(data)
        signature = body.get("signature_name", "serving_default")
        answer = {"predict": predict, "classify": classify}[method](signature, body)
        return io.BytesIO(json.dumps(answer).encode())

    return urlopen


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder of a user who has exported the digits."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_requests_on_the_page_are_answered(folder, monkeypatch, capsys):
    image = digits().test.images[0]
    (folder / "seven.png").write_bytes(encode_pixels(image))
    path = trained()[0].parent / "exported" / "digits" / "1"
    monkeypatch.setattr(urllib.request, "urlopen", server(path))
    names = {}
    exec(compile(REST, "README.md", "exec"), names)

    rows, columns = names["rows"], names["columns"]
    assert [set(row) for row in rows] == [{"classes", "scores", "probabilities"}] * 2
    for name, values in columns.items():
        assert [row[name] for row in rows] == values
    expected = Session(path)("serving_default", images=image[None])
    assert names["seven"]["classes"] == [name.decode() for name in expected["classes"][0]]
    np.testing.assert_allclose(names["seven"]["scores"], expected["scores"][0], rtol=1e-5)
    pairs = zip(names["seven"]["classes"], names["seven"]["scores"], strict=True)
    assert names["results"] == [[list(pair) for pair in pairs]]
    assert capsys.readouterr().out.split()[0] == names["seven"]["classes"][0]


@pytest.mark.slow
def test_the_other_runtime_on_the_page_runs(folder):
    words = ("export", trained()[0], "--export-dir", "exported_models", "--format", "onnx")
    succeeded(invoke(*words))
    names = {}
    exec(compile(ONNX, "README.md", "exec"), names)
    assert names["probabilities"].shape == (1, 10)
    np.testing.assert_allclose(names["probabilities"].sum(), 1, rtol=1e-5)


def test_the_page_names_every_file_that_is_no_business_of_tensorflow_alone():
    path = trained()[0].parent / "exported" / "digits" / "1"
    files = [file for file in path.glob("assets*/*") if file.is_file()]
    assert len(files) == 4
    for file in files:
        assert f"`{file.parent.name}/{file.name}`" in PAGE
