"""What a server hands to an export is checked in the graph: shapes, and each image on its own.

A server merges the requests of several clients where batching is on, so one request here with
several rows stands for theirs.
"""

import numpy as np
import pytest
from c_api import INVALID_ARGUMENT, Failure, Session
from helpers import digits
from served import NAMES, small_classifier
from test_export_loading import asked, examples

from dtp_tf.data.image_files import encode_pixels
from dtp_tf.export.saved_model import export

pytestmark = pytest.mark.slow  # an export and its first requests take seconds

BAD = [b"", b"no picture", b"\x89PNG\r\n\x1a\n\xff\xfe", b"BM\xff"]
QUESTIONS = {"serving_default": "images", "image_bytes": "image_bytes", "classify": "inputs"}


@pytest.fixture(name="images", scope="module")
def fixture_images():
    return digits().test.images[:12]


@pytest.fixture(name="server", scope="module")
def fixture_server(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    return Session(export(small_classifier(), NAMES, folder, "digits", images))


def refused(server, signature, value):
    """Return why a request is refused as invalid."""
    with pytest.raises(Failure) as caught:
        server(signature, **{QUESTIONS[signature]: value})
    assert caught.value.code == INVALID_ARGUMENT
    return str(caught.value)


# -- shapes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape",
    [(64,), (128,), (1, 64), (8, 8), (1, 8, 8), (8, 8, 1), (1, 1, 8, 8), (1, 8, 1, 8),
     (2, 4, 8, 1), (1, 4, 16, 1), (1, 8, 8, 3), (1, 8, 8, 1, 1), (0,), (0, 8, 8), (0, 1, 8, 8)],
)  # fmt: skip
def test_pixels_of_another_shape_are_refused_even_if_their_number_is_right(server, shape):
    text = refused(server, "serving_default", np.zeros(shape, np.uint8))
    arrived = ", ".join(map(str, shape))
    assert f"`images` must have the shape (n, 8, 8, 1), not ({arrived})" in text


@pytest.mark.parametrize("signature", ["image_bytes", "classify"])
def test_files_that_are_no_plain_list_are_refused(server, images, signature):
    good = asked(signature, images[:4])[QUESTIONS[signature]]
    for value in (good[0], good[None], good.reshape(2, 2), good[:, None]):
        text = refused(server, signature, np.array(value, object))
        assert f"`{QUESTIONS[signature]}` must have the shape (n), not (" in text


@pytest.mark.parametrize("signature", QUESTIONS)
def test_no_images_have_no_answers(server, images, signature):
    answer = server(signature, **asked(signature, images[:0]))
    assert all(len(values) == 0 for values in answer.values())
    assert answer["classes"].shape == (0, 5)


# -- one client's image among others' --------------------------------------------------------------


@pytest.mark.parametrize("content", BAD)
@pytest.mark.parametrize("signature", ["image_bytes", "classify"])
def test_a_corrupt_image_alone_is_an_error(server, images, signature, content):
    bad = np.array([content], object)
    refused(server, signature, bad if signature == "image_bytes" else file_example(content))
    assert server(signature, **asked(signature, images[:1]))["classes"].shape == (1, 5)


def file_example(content):
    return examples({"image/encoded": content})


@pytest.mark.parametrize("content", [*BAD, "cut"])
@pytest.mark.parametrize("place", [0, 3, 6])
def test_a_corrupt_image_among_six_good_ones_is_marked_and_they_are_answered(
    server, images, content, place
):
    if content == "cut":
        content = encode_pixels(images[9])[:-20]
    for signature in ("image_bytes", "classify"):
        good = server(signature, **asked(signature, images[:6]))
        files = asked(signature, images[:6])[QUESTIONS[signature]]
        bad = np.array([content], object) if signature == "image_bytes" else file_example(content)
        files = np.insert(files, place, bad)
        answer = server(signature, **{QUESTIONS[signature]: files})
        others = np.arange(7) != place
        assert (answer["classes"][others] == good["classes"]).all()
        np.testing.assert_allclose(answer["scores"][others], good["scores"], atol=1e-6)
        # Nothing that anybody could take for an answer.
        assert (answer["classes"][place] == b"").all()
        assert (answer["scores"][place] == -1).all()
        if signature == "image_bytes":
            assert (answer["probabilities"][place] == -1).all()
            assert [bool(error) for error in answer["errors"]] == list(~others)
        else:
            assert set(answer) == {"classes", "scores"}  # the API allows no more


def test_examples_that_are_none_are_marked_among_others(server, images):
    good = asked("classify", images[:2])["inputs"]
    bad = examples({"image": b"elsewhere"})
    files = np.concatenate([good[:1], bad, [b"\xff no example"], good[1:], [b""]])
    answer = server("classify", inputs=files)
    assert [bool(row[0]) for row in answer["classes"]] == [True, False, False, True, False]


def test_good_images_have_empty_errors(server, images):
    for count in (1, 2, 12):
        answer = server("image_bytes", **asked("image_bytes", images[:count]))
        assert list(answer["errors"]) == [b""] * count
        assert (answer["probabilities"] >= 0).all()
