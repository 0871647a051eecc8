"""Measure training steps of a convolutional network beside what counting products foretells.

    python benchmarks/convolution.py > docs/benchmarks/convolution.csv

For each rule the time of a step on a batch of random images in memory, and its multiply-adds, both
in those of backpropagation. Nothing else should run on the machine.
"""

import csv
import pathlib
import sys

import click
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

# What is measured: the rule, and the settings that are not the recipe's.
POINTS = (
    ("bp", {}),
    ("fa", {}),
    ("dfa", {}),
    ("fwdtp", {}),
    ("dtp", {}),
    ("ddtp_linear", {}),
    ("ldrl", {"inverse_steps": 1}),
    ("ldrl", {"inverse_steps": 2}),
    ("ldrl", {"inverse_steps": 4}),
    ("ldrl", {}),  # the recipe's own, where that is none of these
)
COLUMNS = ("rule", "inverse_steps", "milliseconds", "measured", "counted", "ratio")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--recipe", default="cifar10-cnn", show_default=True, help="The network.")
@click.option("--seconds", default=1.0, show_default=True, help="Length of a window; five a point.")
def main(recipe, seconds):
    """Print a table of all points as CSV."""
    from dtp_tf.benchmarking.throughput import random_images, step_rate
    from dtp_tf.recipes.recipe import recipe as find_recipe
    from dtp_tf.recipes.recipe import shown
    from dtp_tf.training.building import build_network

    writer, data = csv.DictWriter(sys.stdout, COLUMNS), random_images(1000)
    base, measured_before = None, []
    writer.writeheader()
    for rule, changes in POINTS:
        settled = find_recipe(recipe, rule=rule, **changes)
        if settled in measured_before:
            continue
        measured_before.append(settled)
        network = build_network(settled, data)
        now = (settled.batch_size / step_rate(settled, data, seconds), products(network))
        base = base or now
        measured, counted = (mine / theirs for mine, theirs in zip(now, base, strict=True))
        writer.writerow({
            "rule": rule, "inverse_steps": shown(settled.inverse_steps) if rule == "ldrl" else "",
            "milliseconds": round(1e3 * now[0], 1),
            "measured": round(measured, 2), "counted": round(counted, 2),
            "ratio": round(measured / counted, 2),
        })  # fmt: skip
        sys.stdout.flush()


def products(network):
    """Return the multiply-adds per image of a training step.

    In units of one forward pass of a layer: the forward pass and the gradient of its weights are 2.
    Beside that, backpropagation takes an error down through each layer but the first, 1; targets
    are two values of an inverse, or one where its bias cancels or the target is a step along the
    few rows of the output layer's weights; and an update of an inverse is f at a noisy point, one
    value of g (two with `ldrl`), and the gradients of as many; `ldrl` spares a value where the
    bias of g cancels.
    Direct maps from the logits have a product for a signal, two for targets, four for an update.
    """
    forward = multiply_adds(network)
    total, name = 2 * sum(forward), type(network.rule).__name__
    direct = sum(layer.count_params() for layer in network.feedback_layers)
    if name in ("BP", "FA"):
        return total + sum(forward[1:])
    if name == "DFA":
        return total + direct
    if name == "DDTPLinear":  # the noise of each layer goes up through all that are above it
        ways = sum(sum(forward[i + 1 :]) for i in range(len(network.pairs)))
        return total + ways + 6 * direct
    one_way = network.pairs[-1].inverse_first
    top = None if name == "LDRL" else len(network.pairs) - 1
    per_update = {"FWDTP": 0, "DTP": 3, "LDRL": 4 if one_way else 5}[name]
    for position, layer in enumerate(network.inverted):
        updates = network.rule.steps(position) if network.rule.trains_feedback else 0
        targets = 1 if one_way or layer == top else 2
        total += (targets + per_update * updates) * forward[layer]
    return total


def multiply_adds(network):
    """Return those of one image in each layer: its weights at every place where they are put."""
    image = np.zeros((1, *network.example_shape), np.uint8)
    found = []
    for pair, below in zip(network.layers_up, network.activations(image), strict=False):
        places = pair.pre_activation(below).shape[1:-1]
        found.append(int(np.prod(pair.forward_layer.kernel.shape) * np.prod(places)))
    return found


if __name__ == "__main__":
    main()
