"""A saved network continues as if it had never stopped, and its classifier needs no dtp_tf."""

import keras
import numpy as np
import pytest
from network_support import (
    CLASSES,
    INPUTS,
    arrays,
    build,
    different,
    equal,
    examples,
    near,
    preprocessed_network,
    run,
    step,
)

import dtp_tf
from dtp_tf.rules import DTP

# -- saving ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_saved_network_continues_as_if_it_had_never_stopped(tmp_path):
    noise = keras.optimizers.schedules.InverseTimeDecay(0.3, decay_steps=5, decay_rate=1.0)
    network = build(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.01, 20)),
        inverse_optimizer=keras.optimizers.RMSprop(0.01, momentum=0.9, centered=True),
        schedule="inverse-first",
        inverse_steps=2,
        noise=noise,
        run_eagerly=False,
    )
    (x, y), training = examples(), {"batch_size": 4, "shuffle": False, "verbose": 0}
    network.fit(x, y, **training)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")

    assert isinstance(loaded, dtp_tf.DTPNetwork)
    assert loaded.rule.get_config() == network.rule.get_config()
    np.testing.assert_allclose(loaded(x), network(x), rtol=1e-6)
    assert int(loaded.step) == int(network.step) == 2
    for restored, original in (
        (loaded.optimizer, network.optimizer),
        (loaded.inverse_optimizer, network.inverse_optimizer),
    ):
        assert type(restored) is type(original)
        assert restored.get_config() == original.get_config()
        assert len(original.variables) > 6
        assert equal(arrays(restored.variables), arrays(original.variables))

    for model in (network, loaded):
        model.fit(x, y, **training)
    for found, expected in zip(loaded.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_building_again_keeps_the_weights():
    network = build()
    before = network.get_weights()
    network.build((None, INPUTS))
    assert equal(network.get_weights(), before)


def test_an_uncompiled_network_is_saved_too(tmp_path):
    network = preprocessed_network()
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    images = np.random.default_rng(0).integers(0, 256, size=(6, 4, 4, 1), dtype="uint8")
    np.testing.assert_allclose(loaded(images), network(images), rtol=1e-6)
    assert not loaded.compiled


def test_a_network_is_made_again_from_its_configuration():
    network = dtp_tf.DTPNetwork(
        [dtp_tf.DensePair(4, activation="sigmoid"), dtp_tf.DensePair(2)],
        classes=7,
        rule=DTP(noise=0.5, schedule="alternating"),
        preprocessing=keras.layers.Rescaling(0.5),
        seed=3,
        name="small",
    )
    again = dtp_tf.DTPNetwork.from_config(network.get_config())
    assert again.get_config() == network.get_config()
    assert [pair.units for pair in again.pairs] == [4, 2]
    assert [pair.inverse for pair in again.pairs] == [False, True]
    assert (again.classes, again.seed, again.name) == (7, 3, "small")
    assert again.rule.schedule == "alternating"


# -- the classifier alone -------------------------------------------------------------------------


def test_the_classifier_gives_the_same_probabilities_from_stock_layers():
    network, images = preprocessed_network(), np.arange(32, dtype="uint8").reshape(2, 4, 4, 1)
    classifier = network.classifier(dtype="uint8", name="digits")
    np.testing.assert_allclose(classifier(images), network(images), rtol=1e-6)
    assert classifier.name == "digits"
    assert classifier.inputs[0].dtype == "uint8"
    assert {type(layer).__module__.split(".")[0] for layer in classifier.layers} == {"keras"}
    assert len(classifier.trainable_variables) == 2 * 2 + 2


@pytest.mark.slow
def test_the_classifier_keeps_its_weights_when_the_network_learns_on():
    network, (x, y) = build(), examples()
    classifier = network.classifier()
    before = classifier(x).numpy()
    step(network, x, y)
    near([classifier(x)], [before])
    assert all(different([network(x)], [before]))


def test_the_classifier_of_a_network_that_is_not_built_is_refused():
    network = dtp_tf.DTPNetwork([dtp_tf.DensePair(2)], CLASSES)
    with pytest.raises(ValueError, match="build the network first"):
        network.classifier()


@pytest.mark.slow
def test_the_saved_classifier_loads_where_dtp_tf_is_not_installed(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, size=(6, 4, 4, 1), dtype="uint8")
    np.save(tmp_path / "images.npy", images)
    network = preprocessed_network()
    network.classifier(dtype="uint8").save(tmp_path / "classifier.keras")
    run(
        """
        import sys

        sys.modules["dtp_tf"] = None  # importing it raises ImportError
        import keras
        import numpy as np

        classifier = keras.saving.load_model("classifier.keras")
        np.save("found.npy", classifier.predict(np.load("images.npy"), verbose=0))
        """,
        tmp_path,
    )
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), network(images), rtol=1e-5)
