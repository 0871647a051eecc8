"""What every learning rule promises, whatever its equations: one battery for all of them."""

import os
import pathlib
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf
from battery import (
    BATCH,
    CLASSES,
    FIXED,
    INPUTS,
    TRAINED,
    WIDTHS,
    a_batch,
    an_epoch,
    arrays,
    build,
    every_rule,
    every_rule_and_every_schedule,
    every_shape,
    examples,
    fixed_weights,
    has_dead_bias,
    near,
    unchanged,
)

import dtp_tf
from dtp_tf.rules.base import FORWARD, INVERSE

# -- shapes ---------------------------------------------------------------------------------------


@every_rule
@pytest.mark.slow
def test_a_network_gives_probabilities_of_every_class(rule):
    network, (x, _) = unchanged(rule), examples()
    for answer in (network(x).numpy(), network.predict(x, verbose=0)):
        assert answer.shape == (BATCH, CLASSES)
        np.testing.assert_allclose(answer.sum(axis=1), 1, rtol=1e-5)


@every_shape
def test_there_is_a_target_or_a_direction_of_its_shape_for_every_hidden_layer(rule, inverse_first):
    network = unchanged(rule, inverse_first=inverse_first)
    batch = a_batch(network)
    _, losses = network.forward_gradients(batch)
    assert [loss.shape for loss in losses] == [(BATCH,)] * len(WIDTHS)
    directions = getattr(network.rule, "targets", None) or network.rule.signals
    shapes = [one.shape for one in directions(network, batch)]
    assert shapes == [(BATCH, units) for units in WIDTHS]


# The others have no code of their own in which a size could be lost; tracing takes seconds.
@pytest.mark.slow
@pytest.mark.parametrize("rule", ["dtp", "drl", "ddtp_linear", "ldrl", "fa"])
def test_a_compiled_step_of_an_unknown_batch_size_equals_the_plain_one(rule):
    network, eager = build(rule), build(rule)
    network.run_eagerly = False
    before = arrays(eager.trainable_variables)

    @tf.function(
        input_signature=[tf.TensorSpec([None, INPUTS]), tf.TensorSpec([None], tf.int64)],
    )
    def train(x, y):
        return network.train_step((x, y))

    batches = [tuple(tf.constant(part) for part in examples(count)) for count in (8, 3)]

    def moves(one, step):
        """How far two batches, the second of another size, move every variable from the start."""
        for variable, value in zip(one.trainable_variables, before, strict=True):
            variable.assign(value)
        one.step.assign(0)
        for x, y in batches:
            step(x, y)
        now = arrays(one.trainable_variables)
        return [new - old for new, old in zip(now, before, strict=True)]

    expected = moves(eager, lambda x, y: eager.train_step((x, y)))
    for found in (moves(network, train) for _ in range(3)):
        for one, other in zip(found, expected, strict=True):  # updates, not weights
            assert np.abs(one - other).max() < 1e-3 * max(np.abs(other).max(), 1e-4)


# -- locality -------------------------------------------------------------------------------------


@every_shape
def test_a_local_loss_has_a_gradient_in_its_own_layer_only(rule, inverse_first):
    network = unchanged(rule, inverse_first=inverse_first)
    batch = a_batch(network)
    _, losses = network.forward_gradients(batch)  # the batch's tape has recorded them
    losses = [*losses, batch.loss]
    assert len(losses) == len(network.layers_up)
    for i, loss in enumerate(losses):
        feedback = network.inverse_variables + fixed_weights(network)
        own = [layer.forward_variables for layer in network.layers_up]
        of_feedback, of_layers = batch.tape.gradient(loss, [feedback, own])
        assert all(gradient is None for gradient in of_feedback)
        for j, gradients in enumerate(of_layers):
            for gradient in gradients:
                if i == j:
                    assert np.all(gradient != 0)
                else:
                    assert gradient is None


