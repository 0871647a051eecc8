"""A network learns in Keras's floatx, float32 or float64, and in nothing else."""

import keras
import numpy as np
import pytest
from contract_support import CLASSES, arrays, examples, fit, moved, network, twins, unbuilt
from keras.optimizers import SGD

import dtp_tf
from dtp_tf.errors import SettingError
from dtp_tf.rules import BY_NAME


def set_types(name):
    keras.config.set_floatx(name)
    keras.config.set_dtype_policy(name)  # Keras fixes it when the first layer is made


@pytest.fixture
def float64():
    set_types("float64")
    yield
    set_types("float32")


@pytest.mark.slow
@pytest.mark.parametrize("rule", BY_NAME)
def test_every_rule_learns_in_float64(float64, rule):
    made, (x, y) = network(BY_NAME[rule]()), examples()
    before = arrays(made.trainable_variables)
    logs = fit(made, epochs=len(made.rule.passes), batch_size=16)
    after = arrays(made.trainable_variables)
    assert all(moved(before, after)) and {one.dtype for one in after} == {np.dtype("float64")}
    assert np.isfinite(logs["loss"] + made.evaluate(x, y, verbose=0)).all()
    assert made.predict(x, verbose=0).dtype == made.classifier()(x).dtype == "float64"


@pytest.mark.slow
@pytest.mark.parametrize(
    "pairs",
    [
        lambda: [dtp_tf.Conv2DPair(3, 3, 2, 1), dtp_tf.Conv2DPair(4, 3, pool="max")],
        lambda: [dtp_tf.LocallyConnected2DPair(3, 3), dtp_tf.DensePair(4, dropout=0.5)],
        lambda: [dtp_tf.BlockPair(keras.Sequential([keras.layers.Conv2D(3, 3)]))],
        lambda: [dtp_tf.DensePair(6, "sigmoid"), dtp_tf.DensePair(4, transmission="sample")],
    ],
)
def test_every_pair_learns_in_float64(float64, pairs):
    made = dtp_tf.DTPNetwork([*pairs(), dtp_tf.DensePair(4)], CLASSES)
    made.compile(SGD(0.1), SGD(0.1), run_eagerly=True)
    x = np.random.default_rng(0).normal(size=(6, 7, 6, 2))
    logs = made.fit(x, np.arange(6) % CLASSES, verbose=0).history
    assert np.isfinite(logs["loss"]).all()


@pytest.mark.slow
def test_backpropagation_in_float64_is_that_of_a_stock_model(float64):
    ours, stock = twins(lambda: SGD(0.5))
    for model in (ours, stock):
        fit(model)
    for one, other in zip(ours.forward_variables, stock.trainable_variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-13)


@pytest.mark.parametrize("where", ["pair", "floatx", "half"])
def test_weights_of_another_type_are_refused_by_name(where):
    if where == "half":
        set_types("float16")
    made = unbuilt()
    if where == "pair":
        pairs = [dtp_tf.DensePair(4, dtype="float64")]
        made = dtp_tf.DTPNetwork(pairs, CLASSES, dtype="float64")
        made.compile(SGD(0.1), SGD(0.1), run_eagerly=True)
    if where == "floatx":
        keras.config.set_floatx("float64")
    text = {
        "pair": r"must be float32, as losses.*float64 in .*kernel; leave `dtype` out, and call ",
        "floatx": "must be float64, as losses and metrics are, got float32",
        "half": r"learns in float32 or float64, got keras.config.floatx\(\) float16",
    }[where]
    try:
        with pytest.raises(SettingError, match=text):
            fit(made)
    finally:
        set_types("float32")


@pytest.mark.slow
def test_preprocessing_with_weights_that_would_learn_is_refused_unless_they_are_fixed():
    def new(trainable):
        layer = keras.layers.BatchNormalization(trainable=trainable)
        return network(preprocessing=layer)

    with pytest.raises(SettingError, match="`preprocessing` does not learn, and 'batch_normal"):
        fit(new(trainable=True))
    made = new(trainable=False)
    before = arrays(made.preprocessing.weights)
    fit(made, epochs=1)
    assert not any(moved(before, arrays(made.preprocessing.weights)))
