"""With `weight_ema` it is averages of the weights that are validated, kept, tested and exported."""

import json
import os
import signal

import keras
import numpy as np
import pytest
from helpers import StopAfter, digits, tiny, train

from dtp_tf.errors import UserError
from dtp_tf.evaluating.evaluation import evaluate
from dtp_tf.network.updates import parts
from dtp_tf.recipes.recipe import recipe
from dtp_tf.runs.folder import Run
from dtp_tf.training.building import build_network

# All that a resumed run must find again of optimizers: a rate for each layer, its course, and what
# weight decay leaves alone.
SETTINGS = {
    "units": (16,), "batch_size": 256, "epochs": 3, "rule": "bp", "weight_ema": 0.8, "jit": "off",
    "learning_rate": (0.05, 0.03),
    "learning_rate_schedule": {"name": "cosine", "min": 1e-5, "epochs": 2.5, "warmup": 0.5},
    "optimizer": "adam weight_decay=0.1 exclude_from_weight_decay=bias",
}
# One rule for each kind of what learns beside the forward layers.
KINDS = ("bp", "dtp", "ldrl", "ddtp_linear", "kp", "local_error")


def arrays(variables):
    return [keras.ops.convert_to_numpy(one) for one in variables]


def averages(network):
    every = [one for optimizer, _ in network.optimized() for one in parts(optimizer)]
    return [array for one in every for array in arrays(one._model_variables_moving_average)]


def small(rule, **settings):
    settings = {**tiny(rule), "units": (6, 5), "weight_ema": 0.5, **settings}
    network = build_network(recipe("digits", rule=rule, **settings), digits())
    network.run_eagerly = True
    return network


def a_step(network, number):
    data = digits().train.take(slice(32 * number, 32 * number + 32))
    for phase in network.rule.passes:
        network.set_phase(phase)
        network.train_on_batch(data.images, data.labels)


@pytest.mark.parametrize("rule", KINDS)
@pytest.mark.slow
def test_averages_follow_forward_and_feedback_weights(rule):
    network = small(rule, **({"inverse_steps": 1} if rule == "ldrl" else {}))
    a_step(network, 0)
    first = arrays([one for _, own in network.optimized() for one in own])
    np.testing.assert_array_equal(averages(network)[0], first[0])
    a_step(network, 1)
    second = arrays([one for _, own in network.optimized() for one in own])
    for one, old, new in zip(averages(network), first, second, strict=True):
        np.testing.assert_allclose(one, (old + new) / 2, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rate", [0.03, (0.03, 0.02, 0.01)], ids=["one", "several"])
def test_weights_are_their_averages_for_a_while_and_then_themselves(rate):
    network = small("dtp", learning_rate=rate)
    a_step(network, 0)
    a_step(network, 1)
    trained = [one for _, own in network.optimized() for one in own]
    before, kept = arrays(trained), averages(network)
    with network.averaged():
        assert all(map(np.array_equal, arrays(trained), kept))
    assert all(map(np.array_equal, arrays(trained), before))
    assert all(map(np.array_equal, averages(network), kept))


def test_weights_without_a_step_stay_what_they_are():
    network = small("dtp")
    before = arrays(network.weights)
    with network.averaged():
        assert all(map(np.array_equal, arrays(network.weights), before))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folders of an uninterrupted run, and of one that was stopped and resumed."""
    home = tmp_path_factory.mktemp("ema")
    train(home / "whole", **SETTINGS)
    train(home / "cut", callbacks=StopAfter(1), **SETTINGS)
    network, _ = train(home / "cut", resume=home / "cut")
    return Run(home / "whole"), Run(home / "cut"), network


@pytest.mark.slow
def test_the_best_network_has_the_averages_that_were_validated(runs):
    whole, _, _ = runs
    best, last = whole.load_best(), whole.load_checkpoint()
    logs = best.about["history"]
    assert len(logs) == 3  # the last epoch is the best
    weights, kept = arrays(best.model.forward_variables), averages(last.model)
    assert all(map(np.array_equal, weights, kept))
    assert not np.array_equal(weights[0], arrays(last.model.forward_variables)[0])
    report = evaluate(best.model, digits().validation, digits().class_names)
    assert report["accuracy"] == pytest.approx(logs[-1]["val_accuracy"], abs=1e-6)
    assert json.loads(whole.metrics.read_text())["validation"]["accuracy"] == report["accuracy"]


@pytest.mark.slow
def test_a_resumed_run_goes_on_with_weights_averages_and_rates(runs):
    whole, cut, network = runs
    first, second = whole.load_checkpoint().model, cut.load_checkpoint().model
    for one, other in zip(
        [*arrays(first.weights), *averages(first)],
        [*arrays(second.weights), *averages(second)],
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    best = cut.load_best().model
    assert all(map(np.array_equal, arrays(network.weights), arrays(best.weights)))


@pytest.mark.slow
def test_a_run_that_died_before_its_best_was_written_gets_the_averages(runs):
    whole, _, _ = runs
    before = arrays(whole.load_best().model.forward_variables)
    whole.best.unlink()
    whole.load_checkpoint()
    assert all(map(np.array_equal, arrays(whole.load_best().model.forward_variables), before))


class Interrupts(keras.callbacks.Callback):
    """Asks for a stop in the first batch of validation, and notes the weights before."""

    def on_test_begin(self, logs=None):
        self.weights = None

    def on_test_batch_end(self, batch, logs=None):
        with self.model.as_trained():
            self.weights = arrays(self.model.forward_variables)
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
def test_a_stop_within_the_validation_keeps_the_weights_themselves(tmp_path):
    stop = Interrupts()
    with pytest.raises(UserError):  # no epoch was finished
        train(tmp_path / "run", callbacks=stop, **SETTINGS)
    kept = Run(tmp_path / "run").load_checkpoint().model
    assert all(map(np.array_equal, arrays(kept.forward_variables), stop.weights))
    assert not np.array_equal(stop.weights[0], averages(kept)[0])
