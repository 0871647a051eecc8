"""Orthogonal directions of noise."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import dtp_tf
from dtp_tf.errors import SettingError
from dtp_tf.numerics import directions as frames
from dtp_tf.numerics.directions import orthogonal_directions
from dtp_tf.rules import DRL, DTP, LDRL, TP, DDTPLinear


def network(directions="orthogonal", steps=2, seed=3):
    keras.utils.set_random_seed(0)
    pairs = [dtp_tf.DensePair(12), dtp_tf.DensePair(20)]
    rule = LDRL(inverse_steps=steps, noise_directions=directions)
    model = dtp_tf.DTPNetwork(pairs, 5, rule=rule, seed=seed)
    model.build((None, 8))
    return model


def drawn(model, layer, step, k, batch):
    """The two draws of a layer's update: dx of its input's width, dy of its output's."""
    model.step.assign(step)
    noise = model.noise(layer, k)
    below, own = {1: (12, 20), 2: (20, 5)}[layer]
    return [noise(tf.zeros((batch, units))).numpy() for units in (below, own)]


@pytest.mark.parametrize("units", [1, 2, 7, 10, 1000])
def test_all_directions_of_a_frame_together_have_the_identity_as_covariance(units):
    signs = np.where(np.arange(units) % 3, 1.0, -1.0).astype("float32")
    rows = orthogonal_directions(tf.range(units, dtype=tf.int64), tf.constant(signs)).numpy()
    np.testing.assert_allclose(rows.T @ rows / units, np.eye(units), atol=2e-5)
    np.testing.assert_allclose(rows @ rows.T / units, np.eye(units), atol=2e-5)


@pytest.mark.parametrize("units", [1, 2, 7, 100])
def test_a_frame_that_is_too_wide_to_be_kept_has_the_same_directions(units, monkeypatch):
    signs = np.where(np.arange(units) % 3, 1.0, -1.0).astype("float32")
    rows = np.arange(3 * units, dtype="int64")
    kept = orthogonal_directions(tf.constant(rows), tf.constant(signs)).numpy()
    monkeypatch.setattr(frames, "KEPT", 0)
    worked_out = orthogonal_directions(tf.constant(rows), tf.constant(signs)).numpy()
    np.testing.assert_allclose(worked_out, kept, atol=1e-6)


def test_directions_in_many_dimensions_are_orthogonal_and_need_no_memory_for_all():
    units = 100_000
    rows = tf.constant([0, 1, 2, 70_001, units - 1], tf.int64)
    directions = orthogonal_directions(rows, tf.ones(units)).numpy().astype("float64")
    np.testing.assert_allclose(directions @ directions.T / units, np.eye(5), atol=1e-5)


def test_a_layer_too_wide_for_a_kept_frame_has_orthogonal_noise_in_a_network_too():
    pairs = [dtp_tf.Conv2DPair(80), dtp_tf.DensePair(6)]
    model = dtp_tf.DTPNetwork(pairs, 3, rule=LDRL(noise_directions="orthogonal"), seed=3)
    model.build((None, 8, 8, 1))
    drawn = np.reshape(model.noise(1, 0)(tf.zeros((4, 8, 8, 80))), (4, 5120))
    np.testing.assert_allclose(drawn @ drawn.T / 5120, np.eye(4), atol=1e-5)


def test_rows_beyond_the_frame_begin_it_again():
    signs = tf.ones(6)
    some = orthogonal_directions(tf.constant([2, 8, 14], tf.int64), signs).numpy()
    np.testing.assert_array_equal(some[0], some[1])
    np.testing.assert_array_equal(some[0], some[2])


@pytest.mark.slow
def test_the_updates_of_a_layer_go_through_its_frames_without_gaps():
    # 4 examples x 2 updates a step: widths of 12 and 20 are complete after 3 and 5 updates.
    model = network()
    draws = [drawn(model, 1, step, k, 4) for step in range(8) for k in (0, 1)]
    below, own = zip(*draws, strict=True)
    for draws, units in ((np.concatenate(below), 12), (np.concatenate(own), 20)):
        for first in (0, units, 2 * units):
            frame = draws[first : first + units]
            np.testing.assert_allclose(frame.T @ frame / units, np.eye(units), atol=1e-5)