@pytest.mark.parametrize("rule", TRAINED)
@pytest.mark.parametrize("inverse_first", [False, True])
@pytest.mark.slow
def test_a_feedback_loss_has_a_gradient_in_its_own_feedback_only(rule, inverse_first):
    network = unchanged(rule, "parallel", inverse_first)
    batch = a_batch(network)
    for layer in network.trained_feedback:
        with tf.GradientTape() as tape:
            loss = network.rule.inverse_loss(network, batch, layer, network.noise(layer, 0))
        assert loss.shape == (BATCH,)
        every = [network.feedback_variables(other) for other in network.trained_feedback]
        forward, feedback = tape.gradient(loss, [network.forward_variables, every])
        assert all(one is None for one in forward)
        for other, (kernel, *bias) in zip(network.trained_feedback, feedback, strict=True):
            if other != layer:
                assert all(one is None for one in (kernel, *bias))
            else:
                assert np.all(kernel != 0)
                assert has_dead_bias(rule, inverse_first) or all(np.all(b != 0) for b in bias)


# -- what moves -----------------------------------------------------------------------------------


@pytest.mark.slow
@every_rule_and_every_schedule(0)
def test_every_trainable_variable_moves_in_one_epoch_and_nothing_else(
    rule, schedule, inverse_first
):
    network = build(rule, schedule, inverse_first)
    fixed = arrays(fixed_weights(network))
    before = {variable.path: variable.numpy() for variable in network.trainable_variables}
    x, y = examples()
    network.fit(x, y, batch_size=4, epochs=len(network.rule.passes), verbose=0)
    for variable in network.trainable_variables:
        if has_dead_bias(rule, inverse_first) and any(
            variable is weight
            for i in network.trained_feedback
            for weight in network.feedback_variables(i)[1:]
        ):
            continue
        assert np.any(variable.numpy() != before[variable.path]), variable.path
    for now, old in zip(arrays(fixed_weights(network)), fixed, strict=True):
        np.testing.assert_array_equal(now, old)


@pytest.mark.slow
@every_rule_and_every_schedule(1)
def test_each_phase_moves_its_own_kind_of_weights(rule, schedule, inverse_first):
    network = build(rule, schedule, inverse_first)
    data = tuple(tf.constant(part) for part in examples())
    kinds = {FORWARD: network.forward_variables, INVERSE: network.inverse_variables}
    for phase in (FORWARD, INVERSE) if rule in TRAINED else (FORWARD,):
        before = {kind: arrays(variables) for kind, variables in kinds.items()}
        network.set_phase((phase,))
        network.train_step(data)
        for kind, variables in kinds.items():
            moved = [
                bool(np.any(now != old))
                for now, old in zip(arrays(variables), before[kind], strict=True)
            ]
            assert any(moved) == (kind == phase), (phase, kind)


@every_rule
def test_each_trainable_variable_belongs_to_exactly_one_of_the_two_optimizers(rule):
    network = unchanged(rule)
    owned = [variable.path for variable in network.forward_variables + network.inverse_variables]
    assert sorted(owned) == sorted(variable.path for variable in network.trainable_variables)
    assert bool(network.inverse_variables) == (rule in TRAINED)


@pytest.mark.parametrize("rule", FIXED)
def test_fixed_feedback_is_there_and_does_not_learn(rule):
    network = unchanged(rule)
    assert network.trained_feedback == []
    assert sorted({*network.inverted, *network.feedback}) == FIXED[rule]
    assert len(fixed_weights(network)) == (4 if rule == "fwdtp" else 3)
    assert all(np.any(weight != 0) for weight in arrays(fixed_weights(network))[:1])


@pytest.mark.slow
@every_rule
def test_examples_of_weight_zero_have_no_influence(monkeypatch, rule):
    def normal(like, seed, step, layer, k, draw):  # every example keeps its own
        noise = np.random.default_rng((layer, draw)).normal(size=(BATCH, like.shape[1]))
        return tf.constant(noise, "float32")[: tf.shape(like)[0]]

    monkeypatch.setattr("dtp_tf.network.trainer.gaussian", normal)
    x, y = examples()
    weights = np.array([2] * 4 + [0] * 4, "float32")
    # The mean over 8 examples of which 4 count twice is the mean over these 4.
    whole, part = build(rule), build(rule)
    junk_x, junk_y = np.concatenate([x[:4], 9 * x[4:]]), np.concatenate([y[:4], 0 * y[4:]])
    an_epoch(whole, junk_x, junk_y, weights)
    an_epoch(part, x[:4], y[:4])
    near(arrays(whole.trainable_variables), arrays(part.trainable_variables))


