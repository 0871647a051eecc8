"""What every learning rule promises, whatever its equations: one battery for all of them."""

import json
import os
import pathlib
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf

import dtp_tf
from dtp_tf.batch import Batch
from dtp_tf.export import export
from dtp_tf.rules import BY_NAME
from dtp_tf.rules.base import FORWARD, INVERSE, PASSES

INPUTS, WIDTHS, CLASSES, BATCH = 5, (6, 4, 7), 3, 8
IMAGE = (7, 6, 2)
TRAINED = ("tp", "dtp", "sdtp", "drl", "ddtp_linear", "ldrl", "autoencoder")
FIXED = {"fwdtp": [1, 2], "fa": [1, 2, 3], "dfa": [0, 1, 2]}  # layers with fixed feedback



def block(filters):
    return keras.Sequential(
        [
            keras.layers.Conv2D(filters, 3, padding="same", activation="tanh"),
            keras.layers.BatchNormalization(),
            keras.layers.AveragePooling2D(2, padding="same"),
        ]
    )


# Every kind of pair, below a dense one: what makes two of them, and the shapes of their outputs.
PAIRS = {
    "strided": (
        lambda: [dtp_tf.Conv2DPair(3, 3, 2, 1), dtp_tf.Conv2DPair(4, 2, 2, "valid")],
        [(4, 3, 3), (2, 1, 4)],
    ),
    "max": (
        lambda: [
            dtp_tf.Conv2DPair(3, 5, pool="max", pool_size=3, pool_strides=2, pool_padding=1),
            dtp_tf.Conv2DPair(4, 3, pool="max", inverse_first=True),
        ],
        [(4, 3, 3), (2, 1, 4)],
    ),
    "average": (
        lambda: [dtp_tf.Conv2DPair(3, pool="average"), dtp_tf.Conv2DPair(4, pool="average")],
        [(3, 3, 3), (1, 1, 4)],
    ),
    "block": (
        lambda: [dtp_tf.BlockPair(block(3)), dtp_tf.BlockPair(block(4))],
        [(4, 3, 3), (2, 2, 4)],
    ),
}
every_kind = pytest.mark.parametrize("kind", PAIRS)
every_kind_by_every_rule = pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (kind, rule)
        for kind in PAIRS
        for rule in BY_NAME
        if rule != "autoencoder" and (kind, rule) != ("block", "fa")  # both are refused
    ],
)

every_rule = pytest.mark.parametrize("rule", BY_NAME)
# (rule, schedule, inverse_first)
every_case = pytest.mark.parametrize(
    ("rule", "schedule", "inverse_first"),
    [(rule, schedule, False) for rule in TRAINED for schedule in PASSES]
    + [(rule, None, False) for rule in BY_NAME if rule not in TRAINED]
    + [("dtp", "parallel", True), ("ldrl", "inverse-first", True)],
)
# The activation of an inverse before or after its weights, for rules that differ in what they need.
every_shape = pytest.mark.parametrize(
    ("rule", "inverse_first"),
    [*((rule, False) for rule in BY_NAME), ("dtp", True), ("drl", True), ("ldrl", True)],
)


def make_rule(rule, schedule=None, **settings):
    if rule not in TRAINED:
        return BY_NAME[rule](**settings)
    given = {"schedule": schedule or "parallel", "inverse_steps": 1, "noise": 0.3, **settings}
    return BY_NAME[rule](**given)


def build(rule, schedule=None, inverse_first=False, optimizers=None, **settings):
    """A small network with steps large enough to see. Eager, for tracing takes a second."""
    pairs = [dtp_tf.DensePair(units, inverse_first=inverse_first) for units in WIDTHS]
    return finish(pairs, (INPUTS,), make_rule(rule, schedule, **settings), optimizers)


def build_images(kind, rule):
    """A small network of pairs of one kind and a dense one, for images."""
    keras.utils.set_random_seed(0)
    return finish([*PAIRS[kind][0](), dtp_tf.DensePair(5)], IMAGE, make_rule(rule))


