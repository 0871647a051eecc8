"""Weights of examples and classes weigh local losses, whatever the output and the loss."""

import numpy as np
import pytest
import tensorflow as tf
from losses_support import BATCH, examples, labels, network_of
from network_support import arrays, run

from dtp_tf.network.batch import Batch
from dtp_tf.rules import BP, DTP, LDRL, SDTP

OUTPUTS = {
    "softmax": ("softmax", 3, "numbers"),
    "one-hot": ("softmax", 3, "one-hot"),
    "binary": ("sigmoid", 1, "bits"),
    "several": ("sigmoid", 3, "vectors of bits"),
    "regression": ("linear", 3, "numbers of any kind"),
}


def make(output, rule):
    activation, units, kind = OUTPUTS[output]
    loss = "categorical_crossentropy" if output == "one-hot" else None
    return network_of(activation, units, loss, rule), examples(), labels(kind)


@pytest.mark.parametrize("rule", [BP, DTP, SDTP, LDRL])
@pytest.mark.parametrize("output", ["binary", "several", "regression"])
@pytest.mark.slow
def test_an_example_of_weight_two_counts_as_if_it_were_there_twice(output, rule):
    network, x, y = make(output, rule())
    weights = np.array([2, 0, 1, 1, 2, 0], "float32")  # as many as examples
    again = np.repeat(np.arange(BATCH), weights.astype(int))
    assert len(again) == BATCH
    whole, twice = (
        network.forward_gradients(
            Batch(network, tf.constant(x[chosen]), tf.constant(y[chosen]), given), given
        )[0]
        for chosen, given in ((np.arange(BATCH), tf.constant(weights)), (again, None))
    )
    for one, other in zip(whole, twice, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("output", ["softmax", "one-hot", "binary"])
@pytest.mark.slow
def test_class_weights_are_the_weights_of_their_examples(output):
    network, x, y = make(output, DTP())
    start, weights = network.get_weights(), {0: 1.0, 1: 0.5, 2: 4.0}
    numbers = y.argmax(axis=1) if y.ndim > 1 else y
    ends = []
    for given in (
        {"class_weight": weights},
        {"sample_weight": np.array([weights[int(label)] for label in numbers])},
        {},
    ):
        network.set_weights(start)
        network.fit(x, y, batch_size=BATCH, epochs=1, shuffle=False, verbose=0, **given)
        ends.append(arrays(network.forward_variables))
    for by_class, by_example, plain in zip(*ends, strict=True):
        np.testing.assert_allclose(by_class, by_example, rtol=1e-6, atol=1e-7)
        assert np.abs(by_class - plain).max() > 1e-6


@pytest.mark.slow
def test_two_replicas_learn_a_regression_as_one_device_does(tmp_path):
    run(
        """
        import keras, numpy as np, tensorflow as tf
        import dtp_tf
        from dtp_tf.rules import LDRL

        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
        )
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(16, 5)).astype("float32"), rng.normal(size=(16, 2))
        weights = rng.uniform(size=16)

        def trained(strategy):
            with strategy.scope():
                keras.utils.set_random_seed(0)
                pairs = [dtp_tf.DensePair(6), dtp_tf.DensePair(4)]
                network = dtp_tf.DTPNetwork(pairs, 2, rule=LDRL(), output_activation="linear")
                network.build((None, 5))
                network.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5), loss="huber")
            network.fit(x, y, sample_weight=weights, batch_size=8, epochs=1, verbose=0,
                        shuffle=False)
            return network.get_weights()

        one = trained(tf.distribute.get_strategy())
        two = trained(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
        for single, mirrored in zip(one, two, strict=True):
            np.testing.assert_allclose(mirrored, single, rtol=1e-5, atol=1e-6)
        """,
        tmp_path,
    )
