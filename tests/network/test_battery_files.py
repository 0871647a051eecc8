"""What every learning rule promises of configurations, files and exports."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from battery import (
    CLASSES,
    INPUTS,
    an_epoch,
    build,
    every_rule,
    every_shape,
    examples,
    make_rule,
    near,
    unchanged,
)

import dtp_tf
from dtp_tf.export.saved_model import export
from dtp_tf.rules import BY_NAME


@every_shape
@pytest.mark.slow
def test_a_network_is_made_again_from_its_configuration(rule, inverse_first):
    network = unchanged(rule, inverse_first=inverse_first)
    config = json.dumps(network.get_config())
    again = dtp_tf.DTPNetwork.from_config(json.loads(config))
    assert json.dumps(again.get_config()) == config
    assert type(again.rule) is BY_NAME[rule]
    again.build((None, INPUTS))
    assert [v.shape for v in again.weights] == [v.shape for v in network.weights]
    assert again.trained_feedback == network.trained_feedback


def lists_of_optimizers(rule):
    """Settings and optimizers with one of each for every trained feedback layer."""
    count = len(unchanged(rule).trained_feedback)
    steps = list(range(1, count + 1))
    inverse = [keras.optimizers.Adam(0.01 * step) for step in steps]
    settings = {"schedule": "inverse-first", "inverse_steps": steps}
    if BY_NAME[rule].takes_noise:
        settings["noise"] = [0.1 * step for step in steps]
    return settings, (keras.optimizers.Adam(0.01), inverse)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "many"),
    [(rule, False) for rule in BY_NAME] + [(rule, True) for rule in ("dtp", "ldrl", "kp")],
)
def test_a_saved_network_predicts_and_learns_on_as_if_it_had_never_stopped(tmp_path, rule, many):
    settings = {}
    optimizers = keras.optimizers.Adam(0.01), keras.optimizers.RMSprop(0.01, momentum=0.9)
    if many:
        settings, optimizers = lists_of_optimizers(rule)
    network, (x, y) = build(rule, optimizers=optimizers, **settings), examples()
    an_epoch(network, x, y)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert json.dumps(loaded.rule.get_config()) == json.dumps(network.rule.get_config())
    np.testing.assert_array_equal(loaded(x), network(x))
    assert int(loaded.step) == int(network.step) == 1
    for weight, other in zip(loaded.weights, network.weights, strict=True):
        np.testing.assert_array_equal(weight, other)
    for restored, original in zip(all_optimizers(loaded), all_optimizers(network), strict=True):
        assert restored.get_config() == original.get_config()
        for state, other in zip(restored.variables, original.variables, strict=True):
            np.testing.assert_array_equal(state, other)
    network.reset_metrics()
    found, expected = (an_epoch(model, x, y) for model in (loaded, network))
    assert found.keys() == expected.keys()
    near(found.values(), expected.values(), 1e-4)
    for weight, other in zip(loaded.weights, network.weights, strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-5, atol=1e-6)


def all_optimizers(network):
    inverse = network.inverse_optimizer
    return [network.optimizer, *(inverse if isinstance(inverse, list) else [inverse])]


@pytest.mark.slow
@every_rule
def test_the_saved_classifier_predicts_the_same(tmp_path, rule):
    network, (x, _) = unchanged(rule), examples()
    network.classifier().save(tmp_path / "classifier.keras")
    loaded = keras.saving.load_model(tmp_path / "classifier.keras")
    np.testing.assert_allclose(loaded(x), network(x), rtol=1e-6)
    assert {type(layer).__module__.split(".")[0] for layer in loaded.layers} == {"keras"}


@pytest.mark.slow
def test_the_exported_classifier_predicts_the_same(tmp_path):
    # The classifier knows nothing of the rule, so one is enough.
    keras.utils.set_random_seed(0)
    network = dtp_tf.DTPNetwork(
        [dtp_tf.DensePair(6, "elu", inverse_first=True), dtp_tf.DensePair(4, "elu")],
        CLASSES,
        rule=make_rule("ldrl", "inverse-first"),
        preprocessing=keras.Sequential([keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]),
    )
    network.build((None, 4, 4, 1))
    images = np.random.default_rng(0).integers(0, 256, size=(6, 4, 4, 1), dtype="uint8")
    path = export(network.classifier(dtype="uint8"), list("abc"), tmp_path, "small", images)
    served = tf.saved_model.load(str(path)).signatures["serving_default"]
    found = served(images=tf.constant(images))["probabilities"]
    np.testing.assert_allclose(found, network(images), rtol=1e-5)