def finish(pairs, shape, rule, optimizers=None):
    keras.utils.set_random_seed(0)
    network = dtp_tf.DTPNetwork(pairs, CLASSES, rule=rule)
    network.build((None, *shape))
    forward, inverse = optimizers or (keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.05))
    network.compile(forward, inverse, run_eagerly=True)
    return network


def examples(count=BATCH):
    x = np.random.default_rng(1).normal(size=(count, INPUTS)).astype("float32")
    return x, np.arange(count) % CLASSES


def image_examples():
    x = np.random.default_rng(1).normal(size=(BATCH, *IMAGE)).astype("float32")
    return x, np.arange(BATCH) % CLASSES


def arrays(variables):
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def an_epoch(network, *data):
    """All passes over the data of one epoch, the data being a single batch."""
    for phase in network.rule.passes:
        network.set_phase(phase)
        logs = network.train_step(tuple(tf.constant(part) for part in data))
    return logs


def a_batch(network):
    return Batch(network, *(tf.constant(part) for part in examples()))


def near(found, expected, rtol=1e-5):
    for one, other in zip(found, expected, strict=True):
        atol = rtol * max(np.abs(other).max(), 1e-2)
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


def has_dead_bias(rule, inverse_first):
    """Whether a rule takes nothing but differences of affine feedback, from which biases cancel."""
    return rule in ("drl", "ldrl") and inverse_first


def fixed_weights(network):
    """The weights of feedback that does not learn."""
    layers = [network.layers_up[i].inverse_layer for i in network.inverted]
    layers += network.feedback.values()
    return [weight for layer in layers for weight in layer.non_trainable_weights]


# -- shapes ---------------------------------------------------------------------------------------


@every_rule
def test_a_network_gives_probabilities_of_every_class(rule):
    network, (x, _) = build(rule), examples()
    for answer in (network(x).numpy(), network.predict(x, verbose=0)):
        assert answer.shape == (BATCH, CLASSES)
        np.testing.assert_allclose(answer.sum(axis=1), 1, rtol=1e-5)


@every_shape
def test_there_is_a_target_or_a_direction_of_its_shape_for_every_hidden_layer(rule, inverse_first):
    network = build(rule, inverse_first=inverse_first)
    batch = a_batch(network)
    _, losses = network.forward_gradients(batch)
    assert [loss.shape for loss in losses] == [(BATCH,)] * len(WIDTHS)
    directions = getattr(network.rule, "targets", None) or network.rule.signals
    shapes = [one.shape for one in directions(network, batch)]
    assert shapes == [(BATCH, units) for units in WIDTHS]


# The others have no code of their own in which a size could be lost; tracing takes seconds.
@pytest.mark.parametrize("rule", ["dtp", "sdtp", "drl", "ddtp_linear", "ldrl", "fa"])
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
    for found in (moves(network, train) for _ in range(5)):
        for one, other in zip(found, expected, strict=True):  # updates, not weights
            assert np.abs(one - other).max() < 1e-3 * max(np.abs(other).max(), 1e-4)


# -- locality -------------------------------------------------------------------------------------


@every_shape
def test_a_local_loss_has_a_gradient_in_its_own_layer_only(rule, inverse_first):
    network = build(rule, inverse_first=inverse_first)
    batch = a_batch(network)
    _, losses = network.forward_gradients(batch)  # the batch's tape has recorded them
    losses = [*losses, batch.loss]
    assert len(losses) == len(network.layers_up)
    for i, loss in enumerate(losses):
        feedback = batch.tape.gradient(loss, network.inverse_variables + fixed_weights(network))
        assert all(gradient is None for gradient in feedback)
        for j, layer in enumerate(network.layers_up):
            for gradient in batch.tape.gradient(loss, layer.forward_variables):
                if i == j:
                    assert np.all(gradient != 0)
                else:
                    assert gradient is None


