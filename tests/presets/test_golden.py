"""Published weights do not change: every shipped preset gives the answers that it always gave.

A preset that fails here is put back as it was; another version gets another name.
"""

import numpy as np
import pytest
from helpers import REPO

import dtp_tf
from dtp_tf.files import read_json
from dtp_tf.presets import SHIPPED, probe_images, shipped_names

GOLDEN = REPO / "tests/golden"


def test_every_shipped_preset_has_its_recorded_answers():
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(shipped_names())


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_preset_gives_the_recorded_answers(name):
    recorded = read_json(GOLDEN / f"{name}.json")
    info = dtp_tf.preset_info(name)
    images = probe_images(info["image_shape"], len(recorded["scores"]), recorded["block"])
    assert len(images) == 20
    for model in (dtp_tf.DTPNetwork.from_preset(name), dtp_tf.pretrained_classifier(name)):
        scores = np.asarray(model(images, training=False))
        np.testing.assert_allclose(scores, recorded["scores"], atol=1e-5)
        assert [info["class_names"][i] for i in scores.argmax(-1)] == recorded["classes"]


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped_names())
def test_the_answers_depend_on_the_weights_and_are_of_several_classes(name):
    recorded = read_json(GOLDEN / f"{name}.json")
    assert len(set(recorded["classes"])) > 1
    shape = dtp_tf.preset_info(name)["image_shape"]
    fresh = dtp_tf.DTPNetwork.from_preset(name, load_weights=False)
    images = probe_images(shape, block=recorded["block"])
    scores = np.asarray(fresh(images, training=False))
    assert np.abs(scores - recorded["scores"]).max() > 0.1


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_card_says_the_accuracy_of_its_metadata(name):
    test = dtp_tf.preset_info(name)["results"]["test"]
    card = (SHIPPED / name / "README.md").read_text()
    assert f"{test['accuracy']:.2%} of {test['images']:,} images" in card
