"""What Keras promises of `compile`, `evaluate`, files and copies holds for a network."""

import copy
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf
from contract_support import (
    INPUTS,
    Batches,
    arrays,
    examples,
    fit,
    moved,
    network,
    same,
    twins,
    unbuilt,
)
from keras.optimizers import SGD

import dtp_tf
from dtp_tf.errors import SettingError

# -- before and without `fit` ---------------------------------------------------------------------


@pytest.mark.parametrize("eager", [True, False])
@pytest.mark.slow
def test_a_network_is_evaluated_before_it_is_trained(eager):
    made, (x, y) = unbuilt(), examples()
    made.run_eagerly = eager
    whole = made.evaluate(x, y, verbose=0, return_dict=True)
    assert set(whole) == {"loss", "accuracy", "reconstruction_error_2"}
    assert made.test_on_batch(x, y, return_dict=True) == pytest.approx(whole, rel=1e-5)
    scores = made.predict_on_batch(x)
    assert whole["accuracy"] == pytest.approx(np.mean(scores.argmax(axis=1) == y))


@pytest.mark.slow
def test_a_batch_trains_as_an_epoch_of_it():
    one, other = unbuilt(), unbuilt()
    logs = one.train_on_batch(*examples(), return_dict=True)
    history = fit(other, epochs=1, batch_size=16)
    assert logs == pytest.approx({name: values[0] for name, values in history.items()}, rel=1e-5)
    same(arrays(one.trainable_variables), arrays(other.trainable_variables))


@pytest.mark.parametrize("weights", ["sample_weight", "class_weight"])
@pytest.mark.slow
def test_examples_weigh_what_they_weigh_in_a_stock_model(weights):
    given = {"sample_weight": np.linspace(0.1, 2, 16), "class_weight": {0: 1.0, 1: 3.0, 2: 0.5}}
    models = twins(lambda: SGD(0.5), weighted_metrics=["accuracy"])
    ours, theirs = (fit(one, **{weights: given[weights]}) for one in models)
    same(arrays(models[0].forward_variables), arrays(models[1].trainable_variables))
    for name in ("loss", "accuracy", "weighted_accuracy"):
        assert ours[name] == pytest.approx(theirs[name], rel=1e-5)


@pytest.mark.slow
def test_several_steps_in_one_execution_train_as_one_by_one():
    plain, several = (network(run_eagerly=False, steps_per_execution=n) for n in (1, 2))
    ours, theirs = (fit(one, epochs=1) for one in (several, plain))
    for name in theirs:
        assert ours[name] == pytest.approx(theirs[name], rel=1e-5)
    same(arrays(several.trainable_variables), arrays(plain.trainable_variables))


@pytest.mark.slow
def test_data_may_come_in_every_way_that_keras_takes():
    x, y = examples()
    ways = {
        "PyDataset": {"x": Batches()},
        "generator": {"x": (Batches()[number % 2] for number in range(9)), "steps_per_epoch": 2},
        "tf.data": {"x": tf.data.Dataset.from_tensor_slices((x, y)).batch(8)},
        "split": {"x": np.concatenate([x, x]), "y": np.concatenate([y, y]), "batch_size": 8,
                  "validation_split": 0.5},
    }  # fmt: skip
    expected = unbuilt()
    fit(expected, epochs=1)
    for name, way in ways.items():
        made = unbuilt()
        logs = made.fit(**way, shuffle=False, verbose=0).history
        same(arrays(made.trainable_variables), arrays(expected.trainable_variables))
        assert ("val_loss" in logs) == (name == "split")


# -- metrics --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "metrics",
    [
        "accuracy",
        ("accuracy",),
        {"output": "accuracy"},
        keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
    ],
)
@pytest.mark.slow
def test_metrics_may_be_one_or_many(metrics, tmp_path):
    made = unbuilt(metrics=metrics, weighted_metrics="accuracy")
    logs = made.evaluate(*examples(), verbose=0, return_dict=True)
    assert {"loss", "accuracy", "weighted_accuracy"} <= set(logs)
    made.save(tmp_path / "it.keras")
    again = keras.saving.load_model(tmp_path / "it.keras")
    assert again.evaluate(*examples(), verbose=0, return_dict=True) == pytest.approx(logs)


def test_no_metrics_are_none():
    logs = unbuilt(metrics=None).evaluate(*examples(), verbose=0, return_dict=True)
    assert set(logs) == {"loss", "reconstruction_error_2"}


