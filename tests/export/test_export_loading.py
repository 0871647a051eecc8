"""Exports as a model server loads and asks them: by tag, then by the names of tensors.

Each question is put to TensorFlow's C API, whose loader and session a server shares, to a session
of version 1, and to the functions of `tf.saved_model.load`.
"""

import numpy as np
import pytest
import tensorflow as tf
from c_api import INVALID_ARGUMENT, Failure, Session
from helpers import digits, trained
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from dtp_tf.data.image_files import encode_pixels
from dtp_tf.data.images import fit_image
from dtp_tf.export.saved_model import export
from dtp_tf.export.warmup import example
from dtp_tf.runs.models import load_model

NAMES = ["zero", "eins", "a name of more than twenty-two bytes", *"345678", "neun, ünd"]
SIGNATURES = {
    "serving_default": (
        "tensorflow/serving/predict",
        {"images": ("uint8", [-1, 8, 8, 1])},
        {
            "classes": ("string", [-1, 5]),
            "scores": ("float32", [-1, 5]),
            "probabilities": ("float32", [-1, 10]),
        },
    ),
    "image_bytes": (
        "tensorflow/serving/predict",
        {"image_bytes": ("string", [-1])},
        {
            "classes": ("string", [-1, 5]),
            "scores": ("float32", [-1, 5]),
            "probabilities": ("float32", [-1, 10]),
            "errors": ("string", [-1]),
        },
    ),
    "classify": (
        "tensorflow/serving/classify",
        {"inputs": ("string", [-1])},
        {"classes": ("string", [-1, 5]), "scores": ("float32", [-1, 5])},
    ),
}
QUESTIONS = {"serving_default": "images", "image_bytes": "image_bytes", "classify": "inputs"}


@pytest.fixture(scope="module")
def classifier():
    return load_model(trained()[0] / "classifier.keras").model


@pytest.fixture(scope="module")
def images():
    return digits().test.images[:12]


@pytest.fixture(scope="module")
def path(classifier, images, tmp_path_factory):
    return export(classifier, NAMES, tmp_path_factory.mktemp("exported"), "digits", images)


@pytest.fixture(scope="module")
def program(path):
    content = saved_model_pb2.SavedModel()
    content.ParseFromString((path / "saved_model.pb").read_bytes())
    return content


class VersionOne:
    """The same by a session of version 1, as older servers have it."""

    def __init__(self, path):
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        with self._session.graph.as_default():
            about = tf.compat.v1.saved_model.load(self._session, ["serve"], str(path))
        self.signatures = about.signature_def

    def __call__(self, signature, **inputs):
        described = self.signatures[signature]
        feeds = {described.inputs[name].name: value for name, value in inputs.items()}
        fetches = {name: info.name for name, info in described.outputs.items()}
        return self._session.run(fetches, feeds)


class Functions:
    """The same by the functions that Python gets."""

    def __init__(self, path):
        self._loaded = tf.saved_model.load(str(path))

    def __call__(self, signature, **inputs):
        inputs = {
            name: tf.constant(list(value) if value.dtype == object else value)
            for name, value in inputs.items()
        }
        answers = self._loaded.signatures[signature](**inputs)
        return {name: answer.numpy() for name, answer in answers.items()}


@pytest.fixture(scope="module", params=[Session, VersionOne, Functions])
def server(request, path):
    return request.param(path)


def asked(signature, images):
    """Return the input of a signature that shows images."""
    if signature == "serving_default":
        return {"images": images}
    files = [encode_pixels(image) for image in images]
    if signature == "classify":
        files = [example(file).SerializeToString() for file in files]
    return {QUESTIONS[signature]: np.array(files, object)}


# names and types


@pytest.mark.slow
@pytest.mark.parametrize("name", SIGNATURES)
def test_a_signature_has_its_method_names_types_and_a_free_batch_size(program, name):
    def described(infos):
        return {
            key: (tf.as_dtype(info.dtype).name, [size.size for size in info.tensor_shape.dim])
            for key, info in infos.items()
        }

    signature = program.meta_graphs[0].signature_def[name]
    found = (signature.method_name, described(signature.inputs), described(signature.outputs))
    assert found == SIGNATURES[name]


@pytest.mark.slow
def test_there_are_no_other_signatures_and_no_other_tags(program):
    (graph,) = program.meta_graphs
    assert list(graph.meta_info_def.tags) == ["serve"]
    initial = {"__saved_model_init_op"}  # TensorFlow's own; nobody can call it
    assert set(graph.signature_def) - initial == set(SIGNATURES)


