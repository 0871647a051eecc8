"""The arguments of a recipe's optimizers reach Keras, layer by layer, and come back from files."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import invoke, refusal, succeeded

import dtp_tf
from dtp_tf.comparing.plan import train_command
from dtp_tf.data.sets import load_data
from dtp_tf.errors import SettingError
from dtp_tf.network.network import DTPNetwork
from dtp_tf.network.updates import parts
from dtp_tf.recipes.optimizers import ARGUMENTS, SHORT
from dtp_tf.runs.folder import Run
from dtp_tf.training.building import build_network
from dtp_tf.training.optimizers import make_optimizer

SMALL = {"units": (6, 5), "batch_size": 32, "epochs": 2}
LAYERS = [("kernel", (3, 4)), ("bias", (4,)), ("gamma", (4,))]


@pytest.fixture(scope="module")
def data():
    return load_data(dtp_tf.recipe("digits"))


def network(data, **settings):
    keras.utils.set_random_seed(0)
    return build_network(dtp_tf.recipe("digits", **{**SMALL, **settings}), data)


def variables():
    draw = np.random.default_rng(0)
    return [
        keras.Variable(draw.normal(size=shape), name=name, dtype="float32")
        for name, shape in LAYERS
    ]


def steps(optimizer, count=3):
    """Return the variables after some updates with gradients that are always the same."""
    draw, moved = np.random.default_rng(1), variables()
    optimizer.build(moved)
    for _ in range(count):
        gradients = [tf.constant(draw.normal(size=one.shape), "float32") for one in moved]
        optimizer.apply(gradients, moved)
    return [one.numpy() for one in moved]


def same(left, right):
    return all(np.array_equal(*pair) for pair in zip(left, right, strict=True))


def test_an_adam_step_with_epsilon_and_weight_decay_is_keras_own():
    text = "adam beta_1=0.8 beta_2=0.95 epsilon=1e-3 weight_decay=0.01 clipnorm=0.5"
    own = keras.optimizers.Adam(
        0.02, beta_1=0.8, beta_2=0.95, epsilon=1e-3, weight_decay=0.01, clipnorm=0.5
    )
    expected = steps(own)
    assert same(steps(make_optimizer(text, 0.02, "constant", 9)), expected)
    assert not same(steps(make_optimizer("adam", 0.02, "constant", 9)), expected)


@pytest.mark.parametrize(("name", "meant"), SHORT.items())
def test_a_short_name_takes_arguments_beside_its_own(name, meant):
    optimizer = make_optimizer(f"{name} weight_decay=0.1 clipvalue=2", 0.1, "constant", 1)
    config = optimizer.get_config()
    assert config["weight_decay"] == 0.1
    assert config["clipvalue"] == 2
    assert {key: config[key] for key in meant[1]} == meant[1]


@pytest.mark.parametrize("name", ARGUMENTS)
def test_every_optimizer_trains_with_all_that_it_shares_with_others(name):
    text = f"{name} weight_decay=0.01 exclude_from_weight_decay=bias global_clipnorm=1"
    course = "cosine" if name == "ftrl" else "cosine warmup=1"
    moved = steps(make_optimizer(text, 0.01, course, 9, 3))
    assert all(np.isfinite(one).all() for one in moved)
    assert not same(moved, [one.numpy() for one in variables()])


def test_what_is_excluded_is_not_decayed():
    text = "sgd weight_decay=0.5 exclude_from_weight_decay="
    decayed = {}
    for names in ("bias", "bias,gamma,beta"):
        optimizer, moved = make_optimizer(text + names, 0.1, "constant", 1), variables()
        before = [one.numpy() for one in moved]
        optimizer.build(moved)
        optimizer.apply([tf.zeros(one.shape) for one in moved], moved)
        pairs = zip(LAYERS, before, moved, strict=True)
        decayed[names] = {name: not np.array_equal(a, b.numpy()) for (name, _), a, b in pairs}
    assert decayed["bias"] == {"kernel": True, "bias": False, "gamma": True}
    assert decayed["bias,gamma,beta"] == {"kernel": True, "bias": False, "gamma": False}


def test_the_biases_and_normalisations_of_a_network_are_left_alone(data):
    text = "sgd weight_decay=0.5 exclude_from_weight_decay=bias,gamma,beta"
    made = network(
        data, units=None, layers=("conv 2 3 norm", "dense 5"), optimizer=text,
        inverse_optimizer=text,
    )
    assert {one.name for one in made.forward_variables} == {"kernel", "bias", "gamma", "beta"}
    for optimizer, own in made.optimized():
        kept = {one.name for one in own if not optimizer._use_weight_decay(one)}
        assert kept == {one.name for one in own} - {"kernel"}


def test_an_optimizer_that_divides_by_the_rate_refuses_one_of_0():
    with pytest.raises(SettingError, match="ftrl divides by the learning rate"):
        make_optimizer("ftrl", 0.1, "constant warmup=1", 9, 3)


def test_keras_itself_may_refuse_arguments():
    with pytest.raises(SettingError, match="the optimizer 'ftrl' cannot be made"):
        make_optimizer("ftrl", None, "constant", 1)


# Rates for each layer


def test_every_layer_has_its_own_rate(data):
    made = network(data, learning_rate=(0.1, 0.2, 0.4), optimizer="sgd", rule="bp")
    every = [(float(one.learning_rate), one._trainable_variables) for one in
             parts(made.optimizer)]
    rates = [rate for rate, _ in every]
    assert rates == pytest.approx([0.1, 0.2, 0.4])
    assert [own for _, own in every] == [layer.forward_variables for layer in made.layers_up]


@pytest.mark.slow
def test_equal_rates_for_each_layer_are_one_rate(data):
    x, y = data.train.images[:64], data.train.labels[:64]
    made = [network(data, learning_rate=rate) for rate in (0.01, (0.01, 0.01, 0.01))]
    for one in made:
        one.run_eagerly = True
        one.fit(x, y, batch_size=32, epochs=1, shuffle=False, verbose=0)
    for left, right in zip(made[0].weights, made[1].weights, strict=True):
        np.testing.assert_allclose(left.numpy(), right.numpy(), rtol=1e-6, atol=1e-7)


def test_a_list_of_optimizers_must_have_one_for_each_layer():
    made = DTPNetwork([dtp_tf.DensePair(4)], classes=3)
    made.build((None, 5))
    with pytest.raises(SettingError, match="has 3 optimizers, but the network has 2 layers"):
        made.compile(["adam", "sgd", "sgd"])


def test_a_callback_that_sets_one_rate_is_refused_beside_several(tmp_path):
    with pytest.raises(SettingError, match="ReduceLROnPlateau, which sets one learning rate"):
        dtp_tf.train(
            "digits", **SMALL, learning_rate=(0.1, 0.1, 0.1), learning_rate_schedule="constant",
            run_dir=tmp_path / "run", callbacks=keras.callbacks.ReduceLROnPlateau(),
        )


# Files


@pytest.mark.slow
def test_a_file_has_all_of_the_optimizers(data, tmp_path):
    text = "adam epsilon=0.01 weight_decay=0.5 exclude_from_weight_decay=bias"
    made = network(
        data, optimizer=text, inverse_optimizer=text, learning_rate=(0.01, 0.02, 0.03),
        inverse_learning_rate=(0.1,), learning_rate_schedule="step every=1 warmup=0.5",
    )
    x, y = data.train.images[:64], data.train.labels[:64]
    training = {"batch_size": 32, "epochs": 1, "shuffle": False, "verbose": 0}
    made.run_eagerly = True  # which needs no compilation
    made.fit(x, y, **training)
    made.save(tmp_path / "network.keras")
    read = keras.saving.load_model(tmp_path / "network.keras")
    for (left, _), (right, own) in zip(made.optimized(), read.optimized(), strict=True):
        for one, other in zip(parts(left), parts(right), strict=True):
            mine, its = one.get_config(), other.get_config()
            assert {**mine, "name": ""} == {**its, "name": ""}
            assert int(one.iterations) == int(other.iterations) == 2
            assert {v.name for v in own if not other._use_weight_decay(v)} == {"bias"}
    read.run_eagerly = True
    for network_ in (made, read):
        network_.fit(x, y, **training)
    assert same([one.numpy() for one in made.weights], [one.numpy() for one in read.weights])


# Commands


def test_what_cannot_be_trained_on_replicas_is_refused_before_any_data_are_read():
    result = invoke(
        "train", "digits", "--optimizer", "sgd gradient_accumulation_steps=2", "--strategy",
        "mirrored", "--dataset", "no_such_set",
    )
    assert "gradient_accumulation_steps, which Keras cannot do with" in refusal(result, 2)


def test_a_flag_has_words(tmp_path):
    result = invoke("train", "digits", "--optimizer", "adam beta2=0.95", "--run-dir", tmp_path)
    assert "adam has no argument 'beta2'" in refusal(result, 2)


def test_a_run_tells_its_optimizers_in_words(tmp_path):
    text = "adam beta_2=0.95 epsilon=0.0001"
    run = Run.create(dtp_tf.recipe("digits", optimizer=text, learning_rate=[0.1] * 4), tmp_path)
    assert run.recipe().optimizer == text
    assert f"'{text}'" in train_command(run.recipe(), run.path)
    assert "--learning-rate 0.1,0.1,0.1,0.1" in train_command(run.recipe(), run.path)
    assert "\noptimizer = adam\n" in succeeded(invoke("recipes", "digits"))