# -- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("several", [{"a": 1, "b": 2}, (1, 2), [1, 2]])
@pytest.mark.parametrize("built", [False, True])
def test_several_inputs_are_refused(several, built):
    x, y = examples()
    given = {name: x for name in several} if isinstance(several, dict) else type(several)((x, x))
    made = network() if built else unbuilt()
    for refused in (lambda: made.fit(given, y, verbose=0), lambda: made.predict(given, verbose=0)):
        with pytest.raises(SettingError, match="takes one array of examples as `x`, got a "):
            refused()


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_the_legacy_format_is_refused_with_what_to_do(tmp_path):
    made = network()
    for name in ("it.h5", "it.hdf5"):
        with pytest.raises(SettingError, match=r"legacy format, \.h5.*; save it as NAME\.keras"):
            made.save(tmp_path / name)
    with pytest.raises(ValueError, match=r"must end in `\.weights\.h5`"):
        made.save_weights(tmp_path / "it.h5")
    assert not list(tmp_path.iterdir())
    with pytest.raises(SettingError, match="legacy format"):
        keras.saving.save_model(made, tmp_path / "it.h5")


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.slow
def test_the_classifier_and_the_weights_may_be_hdf5(tmp_path):
    made, (x, _) = network(), examples()
    made.classifier().save(tmp_path / "it.h5")
    loaded = keras.saving.load_model(tmp_path / "it.h5", compile=False)
    np.testing.assert_allclose(loaded(x), made(x), atol=1e-6)
    fit(made, epochs=1)
    made.save_weights(tmp_path / "it.weights.h5")
    again = network()
    again.load_weights(tmp_path / "it.weights.h5")
    same(arrays(again.weights), arrays(made.weights), atol=0)


# -- what is fixed --------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_frozen_pair_keeps_its_weights_and_the_others_learn(when):
    made = unbuilt()
    if when == "after":
        made.build((None, INPUTS))
    made.pairs[1].trainable = False
    made.compile(SGD(0.5), SGD(0.1), run_eagerly=True)
    made.build((None, INPUTS))
    frozen, others = made.pairs[1].weights, [*made.pairs[0].weights, *made.output_pair.weights]
    before = arrays(frozen), arrays(others)
    logs = fit(made, epochs=1)
    same(arrays(frozen), before[0], atol=0)
    assert all(moved(arrays(others), before[1]))
    assert {"local_loss_1", "local_loss_2", "inverse_loss_2"} <= set(logs)


def test_a_frozen_network_keeps_all_weights():
    made = network()
    made.trainable = False
    made.compile(SGD(0.5), SGD(0.1), run_eagerly=True)
    before = arrays(made.get_weights()[1:])
    fit(made, epochs=1)
    same(made.get_weights()[1:], before, atol=0)


# -- exports and copies ---------------------------------------------------------------------------


@pytest.mark.slow
def test_a_network_is_exported_after_fit_loading_and_from_a_preset(tmp_path):
    made, (x, _) = network(), examples()
    fit(made, epochs=1)
    made.save(tmp_path / "it.keras")
    preset = dtp_tf.DTPNetwork.from_preset("digits_mlp_dtp")
    images = np.random.default_rng(0).integers(0, 256, size=(4, 8, 8, 1), dtype="uint8")
    loaded = keras.saving.load_model(tmp_path / "it.keras")
    for number, (model, inputs) in enumerate(((made, x), (loaded, x), (preset, images))):
        model.export(tmp_path / str(number), verbose=False)
        served = tf.saved_model.load(str(tmp_path / str(number)))
        expected = model.predict(inputs, verbose=0)
        np.testing.assert_allclose(served.serve(inputs), expected, atol=1e-5)
        np.testing.assert_allclose(served.serve(inputs.astype("float32")), expected, atol=1e-5)
    assert served.signatures["serving_default"].inputs[0].dtype == "uint8"


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda made: pickle.loads(pickle.dumps(made)),
}


@pytest.mark.slow
@pytest.mark.parametrize("how", COPIES)
def test_a_copy_goes_on_as_the_network_does(how):
    made = network(inverse_optimizer=keras.optimizers.Adam(0.1))
    fit(made, epochs=1)
    again = COPIES[how](made)
    assert again.inverse_optimizer is not made.inverse_optimizer
    for one in (made, again):
        fit(one, epochs=1)
    same(arrays(again.weights), arrays(made.weights))


def test_a_clone_is_the_same_network_with_fresh_weights():
    made = network()
    clone = keras.models.clone_model(made)
    assert type(clone) is type(made) and clone.optimizer is not made.optimizer
    assert clone.get_config() == made.get_config()
    clone.build((None, INPUTS))
    assert any(moved(arrays(clone.weights), arrays(made.weights)))


def test_the_summary_counts_forward_and_inverse_weights():
    lines, made = [], network()
    made.summary(print_fn=lambda text, line_break=None: lines.append(text))
    count = sum(int(np.prod(one.shape)) for one in made.trainable_variables)
    assert f"Trainable params: {count} " in "".join(lines)
