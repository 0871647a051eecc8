"""Networks with other outputs than classes: their answers, and how they come back from files."""

import json
import zipfile

import keras
import numpy as np
import pytest
from losses_support import INPUTS, L, PinballLoss, examples, labels, network_of

import dtp_tf
from dtp_tf.numerics.sampling import PASSES
from dtp_tf.rules import DTP, SDTP

OUTPUTS = {
    "softmax": lambda a: np.exp(a) / np.exp(a).sum(axis=-1, keepdims=True),
    "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    "linear": lambda a: a,
}
every_output = pytest.mark.parametrize("activation", OUTPUTS)


@every_output
def test_a_network_answers_with_its_output_activation_of_the_logits(activation):
    network, x = network_of(activation, 3), examples()
    logits = np.asarray(network.activations(x)[-1])
    for answers in (network(x), network.predict_on_batch(x), network.classifier()(x)):
        np.testing.assert_allclose(answers, OUTPUTS[activation](logits), rtol=1e-5, atol=1e-6)


@every_output
def test_where_layers_send_samples_an_answer_is_the_mean_over_passes(activation):
    keras.utils.set_random_seed(0)
    pairs = [dtp_tf.DensePair(5, activation="sigmoid")]
    network = dtp_tf.DTPNetwork(
        pairs, 3, output_activation=activation, output_transmission="sample"
    )
    answers, x = np.asarray(network(examples())), examples()
    assert answers.shape == (len(x), 3) and PASSES > 1
    np.testing.assert_allclose(network.classifier()(x), answers, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("activation", "units", "loss", "last"),
    [
        ("softmax", 3, None, "Softmax"),
        ("sigmoid", 1, None, "Activation"),
        ("linear", 2, None, "Dense"),
        ("linear", 3, L.SparseCategoricalCrossentropy(from_logits=True), "Dense"),
    ],
)
def test_the_classifier_is_of_stock_layers(activation, units, loss, last):
    classifier = network_of(activation, units, loss).classifier()
    assert type(classifier.layers[-1]).__name__ == last
    assert {type(layer).__module__.split(".")[0] for layer in classifier.layers} == {"keras"}
    assert classifier.output_shape == (None, units)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("activation", "units", "loss", "kind", "rule"),
    [
        ("softmax", 3, L.CategoricalCrossentropy(label_smoothing=0.2), "one-hot", SDTP()),
        ("sigmoid", 1, None, "bits", DTP()),
        ("sigmoid", 3, L.BinaryCrossentropy(label_smoothing=0.1), "vectors of bits", DTP()),
        ("linear", 3, None, "numbers of any kind", SDTP()),
        ("linear", 3, L.SparseCategoricalCrossentropy(from_logits=True), "numbers", DTP()),
        ("linear", 3, PinballLoss(), "numbers of any kind", DTP()),
    ],
)
def test_a_network_comes_back_from_its_file_and_goes_on(
    tmp_path, activation, units, loss, kind, rule
):
    network, x, y = network_of(activation, units, loss, rule), examples(), labels(kind)
    network.train_on_batch(x, y)
    path = tmp_path / "network.keras"
    network.save(path)
    loaded = keras.saving.load_model(path, custom_objects={"PinballLoss": PinballLoss})
    assert (loaded.units, loaded.output_activation) == (units, activation)
    np.testing.assert_allclose(loaded(x), network(x), rtol=1e-6)
    for one in (network, loaded):
        one.run_eagerly = True
        one.set_phase(one.rule.passes[-1])
        one.reset_metrics()
    logs, again = (one.train_on_batch(x, y, return_dict=True) for one in (network, loaded))
    assert again == pytest.approx(logs, rel=1e-4)
    for one, other in zip(loaded.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_a_file_that_calls_the_width_classes_loads(tmp_path):
    network, path = network_of("softmax", 3), tmp_path / "network.keras"
    network.save(path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(entries["config.json"])
    config["config"]["classes"] = config["config"].pop("units")
    del config["config"]["output_activation"]  # as files were before there were others
    entries["config.json"] = json.dumps(config)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    loaded = keras.saving.load_model(path)
    np.testing.assert_allclose(loaded(examples()), network(examples()), rtol=1e-6)
    assert (loaded.units, loaded.classes, loaded.output_activation) == (3, 3, "softmax")


# -- metrics --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "units", "loss", "kind", "name"),
    [
        ("softmax", 3, None, "numbers", "accuracy"),
        ("softmax", 3, "mse", "one-hot", "accuracy"),
        ("sigmoid", 1, None, "bits", "binary_accuracy"),
        ("sigmoid", 3, None, "vectors of bits", "binary_accuracy"),
        ("linear", 3, None, "numbers of any kind", "mean_absolute_error"),
        ("linear", 3, L.SparseCategoricalCrossentropy(from_logits=True), "numbers", "accuracy"),
        ("linear", 1, L.BinaryCrossentropy(from_logits=True), "bits", "binary_accuracy"),
        ("linear", 3, PinballLoss(), "numbers of any kind", None),
    ],
)
def test_metrics_fit_the_output_by_default(activation, units, loss, kind, name):
    network, x, y = network_of(activation, units, loss), examples(), labels(kind)
    logs, answers = network.test_on_batch(x, y, return_dict=True), np.asarray(network(x))
    assert set(logs) == {"loss", *([name] if name else [])}
    right = {
        "accuracy": lambda: answers.argmax(1) == (y if y.ndim == 1 else y.argmax(1)),
        "binary_accuracy": lambda: (
            (answers > (0.5 if activation == "sigmoid" else 0)) == y.reshape(answers.shape)
        ),
        "mean_absolute_error": lambda: np.abs(answers - y),
        None: lambda: 0,
    }[name]()
    assert name is None or logs[name] == pytest.approx(right.mean(), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("activation", "kind", "metrics"),
    [
        ("softmax", "numbers", [keras.metrics.SparseTopKCategoricalAccuracy(2)]),
        ("softmax", "one-hot", [keras.metrics.TopKCategoricalAccuracy(2), keras.metrics.AUC()]),
        (
            "sigmoid",
            "vectors of bits",
            [
                keras.metrics.AUC(multi_label=True, num_labels=3),
                keras.metrics.F1Score(threshold=0.5),
                keras.metrics.Precision(),
            ],
        ),
        ("linear", "numbers of any kind", [keras.metrics.R2Score(), "mse"]),
    ],
)
def test_metrics_of_keras_are_those_of_a_stock_model(activation, kind, metrics):
    loss = "categorical_crossentropy" if kind == "one-hot" else None
    network, x, y = network_of(activation, 3, loss, metrics=metrics), examples(), labels(kind)
    stock = network.classifier()
    copies = [
        one if isinstance(one, str) else type(one).from_config(one.get_config()) for one in metrics
    ]
    stock.compile(loss=network.loss, metrics=copies)
    expected = stock.evaluate(x, y, verbose=0, return_dict=True)
    found = network.evaluate(x, y, verbose=0, return_dict=True)
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, err_msg=name)


@pytest.mark.slow
def test_a_regression_learns():
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(256, INPUTS)).astype("float32")
    y = np.sin(x[:, 0]) + 0.5 * x[:, 1]
    network = dtp_tf.DTPNetwork([dtp_tf.DensePair(16)], 1, output_activation="linear")
    network.compile(keras.optimizers.Adam(0.01), keras.optimizers.Adam(0.01))
    history = network.fit(x, y, epochs=20, batch_size=32, verbose=0).history["loss"]
    assert history[-1] < 0.2 * history[0]