# -- replicas -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_replicas_learn_by_fit_what_one_learns(tmp_path):
    """By every rule and schedule, dense networks do so in tests/machines/test_distribution.py."""
    # A process of its own, for the number of devices is fixed when TensorFlow starts.
    code = """
        import warnings

        warnings.simplefilter("error", UserWarning)

        import keras
        import numpy as np
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        replica = tf.config.LogicalDeviceConfiguration()
        tf.config.set_logical_device_configuration(cpu, [replica, replica])

        import dtp_tf
        import dtp_tf.network.trainer
        from dtp_tf.rules import BY_NAME

        def normal(like, seed, step, layer, k, draw):
            shape = tf.shape(like)
            # The same noise for each example, for the replicas' own noise differs.
            one = tf.concat([[1], shape[1:]], 0)
            row = tf.random.stateless_normal(one, [1000 * layer + 10 * k + draw, 0])
            return tf.repeat(row, shape[0], axis=0)

        dtp_tf.network.trainer.gaussian = normal
        x = np.random.default_rng(0).normal(size=(8, 5)).astype("float32")
        weights = np.linspace(0.5, 2, 8).astype("float32")

        images = np.random.default_rng(0).normal(size=(8, 7, 6, 2)).astype("float32")

        def dense_pairs():
            return [dtp_tf.DensePair(6), dtp_tf.DensePair(4)]

        def image_pairs():
            pooled = dict(pool="max", pool_size=3, pool_strides=2, pool_padding=1)
            return [dtp_tf.Conv2DPair(3, 3, **pooled), dtp_tf.Conv2DPair(3, 3, pool="max")]

        def train(rule, strategy, pairs, x):
            keras.utils.set_random_seed(0)
            settings, trained = {}, hasattr(BY_NAME[rule](), "noise")
            if trained:
                settings = {"noise": 0.3, "schedule": "inverse-first", "inverse_steps": 2}
            many = rule == "ldrl"  # with an optimizer for each layer, once
            if many:
                settings["inverse_steps"] = [2, 1]
            with strategy.scope():
                rule = BY_NAME[rule](**settings)
                network = dtp_tf.DTPNetwork(pairs(), classes=3, rule=rule)
                network.build((None, *x.shape[1:]))
                inverse = [keras.optimizers.SGD(0.05), keras.optimizers.SGD(0.05)]
                network.compile(
                    keras.optimizers.SGD(0.5), inverse if many else inverse[0], run_eagerly=True
                )
            start = network.get_weights()
            logs = network.fit(
                x, np.arange(8) % 3, sample_weight=weights, batch_size=8, shuffle=False, verbose=0
            ).history
            return start, network.get_weights(), logs

        mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        cases = [(rule, dense_pairs, x) for rule in ("dtp", "ldrl")]
        cases += [(rule, image_pairs, images) for rule in ("dtp", "ldrl", "ddtp_linear", "fa")]
        for rule, *network in cases:
            start, one, one_logs = train(rule, tf.distribute.get_strategy(), *network)
            _, two, two_logs = train(rule, mirrored, *network)
            assert any(np.any(after != before) for before, after in zip(start, one))
            for single, double in zip(one, two, strict=True):
                np.testing.assert_allclose(double, single, rtol=1e-5, atol=1e-6, err_msg=rule)
            assert set(one_logs) == set(two_logs)
            for name in one_logs:
                np.testing.assert_allclose(
                    two_logs[name], one_logs[name], rtol=1e-4, err_msg=f"{rule} {name}"
                )
        """
    root = pathlib.Path(dtp_tf.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


# -- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", TRAINED)
def test_one_optimizer_object_used_twice_is_refused(rule):
    network, one = unchanged(rule), keras.optimizers.SGD(0.1)
    for forward, inverse in ((one, one), (one, [one] * 2), (keras.optimizers.SGD(0.1), [one] * 2)):
        with pytest.raises(dtp_tf.errors.SettingError, match="different objects"):
            network.compile(forward, inverse)