def test_few_directions_of_many_examples_have_the_identity_as_covariance_too():
    _, own = drawn(network(), 2, step=0, k=0, batch=50)
    np.testing.assert_allclose(own.T @ own / 50, np.eye(5), atol=1e-5)


@pytest.mark.slow
def test_a_direction_comes_with_either_sign():
    draws = [drawn(network(), 1, step, 0, 12)[0] for step in range(0, 60, 6)]
    products = np.array([np.sum(draws[0] * later, axis=1) / 12 for later in draws[1:]])
    np.testing.assert_allclose(np.abs(products), 1, rtol=1e-5)
    assert 0.3 < np.mean(products > 0) < 0.7


def test_layers_both_draws_and_seeds_have_directions_of_their_own():
    def alignment(a, b):
        return np.abs(a @ b.T / a.shape[1]).max()

    model = network()
    lower, upper = drawn(model, 1, 0, 0, 20)[1], drawn(model, 2, 0, 0, 20)[0]
    other = drawn(network(seed=4), 1, 0, 0, 20)[1]
    assert alignment(lower, lower) == pytest.approx(1)
    assert alignment(lower, upper) < 0.99
    assert alignment(lower, other) < 0.99


def test_the_same_step_draws_the_same_directions_again():
    for one, other in zip(drawn(network(), 1, 9, 1, 4), drawn(network(), 1, 9, 1, 4), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_compiled_step_of_an_unknown_batch_size_draws_the_same():
    model = network()

    @tf.function(input_signature=[tf.TensorSpec([None, 12])])
    def traced(like):
        return model.noise(1, 1)(like)

    expected = drawn(model, 1, 5, 1, 7)[0]
    np.testing.assert_array_equal(traced(tf.zeros((7, 12))), expected)


def test_normal_noise_is_the_default_and_no_frame():
    model = network(LDRL().noise_directions)
    assert model.rule.noise_directions == "gaussian"
    draws = drawn(model, 1, 0, 0, 12)[0]
    assert np.abs(draws @ draws.T / 12 - np.eye(12)).max() > 0.1


def test_random_signs_take_the_place_of_normal_numbers():
    model = network("rademacher")
    draws = [*drawn(model, 1, 0, 0, 12), *drawn(model, 1, 0, 1, 12), *drawn(model, 2, 0, 0, 12)]
    for number, one in enumerate(draws):
        np.testing.assert_array_equal(np.abs(one), 1)
        assert 0.3 < np.mean(one > 0) < 0.7
        for other in draws[number + 1 :]:
            assert one.shape != other.shape or np.any(one != other)


@pytest.mark.slow
def test_fewer_updates_bring_an_inverse_closer_to_the_transposed_weights():
    def distance(directions):
        keras.utils.set_random_seed(0)
        pairs = [dtp_tf.DensePair(64, "linear"), dtp_tf.DensePair(64, "linear")]
        rule = LDRL(inverse_steps=1, noise_directions=directions)
        model = dtp_tf.DTPNetwork(pairs, 4, rule=rule)
        model.build((None, 64))
        model.compile(keras.optimizers.SGD(0.0), keras.optimizers.SGD(60.0), metrics=None)
        x = np.random.default_rng(0).normal(size=(16, 64)).astype("float32")
        data = tf.data.Dataset.from_tensors((x, np.arange(16) % 4)).repeat()
        model.fit(data, steps_per_epoch=100, shuffle=False, verbose=0)
        pair = model.layers_up[1]
        weights = pair.forward_layer.kernel.numpy()
        return np.linalg.norm(pair.inverse_layer.kernel.numpy() - weights.T) / 8

    assert distance("orthogonal") < 0.5 * distance("gaussian")


def test_directions_that_do_not_exist_are_refused():
    known = "one of gaussian, rademacher, orthogonal, or .* got .radial"
    with pytest.raises(SettingError, match=known):
        LDRL(noise_directions="radial")
    with pytest.raises(SettingError, match=r"got \['orthogonal', 'radial'\]"):
        LDRL(noise_directions=["orthogonal", "radial"])


def test_each_layer_may_have_directions_of_its_own():
    model = network(["gaussian", "orthogonal"])
    lower, upper = drawn(model, 1, 0, 0, 20), drawn(model, 2, 0, 0, 20)
    assert np.abs(lower[1] @ lower[1].T / 20 - np.eye(20)).max() > 0.1
    np.testing.assert_allclose(upper[0] @ upper[0].T / 20, np.eye(20), atol=1e-5)
    again = dtp_tf.DTPNetwork.from_config(model.get_config())
    assert again.rule.noise_directions == ["gaussian", "orthogonal"]


@pytest.mark.parametrize(
    ("rule", "widths"),
    [
        (LDRL, [12, 20]), (DRL, [12, 20]), (DDTPLinear, [12, 20]), (DTP, [12, 20, 7]),
        (TP, [12, 20, 7]),
    ],
)  # fmt: skip
@pytest.mark.slow
def test_every_rule_with_directions_takes_orthogonal_ones_of_its_noise(rule, widths):
    pairs = [dtp_tf.DensePair(units) for units in widths]
    model = dtp_tf.DTPNetwork(pairs, 5, rule=rule(noise_directions="orthogonal"))
    model.build((None, 8))
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    before = [variable.numpy() for variable in model.inverse_variables]
    x = np.random.default_rng(0).normal(size=(6, 8)).astype("float32")
    model.train_step((tf.constant(x), tf.constant([0, 1, 2, 3, 4, 0])))
    kernels = [
        np.any(variable.numpy() != old)
        for variable, old in zip(model.inverse_variables, before, strict=True)
        if len(variable.shape) == 2
    ]
    assert kernels == [True, True]
    layer = model.trained_feedback[0]
    directions = model.noise(layer, 0)(tf.zeros((12, 12))).numpy()
    np.testing.assert_allclose(directions.T @ directions / 12, np.eye(12), atol=1e-5)


@pytest.mark.parametrize(("rule", "anew"), [(DTP, True), (TP, True), (LDRL, False)])
def test_large_noise_gets_a_new_frame_once_all_directions_have_been_used(rule, anew):
    # 4 examples a step: a frame of 12 directions is complete after 3 steps.
    pairs = [dtp_tf.DensePair(units) for units in (12, 12, 12)]
    rule = rule(inverse_steps=1, noise_directions="orthogonal")
    model = dtp_tf.DTPNetwork(pairs, 3, rule=rule)
    model.build((None, 8))
    frames = []
    for first in (0, 3, 6):
        draws = []
        for step in range(first, first + 3):
            model.step.assign(step)
            draws.append(model.noise(1, 0)(tf.zeros((4, 12))).numpy())
        frames.append(np.concatenate(draws))
        np.testing.assert_allclose(frames[-1].T @ frames[-1] / 12, np.eye(12), atol=1e-5)
    for later in frames[1:]:
        along = np.abs(np.sum(frames[0] * later, axis=1)) / 12  # 1 where a direction is the same
        assert np.allclose(along, 1, rtol=1e-5) != anew


def test_a_list_of_another_length_is_refused():
    with pytest.raises(SettingError, match="`noise_directions` has 1 values, but LDRL trains"):
        network(["gaussian"])


def test_feature_maps_have_directions_of_their_shape():
    pairs = [dtp_tf.Conv2DPair(2), dtp_tf.DensePair(6)]
    model = dtp_tf.DTPNetwork(pairs, 3, rule=LDRL(noise_directions="orthogonal"))
    model.build((None, 3, 3, 1))
    maps = model.noise(1, 0)(tf.zeros((18, 3, 3, 2))).numpy()
    assert maps.shape == (18, 3, 3, 2)
    flat = maps.reshape(18, 18)
    np.testing.assert_allclose(flat.T @ flat / 18, np.eye(18), atol=1e-5)
