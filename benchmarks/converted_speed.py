"""Time converted models beside Keras's own `fit`.

    python benchmarks/converted_speed.py > docs/benchmarks/converted_speed.csv

For each model and rule: images per second of `fit` in the fastest of five epochs, the share of what
the model itself reaches by Keras's `fit`, the products of a step over those of a step of
backpropagation, and by how much a step takes longer than these products would at the speed that
`bp` has. Products are counted from the network: what the equations of the rule need, each once.
"""

import math
import time

import click
import keras
import numpy as np
import tensorflow as tf
from keras import layers

import dtp_tf
from dtp_tf.data.splits import untuned
from dtp_tf.pairs.graph import Graph

COLUMNS = ("model", "rule", "images_per_second", "of_keras_fit", "products_over_bp",
           "time_over_products")  # fmt: skip
RULES = ("bp", "dtp", "ldrl")
CLASSES = 10


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--models", default="mlp,cnn,resnet", show_default=True)
@click.option("--rules", default=",".join(RULES), show_default=True)
@click.option("--batch-size", default=128, show_default=True)
@click.option("--images", default=2560, show_default=True, help="Of an epoch.")
def main(models, rules, batch_size, images):
    """Print a line for each model and rule."""
    print(",".join(COLUMNS))
    for name in models.split(","):
        data = epoch_of(images, batch_size)
        model = made(name)
        loss = "sparse_categorical_crossentropy"
        model.compile(keras.optimizers.SGD(1e-3), loss, metrics=["accuracy"])
        own = images / fastest(model, data)
        print(f"{name},keras,{own:.0f},1,1,", flush=True)
        of_bp = None
        for rule in ("bp", *(one for one in rules.split(",") if one != "bp")):
            network = network_of(name, rule)
            speed = images / fastest(network, data)
            products = PRODUCTS[rule](network) / PRODUCTS["bp"](network)
            of_bp = of_bp or speed
            figures = f"{speed / own:.2f},{products:.2f},{of_bp / speed / products:.2f}"
            print(f"{name},{rule},{speed:.0f},{figures}", flush=True)


def network_of(name, rule):
    settings = {"inverse_steps": 1} if rule == "ldrl" else {}
    network = dtp_tf.DTPNetwork.from_keras(made(name), rule=dtp_tf.rules.BY_NAME[rule](**settings))
    network.compile(keras.optimizers.SGD(1e-3), keras.optimizers.SGD(1e-3))
    return network


def made(name):
    """Return a model for images of 32x32 pixels."""
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((32, 32, 3))
    for step in MODELS[name]:
        x = step(x)
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(x))


def residual(channels, stride):
    """Return a basic block of a ResNet."""

    def normalised(x, size, stride):
        x = layers.Conv2D(channels, size, stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    def block(x):
        y = normalised(layers.ReLU()(normalised(x, 3, stride)), 3, 1)
        return layers.ReLU()(layers.Add()([y, x if stride == 1 else normalised(x, 1, stride)]))

    return block


def convolution(channels):
    return layers.Conv2D(channels, 3, padding="same", activation="relu")


MODELS = {
    "mlp": [layers.Flatten(), *(layers.Dense(1000, activation="tanh") for _ in range(3))],
    "cnn": [convolution(32), layers.MaxPooling2D(), convolution(64), layers.MaxPooling2D(),
            convolution(128), layers.MaxPooling2D(), layers.Flatten(),
            layers.Dense(256, activation="relu")],
    "resnet": [convolution(32), residual(32, 1), residual(64, 2), residual(128, 2),
               layers.GlobalAveragePooling2D()],
}  # fmt: skip


def epoch_of(images, batch_size):
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(images, 32, 32, 3)).astype("float32")
    y = rng.integers(0, CLASSES, size=images)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size).cache()
    # Else an epoch may take as long as tf.data's tuning sleeps.
    return data.prefetch(1).with_options(untuned())


def fastest(model, data):
    """Return the seconds of the fastest epoch of five, after one that compiles."""
    seconds = []
    for _ in range(6):
        start = time.perf_counter()
        model.fit(data, verbose=0, shuffle=False)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


# -- products --------------------------------------------------------------------------------------


def counts(pair):
    """Return the products of f for one example: all, those not at the input, not at the output."""
    if not pair.is_block:
        layer = pair.forward_layer
        positions = 1  # of a dense layer, which may flatten
        if isinstance(layer, layers.Conv2D):
            positions = math.prod(layer.compute_output_shape((None, *pair.below))[1:-1])
        return positions * math.prod(layer.kernel.shape), 0, 0
    graph = Graph(pair.block, (None, *pair.below))
    costs = [cost(step, graph) for step in graph.steps]
    fed, feeding = _after({graph.input}, graph, costs), _before({graph.output}, graph, costs)
    return sum(costs), sum(costs) - fed, sum(costs) - feeding


def cost(step, graph):
    weights = [one for one in getattr(step.layer, "weights", ()) if "kernel" in one.path]
    positions = math.prod(graph.shape(step.output)[1:-1])
    return positions * sum(math.prod(one.shape) for one in weights)


def _after(reached, graph, costs):
    """Return the products at the input: those with no others before them."""
    found = 0
    for step, products in zip(graph.steps, costs, strict=True):
        if set(step.inputs) <= reached:
            found += products
            reached |= set(() if products else step.outputs)
    return found


def _before(reached, graph, costs):
    """Return the products at the output: those with no others after them on any way."""
    found, blocked = 0, set()
    for step, products in zip(reversed(graph.steps), reversed(costs), strict=True):
        free = not set(step.outputs) & blocked
        found += products if free else 0
        if products or not free:
            blocked |= set(step.inputs)
    return found


def bp_products(network):
    pairs = [counts(pair) for pair in network.layers_up]
    return sum(3 * f for f, _, _ in pairs) - pairs[0][0] + pairs[0][1]


def local_products(network):
    """Activations, and the local losses."""
    return sum(2 * f + inner for f, inner, _ in map(counts, network.layers_up))


def dtp_products(network):
    """The first target from the gradient; g(t) - g(h) once; g(f(h + noise)) and its gradient."""
    pairs = [counts(pair) for pair in network.layers_up]
    inverses = sum(f + f + f + f + inner for f, _, inner in pairs[1:-1])
    return local_products(network) + pairs[-1][0] + inverses


def ldrl_products(network):
    """g(t) - g(h) once; f(h + noise), and two differences of g with their gradients."""
    pairs = [counts(pair) for pair in network.layers_up]
    inverses = sum(f + f + 2 * (2 * f + inner) for f, _, inner in pairs[1:])
    return local_products(network) + inverses


PRODUCTS = {"bp": bp_products, "dtp": dtp_products, "ldrl": ldrl_products}


if __name__ == "__main__":
    main()
