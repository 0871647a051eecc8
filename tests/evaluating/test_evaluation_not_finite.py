"""A network whose scores are not finite has no best class: one sentence, and no half an answer."""

import shutil

import numpy as np
import pytest
from helpers import digits, invoke, refusal, trained
from PIL import Image

from dtp_tf.data.image_files import encode_pixels
from dtp_tf.errors import UserError
from dtp_tf.evaluating.evaluation import answer, evaluate
from dtp_tf.runs.models import load_model, save_model
from dtp_tf.serving.load_images import expected_answers


@pytest.fixture
def broken(tmp_path):
    """A run whose best network has a weight that is no number."""
    run = shutil.copytree(trained()[0], tmp_path / "run")
    saved = load_model(run / "best.keras")
    kernel = saved.model.output_pair.forward_variables[0]
    kernel.assign(kernel * np.nan)
    save_model(saved.model, run / "best.keras", saved.about)
    return run


@pytest.mark.parametrize("json", [[], ["--json"]])
@pytest.mark.parametrize("command", ["predict", "evaluate"])
@pytest.mark.slow
def test_a_network_with_broken_weights_is_refused(broken, tmp_path, command, json):
    Image.fromarray(digits().test.images[0, ..., 0]).save(tmp_path / "a.png")
    images = [tmp_path / "a.png"] if command == "predict" else []
    result = invoke(command, broken, *images, *json)
    assert "the network's scores are not finite" in refusal(result, 1)
    assert result.stdout == ""


def test_a_load_test_expects_no_such_answers(broken):
    # Whatever the server says would be within every distance of them.
    with pytest.raises(UserError, match="not finite"):
        expected_answers(broken, [encode_pixels(digits().test.images[0])])


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_one_score_is_enough(tmp_path, number):
    split = digits().test
    scores = np.full((len(split), 10), 0.1, np.float32)
    scores[-1, 3] = number

    def model(images, training):
        return scores[-len(images) :]

    with pytest.raises(UserError, match="not finite"):
        evaluate(model, split, digits().class_names)

    class Saved:
        class_names = list(digits().class_names)

        def image_shape(self):
            return (8, 8, 1)

        def model(self, images, training):
            return scores[-1:]

    Image.fromarray(split.images[0, ..., 0]).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="not finite"):
        answer(Saved(), [tmp_path / "a.png"], 3)
