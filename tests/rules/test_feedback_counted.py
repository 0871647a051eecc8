"""The check of memory counts the weights of a rule's feedback before there are any."""

import math

import keras
import pytest
from battery import build, every_rule
from helpers import invoke, refusal

import dtp_tf
from dtp_tf.rules import SignSymmetry
from dtp_tf.rules.autoencoder import Autoencoder


def counted(network):
    units = [math.prod(network.layers_up[0].below), *(one.units for one in network.layers_up)]
    kernels = [math.prod(one.forward_layer.kernel.shape) for one in network.layers_up]
    return network.rule.feedback_weights(units, kernels)


def there(network):
    """All but biases; a decoder with tied weights has nothing else."""
    biases = isinstance(network.rule, Autoencoder)
    return sum(
        math.prod(weight.shape)
        for layer in network.feedback.values()
        for weight in layer.weights
        if biases or weight.name != "bias"
    )


@every_rule
def test_as_many_weights_are_counted_as_there_are(rule):
    network = build(rule)
    assert counted(network) == there(network)


def test_magnitudes_are_counted_too():
    network = dtp_tf.DTPNetwork(
        [dtp_tf.DensePair(5), dtp_tf.DensePair(6)], classes=3, rule=SignSymmetry("fixed-random")
    )
    network.compile(keras.optimizers.SGD(0.1))
    network.build((None, 4))
    assert counted(network) == there(network) == 30 + 18


@pytest.mark.parametrize(
    ("rule", "settings"),
    [
        ("ao_sdtp", ("--auxiliary-units", "100000", "--units", "64,100000")),
        ("ddtp_rhl", ("--feedback-units", "100000", "--units", "64,100000,64")),
        ("gnt", ("--batch-size", "1000", "--units", "100000,64")),
    ],
)
def test_what_a_rule_needs_beside_the_network_is_refused_early(
    tmp_path, monkeypatch, rule, settings
):
    class Free:
        available = 2e9

    monkeypatch.setattr("psutil.virtual_memory", Free)
    words = ("train", "digits", *settings, "--run-dir", tmp_path / "run")
    error = refusal(invoke(*words, "--rule", rule), 2)
    assert "GB of memory" in error and "2.0 GB are free" in error