@pytest.mark.parametrize("rule", TRAINED)
@pytest.mark.parametrize("inverse_first", [False, True])
def test_a_feedback_loss_has_a_gradient_in_its_own_feedback_only(rule, inverse_first):
    network = build(rule, "parallel", inverse_first)
    batch = a_batch(network)
    for layer in network.trained_feedback:
        with tf.GradientTape(persistent=True) as tape:
            loss = network.rule.inverse_loss(network, batch, layer, network.noise(layer, 0))
        assert loss.shape == (BATCH,)
        assert all(one is None for one in tape.gradient(loss, network.forward_variables))
        for other in network.trained_feedback:
            kernel, *bias = tape.gradient(loss, network.feedback_variables(other))
            if other != layer:
                assert all(one is None for one in (kernel, *bias))
            else:
                assert np.all(kernel != 0)
                assert has_dead_bias(rule, inverse_first) or all(np.all(b != 0) for b in bias)


# -- what moves -----------------------------------------------------------------------------------


@every_case
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


@every_case
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
    network = build(rule)
    owned = [variable.path for variable in network.forward_variables + network.inverse_variables]
    assert sorted(owned) == sorted(variable.path for variable in network.trainable_variables)
    assert bool(network.inverse_variables) == (rule in TRAINED)


@pytest.mark.parametrize("rule", FIXED)
def test_fixed_feedback_is_there_and_does_not_learn(rule):
    network = build(rule)
    assert network.trained_feedback == []
    assert sorted({*network.inverted, *network.feedback}) == FIXED[rule]
    assert len(fixed_weights(network)) == (4 if rule == "fwdtp" else 3)
    assert all(np.any(weight != 0) for weight in arrays(fixed_weights(network))[:1])


@every_rule
def test_examples_of_weight_zero_have_no_influence(monkeypatch, rule):
    def normal(like, seed, step, layer, k, draw):  # every example keeps its own
        noise = np.random.default_rng((layer, draw)).normal(size=(BATCH, like.shape[1]))
        return tf.constant(noise, "float32")[: tf.shape(like)[0]]

    monkeypatch.setattr("dtp_tf.network.gaussian", normal)
    x, y = examples()
    weights = np.array([2] * 4 + [0] * 4, "float32")
    # The mean over 8 examples of which 4 count twice is the mean over these 4.
    whole, part = build(rule), build(rule)
    junk_x, junk_y = np.concatenate([x[:4], 9 * x[4:]]), np.concatenate([y[:4], 0 * y[4:]])
    an_epoch(whole, junk_x, junk_y, weights)
    an_epoch(part, x[:4], y[:4])
    near(arrays(whole.trainable_variables), arrays(part.trainable_variables))


# -- every kind of pair ---------------------------------------------------------------------------


@every_kind_by_every_rule
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
        feedback = batch.tape.gradient(loss, network.inverse_variables + fixed_weights(network))
        assert all(gradient is None for gradient in feedback)
        for j, layer in enumerate(network.layers_up):
            gradients = batch.tape.gradient(loss, layer.forward_variables)
            assert all((one is not None) == (i == j) for one in gradients)
            assert i != j or all(np.any(one != 0) for one in gradients)
    for layer in network.trained_feedback:
        with tf.GradientTape(persistent=True) as tape:
            loss = network.rule.inverse_loss(network, batch, layer, network.noise(layer, 0))
        assert loss.shape == (BATCH,)
        assert all(one is None for one in tape.gradient(loss, network.forward_variables))
        for other in network.trained_feedback:
            kernel, *_ = tape.gradient(loss, network.feedback_variables(other))
            assert (kernel is not None) == (other == layer)


@every_kind_by_every_rule
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
@pytest.mark.parametrize(("kind", "rule"), [("max", "ldrl"), ("strided", "fa"), ("block", "drl")])
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


# -- configurations and files ---------------------------------------------------------------------


@every_shape
def test_a_network_is_made_again_from_its_configuration(rule, inverse_first):
    network = build(rule, inverse_first=inverse_first)
    config = json.dumps(network.get_config())
    again = dtp_tf.DTPNetwork.from_config(json.loads(config))
    assert json.dumps(again.get_config()) == config
    assert type(again.rule) is BY_NAME[rule]
    again.build((None, INPUTS))
    assert [v.shape for v in again.weights] == [v.shape for v in network.weights]
    assert again.trained_feedback == network.trained_feedback


