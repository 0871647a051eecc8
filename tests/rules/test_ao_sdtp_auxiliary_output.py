"""The auxiliary output of `ao_sdtp`: features that never learn, and what targets get from them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from battery import BATCH, PAIRS, a_batch, an_epoch, build, examples, finish, make_rule

import dtp_tf
from dtp_tf.network.batch import Batch
from dtp_tf.rules.dtp import difference_target
from dtp_tf.training.symmetric import start_symmetric


def inverse_of(network):
    return network.feedback[len(network.pairs)]


def features_of(network):
    return inverse_of(network).auxiliary_kernel.numpy()


def of_one_class(rule, **settings):
    """The target steps of examples that have one answer and one label."""
    network = build(rule, **settings)
    x, _ = examples()
    batch = Batch(network, tf.constant(x), tf.zeros(BATCH, "int64"))
    batch.answers = tf.tile(batch.answers[:1], (BATCH, 1))
    return (network.rule.targets(network, batch)[-1] - batch.h[-2]).numpy()


@pytest.mark.slow
def test_examples_of_one_class_and_one_answer_get_steps_of_their_own():
    steps = of_one_class("sdtp")
    np.testing.assert_allclose(steps, np.tile(steps[:1], (BATCH, 1)), atol=1e-6)
    steps = of_one_class("ao_sdtp", auxiliary_units=9)
    assert np.abs(steps - steps[0]).max(axis=1)[1:].min() > 1e-3


def test_an_answer_that_is_right_leaves_every_layer_alone():
    network = build("ao_sdtp")
    batch = a_batch(network)
    batch.answers = batch.labels
    for target, h in zip(network.rule.targets(network, batch), batch.h[1:-1], strict=True):
        np.testing.assert_array_equal(target, h)


@pytest.mark.parametrize("schedule", ["parallel", "alternating"])
@pytest.mark.slow
def test_the_features_never_move_even_if_everything_is_called_trainable(schedule):
    network = build("ao_sdtp", schedule)
    network.trainable = True
    before = features_of(network)
    assert before.shape == (7, 512)
    assert all(v is not inverse_of(network).auxiliary_kernel for v in network.trainable_variables)
    an_epoch(network, *examples())
    np.testing.assert_array_equal(features_of(network), before)


@pytest.mark.slow
def test_the_features_are_drawn_by_the_seed_and_saved_with_the_network(tmp_path):
    network = build("ao_sdtp", auxiliary_units=9)
    np.testing.assert_array_equal(
        features_of(build("ao_sdtp", auxiliary_units=9)), features_of(network)
    )
    keras.utils.set_random_seed(5)
    network.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras")
    assert again.rule.auxiliary_units == 9
    np.testing.assert_array_equal(features_of(again), features_of(network))
    found, expected = (one.rule.targets(one, a_batch(one)) for one in (again, network))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_features_are_not_the_output_layers_own_weights():
    keras.utils.set_random_seed(0)
    pairs = [dtp_tf.DensePair(7, kernel_initializer="glorot_uniform")]
    network = finish(pairs, (5,), make_rule("ao_sdtp", auxiliary_units=3))
    kernel = network.output_pair.forward_layer.kernel.numpy()
    assert np.abs(features_of(network) - kernel).max() > 0.1


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.slow
def test_the_top_hidden_layer_may_be_of_any_kind(kind):
    keras.utils.set_random_seed(0)
    network = finish(PAIRS[kind][0](), (7, 6, 2), make_rule("ao_sdtp"))
    x = tf.random.stateless_normal((BATCH, 7, 6, 2), (1, 2))
    batch = Batch(network, x, tf.range(BATCH) % 3)
    targets = network.rule.targets(network, batch)
    assert [t.shape for t in targets] == [h.shape for h in batch.h[1:-1]]
    inverse, h = inverse_of(network), batch.h[-2]
    z = np.tanh(h.numpy().reshape(BATCH, -1) @ features_of(network))
    np.testing.assert_allclose(inverse.features(h), z, rtol=1e-4, atol=1e-5)
    at_p, at_y = (
        tf.reshape(inverse(tf.concat([o, z], axis=1)), h.shape)
        for o in (batch.answers, batch.labels)
    )
    np.testing.assert_allclose(targets[-1], difference_target(h, at_p, at_y), atol=1e-5)
    before = inverse.kernel.numpy()
    an_epoch(network, x, tf.range(BATCH) % 3)
    assert (inverse.kernel.numpy() != before).any()


def test_signs_are_all_that_an_output_layer_of_signs_lets_through():
    keras.utils.set_random_seed(0)
    pairs = [dtp_tf.DensePair(6), dtp_tf.DensePair(4)]
    network = dtp_tf.DTPNetwork(
        pairs, 3, rule=make_rule("ao_sdtp", auxiliary_units=8), output_transmission="sign"
    )
    network.build((None, 5))
    inverse, h = inverse_of(network), tf.random.stateless_normal((BATCH, 4), (1, 2))
    np.testing.assert_array_equal(inverse.features(h), inverse.features(3 * h))
    both = tf.concat([tf.ones((BATCH, 3)), inverse.features(h)], axis=1)
    np.testing.assert_array_equal(inverse(both), inverse(0.5 * both))


def test_a_symmetric_start_is_that_of_the_answers_and_of_the_features():
    network = build("ao_sdtp", auxiliary_units=9)
    start_symmetric(network)
    own = network.output_pair.forward_layer.kernel.numpy()
    both = np.concatenate([own, features_of(network)], axis=1)
    np.testing.assert_array_equal(inverse_of(network).kernel.numpy(), both.T)
