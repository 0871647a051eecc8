"""What every kind of pair promises by every learning rule."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from battery import (
    BATCH,
    CLASSES,
    IMAGE,
    PAIRS,
    an_epoch,
    arrays,
    build_images,
    every_kind,
    every_kind_and_every_rule,
    fixed_weights,
    image_examples,
)

import dtp_tf
from dtp_tf.export.saved_model import export
from dtp_tf.network.batch import Batch


@pytest.mark.slow
@every_kind_and_every_rule(0)
def test_every_kind_of_pair_is_taught_in_its_shape_by_losses_of_its_own(kind, rule):
    network = build_images(kind, rule)
    batch = Batch(network, *(tf.constant(part) for part in image_examples()))
    _, losses = network.forward_gradients(batch)
    directions = getattr(network.rule, "targets", None) or network.rule.signals
    shapes = [one.shape[1:] for one in directions(network, batch)]
    assert shapes == [*PAIRS[kind][1], (5,)] == [pair.above for pair in network.pairs]
    losses = [*losses, batch.loss]
    for i, loss in enumerate(losses):
        assert loss.shape == ((BATCH,) if i < len(losses) - 1 else ())
        feedback = network.inverse_variables + fixed_weights(network)
        own = [layer.forward_variables for layer in network.layers_up]
        of_feedback, of_layers = batch.tape.gradient(loss, [feedback, own])
        assert all(gradient is None for gradient in of_feedback)
        for j, gradients in enumerate(of_layers):
            assert all((one is not None) == (i == j) for one in gradients)
            assert i != j or all(np.any(one != 0) for one in gradients)
    for layer in network.trained_feedback:
        with tf.GradientTape() as tape:
            loss = network.rule.inverse_loss(network, batch, layer, network.noise(layer, 0))
        assert loss.shape == (BATCH,)
        every = [network.feedback_variables(other) for other in network.trained_feedback]
        forward, feedback = tape.gradient(loss, [network.forward_variables, every])
        assert all(one is None for one in forward)
        for other, (kernel, *_) in zip(network.trained_feedback, feedback, strict=True):
            assert (kernel is not None) == (other == layer)


@pytest.mark.slow
@every_kind_and_every_rule(1)
def test_every_kind_of_pair_learns_with_all_its_variables(kind, rule):
    network = build_images(kind, rule)
    fixed = arrays(fixed_weights(network))
    before = arrays(network.trainable_variables)
    for _ in range(2):
        an_epoch(network, *image_examples())
    # Where the activation of an inverse comes first, differences do not see its bias.
    dead = {
        id(network.layers_up[i].inverse_layer.bias)
        for i in network.trained_feedback
        if rule in ("drl", "ldrl") and network.layers_up[i].inverse_first
    }
    for variable, old in zip(network.trainable_variables, before, strict=True):
        assert id(variable) in dead or np.any(variable.numpy() != old), variable.path
    for now, old in zip(arrays(fixed_weights(network)), fixed, strict=True):
        np.testing.assert_array_equal(now, old)


@pytest.mark.slow
@every_kind
@pytest.mark.parametrize("rule", ["dtp", "ldrl"])
def test_every_kind_of_pair_learns_on_from_a_file(tmp_path, kind, rule):
    network, (x, y) = build_images(kind, rule), image_examples()
    an_epoch(network, x, y)
    config = json.dumps(network.get_config())
    assert json.dumps(dtp_tf.DTPNetwork.from_config(json.loads(config)).get_config()) == config
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(loaded(x), network(x))
    for model in (loaded, network):
        an_epoch(model, x, y)
    for weight, other in zip(loaded.weights, network.weights, strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-5, atol=1e-6)
    logs = network.evaluate(x, y, verbose=0, return_dict=True)
    errors = [logs[f"reconstruction_error_{i + 1}"] for i in network.inverted]
    assert np.isfinite(errors).all()


@pytest.mark.slow
def test_every_kind_of_pair_can_be_exported(tmp_path):
    keras.utils.set_random_seed(0)
    pairs = [PAIRS[kind][0]()[0] for kind in PAIRS]
    network = dtp_tf.DTPNetwork(pairs, CLASSES, preprocessing=keras.layers.Rescaling(1 / 255))
    network.build((None, 19, 22, 1))
    images = np.random.default_rng(0).integers(0, 256, size=(6, 19, 22, 1), dtype="uint8")
    classifier = network.classifier(dtype="uint8")
    assert {type(layer).__module__.split(".")[0] for layer in classifier.layers} == {"keras"}
    path = export(classifier, list("abc"), tmp_path, "small", images)
    served = tf.saved_model.load(str(path)).signatures["serving_default"]
    found = served(images=tf.constant(images))["probabilities"]
    np.testing.assert_allclose(found, network(images), rtol=1e-5)


# Tracing takes seconds: the kinds and rules with code of their own that could lose a size.
@pytest.mark.slow
@pytest.mark.parametrize(("kind", "rule"), [("max", "ldrl"), ("strided", "fa")])
def test_images_of_an_unknown_number_learn_as_a_known_number_does(kind, rule):
    network, eager = build_images(kind, rule), build_images(kind, rule)
    x, y = image_examples()

    @tf.function(
        input_signature=[tf.TensorSpec([None, *IMAGE]), tf.TensorSpec([None], tf.int64)],
    )
    def train(x, y):
        return network.train_step((x, y))

    for count in (8, 3):
        train(tf.constant(x[:count]), tf.constant(y[:count]))
        eager.train_step((tf.constant(x[:count]), tf.constant(y[:count])))
    for weight, other in zip(network.weights, eager.weights, strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-3, atol=1e-4)