def test_a_loader_that_asks_for_another_tag_is_refused(path):
    with pytest.raises(Failure, match="supplied tags"):
        Session(path, ["serve", "gpu"])


# answers


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 3, 12])
@pytest.mark.parametrize("signature", SIGNATURES)
def test_every_signature_answers_as_the_classifier_does(
    server, classifier, images, signature, count
):
    answer = server(signature, **asked(signature, images[:count]))
    probabilities = np.asarray(classifier(images[:count]))
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :5]
    assert set(answer) == set(SIGNATURES[signature][2])
    # Row by row, as REST's row format wants it.
    assert all(len(values) == count for values in answer.values())
    assert [[name.decode("utf-8") for name in row] for row in answer["classes"]] == [
        [NAMES[i] for i in row] for row in order
    ]
    close = dict(rtol=1e-5, atol=1e-6)
    expected = np.take_along_axis(probabilities, order, axis=1)
    np.testing.assert_allclose(answer["scores"], expected, **close)
    if "probabilities" in answer:
        np.testing.assert_allclose(answer["probabilities"], probabilities, **close)


@pytest.mark.parametrize("signature", ["image_bytes", "classify"])
def test_a_picture_of_another_size_in_colour_is_fitted_as_the_commands_do_it(
    server, classifier, signature
):
    picture = np.random.default_rng(1).integers(0, 256, (31, 17, 3), dtype=np.uint8)
    answer = server(signature, **asked(signature, [picture]))
    expected = np.asarray(classifier(np.asarray(fit_image(picture, (8, 8, 1)))[None]))
    best = np.sort(expected, axis=1)[:, :-6:-1]
    np.testing.assert_allclose(answer["scores"], best, rtol=1e-5, atol=1e-6)


# refusals


def examples(*features):
    """Return serialized tf.Examples with a feature each, {name: bytes}."""
    made = [
        tf.train.Example(
            features=tf.train.Features(
                feature={
                    name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                    for name, value in one.items()
                }
            )
        )
        for one in features
    ]
    return np.array([one.SerializeToString() for one in made], object)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (examples({"image": b"elsewhere"}), "image/encoded"),
        (np.array([b"no example"], object), "Could not parse example"),
    ],
)
def test_an_example_without_an_image_is_an_error(path, request_, reason):
    with pytest.raises(Failure, match=reason) as caught:
        Session(path)("classify", inputs=request_)
    assert caught.value.code == INVALID_ARGUMENT


@pytest.mark.slow
def test_images_of_another_shape_are_an_error(path):
    with pytest.raises(Failure) as caught:
        Session(path)("serving_default", images=np.zeros((1, 4, 4, 1), np.uint8))
    assert caught.value.code == INVALID_ARGUMENT


# warm-up


def warm_up(path):
    """Return the records that a server plays to a new version."""
    file = path / "assets.extra" / "tf_serving_warmup_requests"
    return list(tf.data.TFRecordDataset(str(file)).as_numpy_iterator())


@pytest.mark.slow
def test_the_warm_up_asks_every_signature_for_one_image_and_for_a_batch(path, images):
    server = Session(path)
    logs = [PredictionLog.FromString(record) for record in warm_up(path)]
    probabilities = {count: server("serving_default", images=images[:count]) for count in (1, 8)}
    seen = []
    for log in logs:
        if log.WhichOneof("log_type") == "classify_log":
            request = log.classify_log.request
            shown = request.input.example_list.examples
            inputs = {"inputs": np.array([one.SerializeToString() for one in shown], object)}
        else:
            request = log.predict_log.request
            inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        assert request.model_spec.name == "digits"
        signature = request.model_spec.signature_name
        (count,) = {len(value) for value in inputs.values()}
        answer = server(signature, **inputs)
        np.testing.assert_allclose(answer["scores"], probabilities[count]["scores"], atol=1e-6)
        seen.append((signature, count))
    assert sorted(seen) == sorted((name, count) for name in SIGNATURES for count in (1, 8))


@pytest.mark.slow
def test_an_export_checked_on_few_images_is_warmed_up_with_those(classifier, images, tmp_path):
    path = export(classifier, NAMES, tmp_path, "digits", images[:2])
    assert len(warm_up(path)) == 6