def lists_of_optimizers(rule):
    """Settings and optimizers with one of each for every trained feedback layer."""
    count = len(build(rule).trained_feedback)
    steps = list(range(1, count + 1))
    noise = [0.1 * step for step in steps]
    inverse = [keras.optimizers.Adam(0.01 * step) for step in steps]
    settings = {"schedule": "inverse-first", "inverse_steps": steps, "noise": noise}
    return settings, (keras.optimizers.Adam(0.01), inverse)


@pytest.mark.parametrize(
    ("rule", "many"), [(rule, False) for rule in BY_NAME] + [(rule, True) for rule in TRAINED]
)
def test_a_saved_network_predicts_and_learns_on_as_if_it_had_never_stopped(tmp_path, rule, many):
    settings = {}
    optimizers = keras.optimizers.Adam(0.01), keras.optimizers.RMSprop(0.01, momentum=0.9)
    if many:
        settings, optimizers = lists_of_optimizers(rule)
    network, (x, y) = build(rule, optimizers=optimizers, **settings), examples()
    for _ in range(2):
        an_epoch(network, x, y)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert json.dumps(loaded.rule.get_config()) == json.dumps(network.rule.get_config())
    np.testing.assert_array_equal(loaded(x), network(x))
    assert int(loaded.step) == int(network.step) == 2
    for weight, other in zip(loaded.weights, network.weights, strict=True):
        np.testing.assert_array_equal(weight, other)
    for restored, original in zip(all_optimizers(loaded), all_optimizers(network), strict=True):
        assert restored.get_config() == original.get_config()
        for state, other in zip(restored.variables, original.variables, strict=True):
            np.testing.assert_array_equal(state, other)
    network.reset_metrics()
    for _ in range(2):
        found, expected = (an_epoch(model, x, y) for model in (loaded, network))
    assert found.keys() == expected.keys()
    near(found.values(), expected.values(), 1e-4)
    for weight, other in zip(loaded.weights, network.weights, strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-5, atol=1e-6)


def all_optimizers(network):
    inverse = network.inverse_optimizer
    return [network.optimizer, *(inverse if isinstance(inverse, list) else [inverse])]


@every_rule
def test_the_saved_classifier_predicts_the_same(tmp_path, rule):
    network, (x, y) = build(rule), examples()
    an_epoch(network, x, y)
    network.classifier().save(tmp_path / "classifier.keras")
    loaded = keras.saving.load_model(tmp_path / "classifier.keras")
    np.testing.assert_allclose(loaded(x), network(x), rtol=1e-6)
    assert {type(layer).__module__.split(".")[0] for layer in loaded.layers} == {"keras"}


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


# -- replicas -------------------------------------------------------------------------------------


def test_two_replicas_learn_by_fit_what_one_learns(tmp_path):
    """By every rule and schedule, dense networks do so in tests/test_distribution.py."""
    # A process of its own, for the number of devices is fixed when TensorFlow starts.
    code = """
        import keras
        import numpy as np
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        replica = tf.config.LogicalDeviceConfiguration()
        tf.config.set_logical_device_configuration(cpu, [replica, replica])

        import dtp_tf
        import dtp_tf.network
        from dtp_tf.rules import BY_NAME

        def normal(like, seed, step, layer, k, draw):
            shape = tf.shape(like)
            # The same noise for each example, for the replicas' own noise differs.
            one = tf.concat([[1], shape[1:]], 0)
            row = tf.random.stateless_normal(one, [1000 * layer + 10 * k + draw, 0])
            return tf.repeat(row, shape[0], axis=0)

        dtp_tf.network.gaussian = normal
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
        cases = [(rule, dense_pairs, x) for rule in ("dtp", "ldrl", "dfa")]
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
        [sys.executable, "-W", "error::UserWarning", "-c", textwrap.dedent(code)],
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
    network, one = build(rule), keras.optimizers.SGD(0.1)
    for forward, inverse in ((one, one), (one, [one] * 2), (keras.optimizers.SGD(0.1), [one] * 2)):
        with pytest.raises(dtp_tf.errors.SettingError, match="different objects"):
            network.compile(forward, inverse)
