"""Convert models of `keras.applications` at 32x32 pixels, and hold them against Keras itself.

    python benchmarks/converted_models.py > docs/benchmarks/converted_models.csv

For each model: the largest difference of its answers from the network's, and of Keras's gradients
from those of `bp` (relative to each weight's largest; the median and the largest over the weights,
with dropout left out); then for each rule the CPU seconds of a step of training, with and without
tracing, and the largest difference of the answers after it was saved and loaded.
"""

import pathlib
import tempfile
import time

import click
import keras
import numpy as np
import tensorflow as tf

import dtp_tf
from dtp_tf.network.batch import Batch

MODELS = ("ResNet50", "MobileNetV2", "VGG16", "EfficientNetV2B0")
RULES = ("bp", "dtp", "ldrl")
CLASSES, BATCH = 10, 8
COLUMNS = ("model", "rule", "pairs", "answers_differ", "gradients_differ_median",
           "gradients_differ_most", "first_step_cpu", "step_cpu", "reloaded_differ")  # fmt: skip


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--models", default=",".join(MODELS), show_default=True)
@click.option("--rules", default=",".join(RULES), show_default=True)
def main(models, rules):
    """Print a line for each model and rule."""
    print(",".join(COLUMNS))
    for name in models.split(","):
        for rule in rules.split(","):
            found = measured(application(name), rule)
            print(",".join([name, rule, *(str(one) for one in found)]), flush=True)


def application(name):
    """Return a model of `keras.applications` with random weights, for 32x32 pixels."""
    keras.utils.set_random_seed(0)
    make = getattr(keras.applications, name)
    return make(weights=None, classes=CLASSES, input_shape=(32, 32, 3))


def measured(model, rule):
    """Return what the columns after the first two say, "" for what is not measured."""
    x, y = examples()
    settings = {"inverse_steps": 1} if rule == "ldrl" else {}
    network = dtp_tf.DTPNetwork.from_keras(model, rule=dtp_tf.rules.BY_NAME[rule](**settings))
    answers = largest(network.predict_on_batch(x) - model.predict_on_batch(x))
    gradients = gradient_differences(without_dropout(model)) if rule == "bp" else ("", "")
    network.compile(keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-4))
    seconds = [timed(lambda: network.train_on_batch(x, y)) for _ in range(3)]
    return (len(network.pairs), answers, *gradients, seconds[0], min(seconds[1:]),
            reloaded_difference(network, x))  # fmt: skip


def examples():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 255, size=(BATCH, 32, 32, 3)).astype("float32")
    return x, np.arange(BATCH) % CLASSES


def without_dropout(model):
    """Return a copy of a model that drops nothing, so that two passes are the same."""

    def copy_of(layer):
        config = layer.get_config()
        if isinstance(layer, keras.layers.Dropout):
            config["rate"] = 0.0
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=copy_of)
    copy.set_weights(model.get_weights())
    return copy


def gradient_differences(model):
    """Return the median and the largest difference of `bp`'s gradients from Keras's own."""
    x, y = (tf.constant(one) for one in examples())
    network = dtp_tf.DTPNetwork.from_keras(model, rule=dtp_tf.rules.BP())
    network.compile()
    found = tf.function(lambda: network.forward_gradients(Batch(network, x, y, update=False))[0])()

    @tf.function
    def expected():
        with tf.GradientTape() as tape:
            answers = model(x, training=True)
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, answers))
        return tape.gradient(loss, [one.value for one in model.trainable_variables])

    wanted = dict(zip(map(by_name, model.trainable_variables), expected(), strict=True))
    differences = []
    for variable, gradient in zip(network.forward_variables, found, strict=True):
        other = wanted.pop(by_name(variable, network.layer_names))
        differences.append(largest(gradient - other) / (largest(other) + 1e-12))
    if wanted:
        raise SystemExit(f"no gradients for {', '.join(wanted)}")
    return float(np.median(differences)), max(differences)


def by_name(variable, names=None):
    """Return "layer/weight" of a variable."""
    layer, weight = variable.path.split("/")[-2:]
    return f"{(names or {}).get(layer, layer)}/{weight}"


def reloaded_difference(network, x):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "network.keras"
        network.save(path)
        again = keras.saving.load_model(path)
    return largest(again.predict_on_batch(x) - network.predict_on_batch(x))


def largest(difference):
    return float(np.abs(np.asarray(difference)).max())


def timed(call):
    start = time.process_time()
    call()
    return round(time.process_time() - start, 2)


if __name__ == "__main__":
    main()
