"""A training run: what it returns, what it leaves, and how it ends well or badly."""

import inspect
import json
import math
import os
import re
import signal

import keras
import numpy as np
import pytest
from helpers import (
    TINY,
    At,
    StopAfter,
    arrays,
    assert_same_arrays,
    deterministic_history,
    deterministic_run,
    digits,
    hidden_files,
    invoke,
    killed_at_the_end,
    log_rows,
    python,
    refusal,
    start,
    train,
    trained,
    wait_for,
    without_times,
)
from PIL import Image

import dtp_tf
from dtp_tf.console.tables import make_console
from dtp_tf.data.sets import load_data
from dtp_tf.errors import DivergedError, SettingError, UserError
from dtp_tf.evaluating.evaluation import evaluate
from dtp_tf.machines.devices import device_name
from dtp_tf.machines.versions import versions
from dtp_tf.network.network import DTPNetwork
from dtp_tf.processes.stopping import stoppable
from dtp_tf.recipes.named import RECIPES
from dtp_tf.recipes.recipe import INITIALIZERS, RULES
from dtp_tf.rules import BY_NAME
from dtp_tf.runs import folder as runs
from dtp_tf.runs.models import load_model
from dtp_tf.training.building import build_network, build_rule
from dtp_tf.training.train import refuse_changes, refuse_other_data

STEPS = 1150 // TINY["batch_size"]  # the digits have 1,150 training images


class Recorder(keras.callbacks.Callback):
    """Counts the calls and keeps the trainable weights from before the training."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def on_train_begin(self, logs=None):
        self.calls.append("train begin")
        self.before = [variable.numpy() for variable in self.model.trainable_variables]

    def on_train_end(self, logs=None):
        self.calls.append("train end")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(f"epoch {epoch} begin")

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(f"epoch {epoch} end")
        self.logs = dict(logs)

    def on_train_batch_begin(self, batch, logs=None):
        self.calls.append(f"batch {batch} begin")

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(f"batch {batch} end")


# -- what a run returns and leaves -----------------------------------------------------------------


@pytest.fixture(scope="module")
def three_epochs(tmp_path_factory):
    """(model, history, the folder in which Python ran) of the call in the README."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("cwd"))
    try:
        model, history = dtp_tf.train("digits", epochs=3, console=make_console(quiet=True))
        yield model, history, os.getcwd()
    finally:
        os.chdir(before)


def test_training_from_python_returns_the_network_and_its_history(three_epochs):
    model, history, _ = three_epochs
    assert isinstance(model, DTPNetwork)
    assert isinstance(history, keras.callbacks.History)
    assert history.epoch == [0, 1, 2]
    assert {len(values) for values in history.history.values()} == {3}
    assert history.history["loss"][2] < history.history["loss"][0]
    assert history.history["val_accuracy"][2] > 0.8


def test_a_run_is_named_by_time_and_recipe_in_the_current_folder(three_epochs):
    _, history, cwd = three_epochs
    assert [str(path.parent) for path in (history.run_dir, history.export_path)] == [
        "runs",
        "exported_models/digits",
    ]
    assert re.fullmatch(r"\d{8}-\d{6}-digits", history.run_dir.name)
    assert sorted(os.listdir(cwd)) == ["exported_models", "runs"]


def test_a_run_leaves_every_file_that_is_promised_and_no_other(three_epochs):
    _, history, _ = three_epochs
    listed = [line for line in runs.__doc__.splitlines() if line.startswith("    ")]
    promised = re.findall(r"[\w.]+\.\w+|tensorboard", " ".join(line[:26] for line in listed))
    pictures = re.findall(r"\w+\.png", runs.__doc__)
    assert {"last.keras", "best.keras", "metrics.json", "curves.png"} <= {*promised, *pictures}
    found = sorted(path.name for path in history.run_dir.iterdir())
    # Diagnostics are drawn only where a run measured them.
    assert found == sorted({*promised, *pictures} - {"diagnostics.png"})


def test_a_run_holds_its_resolved_recipe_and_versions(three_epochs):
    _, history, _ = three_epochs
    config = json.loads((history.run_dir / "config.json").read_text())
    assert config == dtp_tf.recipe("digits", epochs=3).to_dict()
    assert json.loads((history.run_dir / "versions.json").read_text()) == versions()


def test_the_log_has_the_history_row_by_row(three_epochs):
    _, history, _ = three_epochs
    rows = log_rows(history.run_dir)
    assert [row.pop("epoch") for row in rows] == ["1", "2", "3"]
    for name, values in history.history.items():
        assert [float(row[name]) for row in rows] == values
    assert list(rows[0]) == list(history.history)
    layers = range(1, len(dtp_tf.recipe("digits").units) + 1)
    assert list(rows[0]) == [
        "loss",
        "accuracy",
        *(f"local_loss_{i}" for i in layers),
        *(f"inverse_loss_{i}" for i in layers[1:]),
        "val_loss",
        "val_accuracy",
        *(f"val_reconstruction_error_{i}" for i in layers[1:]),
        "images_per_second",
        "seconds",
    ]


def test_metrics_have_both_splits_the_best_epoch_and_the_conditions(three_epochs):
    _, history, _ = three_epochs
    metrics = json.loads((history.run_dir / "metrics.json").read_text())
    assert metrics == history.metrics
    names = ["test", "validation", "best_epoch", "epochs", "interrupted", "seconds", "conditions"]
    assert list(metrics) == names
    assert (metrics["epochs"], metrics["interrupted"]) == (3, False)
    assert metrics["seconds"] == pytest.approx(sum(history.history["seconds"]))
    for split, images in (("test", 360), ("validation", 287)):
        part = metrics[split]
        assert list(part) == ["accuracy", "loss", "images", "per_class", "confusion_matrix"]
        matrix = np.array(part["confusion_matrix"])
        assert matrix.shape == (10, 10)
        assert matrix.sum() == part["images"] == images
        assert part["accuracy"] == pytest.approx(np.trace(matrix) / images)
        shares = np.diag(matrix) / matrix.sum(axis=1)
        assert list(part["per_class"]) == [str(i) for i in range(10)]
        assert list(part["per_class"].values()) == pytest.approx(shares.tolist())
        assert 0 < part["loss"] < 2
    conditions = metrics["conditions"]
    assert conditions["recipe"] == dtp_tf.recipe("digits", epochs=3).to_dict()
    assert conditions["data"]["training_images"] == 1150
    assert conditions["data"]["test_origin"] == "every fifth image"
    assert conditions["chosen_by"] == "validation accuracy"
    assert {name: conditions[name] for name in versions()} == versions()


def test_the_test_accuracy_is_that_of_the_returned_and_of_the_best_network(three_epochs):
    model, history, _ = three_epochs
    data = load_data(dtp_tf.recipe("digits"))
    for network in (model, load_model(history.run_dir / "best.keras").model):
        for split in ("test", "validation"):
            again = evaluate(network, getattr(data, split), data.class_names)
            assert again["confusion_matrix"] == history.metrics[split]["confusion_matrix"]
            assert again["loss"] == pytest.approx(history.metrics[split]["loss"], rel=1e-5)


def test_the_report_agrees_with_what_was_seen_while_training(three_epochs):
    _, history, _ = three_epochs
    best = history.metrics["best_epoch"] - 1
    validation = history.metrics["validation"]
    assert validation["accuracy"] == pytest.approx(history.history["val_accuracy"][best])
    assert validation["loss"] == pytest.approx(history.history["val_loss"][best], rel=1e-4)


def test_the_pictures_of_a_run_can_be_opened(three_epochs):
    _, history, _ = three_epochs
    for name in ("curves.png", "confusion_matrix.png"):
        with Image.open(history.run_dir / name) as picture:
            picture.load()
            assert min(picture.size) > 300


def test_tensorboard_has_every_epoch_once(three_epochs):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _, history, _ = three_epochs
    events = EventAccumulator(str(history.run_dir / "tensorboard"))
    events.Reload()
    assert set(events.Tags()["tensors"]) == set(history.history)
    assert [event.step for event in events.Tensors("val_accuracy")] == [1, 2, 3]


def test_training_from_python_does_what_the_command_does():
    ours, theirs = deterministic_history()[1], deterministic_run()
    for name in ("best.keras", "last.keras"):
        assert_same_arrays(arrays(ours.run_dir / name), arrays(theirs / name))
    metrics = json.loads((theirs / "metrics.json").read_text())
    for name in ("test", "validation", "best_epoch", "epochs", "conditions"):
        assert ours.metrics[name] == metrics[name]
    for row, their_row in zip(log_rows(ours.run_dir), log_rows(theirs), strict=True):
        assert without_times(row) == without_times(their_row)


def test_the_classifier_opens_without_the_package_and_gives_the_same_scores(tmp_path):
    images = digits().test.images
    np.save(tmp_path / "images.npy", images)
    program = """
import sys
sys.modules["dtp_tf"] = None  # cannot be imported, even where it is installed
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1])
images = np.load("images.npy")
assert images.dtype == np.uint8
np.save("scores.npy", model.predict(images, verbose=0))
assert not [name for name in sys.modules if name.startswith("dtp_tf.")]
assert all(type(layer).__module__.startswith("keras.") for layer in model.layers)
"""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    python("-I", "-c", program, trained()[0] / "classifier.keras", cwd=tmp_path, env=env)
    expected = load_model(trained()[0] / "best.keras").model(images)
    np.testing.assert_allclose(
        np.load(tmp_path / "scores.npy"), expected, rtol=1e-5, atol=1e-7
    )


# -- how it trains ---------------------------------------------------------------------------------


VARIANTS = {
    "parallel": ({"flip": True, "crop": 1, "noise_decay_epochs": 1.0}, 1, 1),
    "alternating": ({"optimizer": "rmsprop-graves", "inverse_optimizer": "rmsprop-graves"}, 2, 1),
    "inverse-first": ({"inverse_steps": 3, "learning_rate_schedule": "constant"}, 1, 3),
}


@pytest.mark.parametrize("schedule", VARIANTS)
def test_every_schedule_moves_every_weight_and_drives_callbacks(tmp_path, schedule):
    settings, passes, inverse_steps = VARIANTS[schedule]
    recorder = Recorder()
    _, history = train(
        tmp_path / "run", schedule=schedule, epochs=1, callbacks=[recorder], **settings
    )
    network = load_model(tmp_path / "run" / "last.keras").model

    assert len(recorder.before) == 8  # kernels and biases of f_1, f_2, f_3 and g_2
    for before, after in zip(recorder.before, network.trainable_variables, strict=True):
        assert (before != after.numpy()).mean() > 0.5, after.path

    assert int(network.step) == STEPS * passes
    assert int(network.optimizer.iterations) == STEPS
    assert int(network.inverse_optimizer.iterations) == STEPS * inverse_steps
    rate = float(network.optimizer.learning_rate)
    cosine = settings.get("learning_rate_schedule") != "constant"
    assert rate == pytest.approx(0 if cosine else 0.03, abs=1e-8)

    batches = [
        f"batch {i} {what}" for i in range(STEPS * passes) for what in ("begin", "end")
    ]
    assert recorder.calls == [
        "train begin", "epoch 0 begin", *batches, "epoch 0 end", "train end"
    ]  # fmt: skip
    assert recorder.params["epochs"] == 1
    assert recorder.params["steps"] == STEPS * passes
    assert recorder.logs == {name: values[0] for name, values in history.history.items()}
    for name in ("local_loss_1", "local_loss_2", "inverse_loss_2", "val_reconstruction_error_2"):
        assert history.history[name][0] > 0


def test_augmentation_reaches_the_training(tmp_path):
    _, history = train(tmp_path / "run", epochs=2, flip=True, crop=2)
    plain = float(log_rows(trained()[0])[0]["loss"])  # the same but for flip and crop
    assert history.history["loss"][0] > plain + 0.02


@pytest.mark.parametrize("schedule", VARIANTS)
def test_decaying_noise_is_half_after_the_given_epochs_of_every_schedule(schedule):
    recipe = dtp_tf.recipe(
        "digits", schedule=schedule, noise=0.5, noise_decay_epochs=3.0, batch_size=64
    )
    network = build_network(recipe, digits())
    steps_of_an_epoch = STEPS * len(network.rule.passes)
    for epochs, expected in ((0, 0.5), (3, 0.25), (6, 0.5 / 3)):
        assert float(network.rule.noise(steps_of_an_epoch * epochs)) == pytest.approx(expected)


def test_constant_noise_is_the_number_of_the_recipe():
    assert build_rule(dtp_tf.recipe("digits", noise=0.125), steps=10).noise == 0.125


def test_noise_of_each_layer_decays_from_its_own_value():
    recipe = dtp_tf.recipe("digits", noise=(0.5, 0.25), noise_decay_epochs=3.0)
    noise = build_rule(recipe, steps=10).noise
    assert [float(one(0)) for one in noise] == [0.5, 0.25]
    assert [float(one(30)) for one in noise] == pytest.approx([0.25, 0.125])
    assert build_rule(recipe.replace(noise_decay_epochs=None), steps=10).noise == (0.5, 0.25)


# -- every rule ------------------------------------------------------------------------------------


# Hidden layers of 64-16-12-14-10 with feedback that learns, from 0; the output is layer 3.
TRAINED = {
    "tp": [1, 2], "dtp": [1, 2], "sdtp": [1, 2, 3], "drl": [1, 2, 3], "ddtp_linear": [0, 1, 2],
    "ldrl": [1, 2, 3], "fwdtp": [], "bp": [], "fa": [], "dfa": [],
    "autoencoder": [0, 1, 2],
}  # fmt: skip
# The inputs and outputs of the feedback of each layer, learned or not.
SHAPES = {
    "tp": {1: (12, 16), 2: (14, 12)},
    "dtp": {1: (12, 16), 2: (14, 12)},
    "sdtp": {1: (12, 16), 2: (14, 12), 3: (10, 14)},
    "drl": {1: (12, 16), 2: (14, 12), 3: (10, 14)},
    "ddtp_linear": {0: (10, 16), 1: (10, 12), 2: (10, 14)},
    "ldrl": {1: (12, 16), 2: (14, 12), 3: (10, 14)},
    "fwdtp": {1: (12, 16), 2: (14, 12)},
    "bp": {},
    "fa": {1: (12, 16), 2: (14, 12), 3: (10, 14)},
    "dfa": {0: (10, 16), 1: (10, 12), 2: (10, 14)},
    "autoencoder": {0: (64,), 1: (16,), 2: (12,)},  # biases of decoders with tied weights
}
UNITS = (16, 12, 14)


@pytest.mark.parametrize("rule", RULES)
def test_a_recipe_builds_the_network_of_its_rule(rule):
    network = build_network(dtp_tf.recipe("digits", rule=rule, units=UNITS), digits())
    assert type(network.rule) is BY_NAME[rule]
    assert network.trained_feedback == TRAINED[rule]
    kernels = {i: network.feedback_weights(i) for i in range(len(UNITS) + 1)}
    shapes = {i: tuple(weights[0].shape) for i, weights in kernels.items() if weights}
    assert shapes == SHAPES[rule]
    for name, argument in inspect.signature(BY_NAME[rule]).parameters.items():
        assert getattr(network.rule, name) == RULES[rule][name] == argument.default


@pytest.mark.parametrize("rule", RULES)
def test_every_named_recipe_builds_a_network_with_every_rule(rule):
    """Of few units, for the recipes' own take seconds to draw."""
    for name in RECIPES:
        own = dtp_tf.recipe(name, rule=rule).to_dict()
        lists = ("noise", "inverse_steps", "inverse_learning_rate")  # for other numbers of layers
        first = {one: own[one][0] for one in lists if isinstance(own[one], list)}
        recipe = dtp_tf.recipe(name, rule=rule, units=(8, 8, 8), dataset="digits", **first)
        needs = {
            ("bp", "sign"): "backpropagation needs gradients",
            ("autoencoder", "sign"): "an autoencoder needs continuous activations",
            ("autoencoder", "sample"): "an autoencoder needs continuous activations",
        }.get((rule, recipe.transmission))
        if needs:
            with pytest.raises(SettingError, match=needs):
                build_network(recipe, digits())
            continue
        network = build_network(recipe, digits())
        assert len(network.trained_feedback) == len(TRAINED[rule])


def test_inverses_of_a_recipe_have_its_activation_its_order_and_its_initializer():
    network = build_network(
        dtp_tf.recipe(
            "digits", rule="ldrl", units=(8, 8), inverse_activation="relu",
            inverse_initializer="small_uniform",
        ),
        digits(),
    )  # fmt: skip
    assert network.pairs[1].inverse_activation is keras.activations.relu
    # What comes first in the output's inverse answers to the logits, which have no activation.
    assert network.output_pair.inverse_activation is keras.activations.linear
    for pair in network.layers_up[1:]:
        assert pair.inverse_first is True
        assert 0 < np.abs(pair.inverse_layer.kernel.numpy()).max() <= 0.001
    assert not network.layers_up[0].inverse


@pytest.mark.parametrize("rule", ["fwdtp", "bp", "fa", "dfa"])
def test_feedback_that_does_not_learn_is_no_trainable_weight(rule):
    network = build_network(dtp_tf.recipe("digits", rule=rule, units=UNITS), digits())
    assert len(network.trainable_variables) == 8
    assert network.inverse_variables == []


def rates(optimizers, step):
    """Return the learning rates of optimizers at an update."""
    found = []
    for optimizer in optimizers:
        optimizer.iterations.assign(step)
        found.append(float(optimizer.learning_rate))
    return found


def test_one_learning_rate_makes_one_optimizer_of_all_inverses():
    recipe = dtp_tf.recipe("digits", units=UNITS, inverse_learning_rate=0.25, batch_size=115)
    network = build_network(recipe, digits())
    assert rates([network.inverse_optimizer], 7) == [0.25]
    assert len(network.inverse_optimizer.variables) >= 2 * len(network.inverse_variables)


def test_learning_rates_of_the_layers_make_an_optimizer_of_each_with_its_own_weights():
    recipe = dtp_tf.recipe(
        "digits", rule="drl", units=UNITS, inverse_learning_rate=(0.5, 0.25, 0.125),
        inverse_optimizer="rmsprop-graves",
    )  # fmt: skip
    network = build_network(recipe, digits())
    assert isinstance(network.inverse_optimizer, list)
    assert rates(network.inverse_optimizer, 7) == [0.5, 0.25, 0.125]
    assert {type(one).__name__ for one in network.inverse_optimizer} == {"RMSprop"}
    for optimizer, layer in zip(network.inverse_optimizer, (1, 2, 3), strict=True):
        shapes = {tuple(variable.shape) for variable in optimizer.variables} - {()}
        assert shapes == {tuple(v.shape) for v in network.feedback_variables(layer)}


@pytest.mark.parametrize("schedule", ["parallel", "alternating"])
def test_passes_for_the_inverses_alone_come_before_the_first_epoch_and_after_every_one(
    tmp_path, schedule
):
    settings = {"batch_size": 115, "learning_rate_schedule": "constant", "epochs": 2}
    extra = {"inverse_epochs_before": 3, "inverse_epochs_after": 2}
    model, history = train(tmp_path / "run", **settings, **extra, schedule=schedule)
    last = load_model(tmp_path / "run" / "last.keras").model
    assert int(last.optimizer.iterations) == 20  # ten batches an epoch
    assert int(last.inverse_optimizer.iterations) == 10 * (3 + 2 * (1 + 2))
    passes = 3 + 2 * ((2 if schedule == "alternating" else 1) + 2)
    assert int(last.step) == 10 * passes
    # The training loss of an epoch is that of the pass from which the forward layers learned.
    _, plain = train(tmp_path / "plain", **settings, schedule=schedule)
    assert history.history["loss"][0] == pytest.approx(plain.history["loss"][0], rel=0.1)
    assert history.history["inverse_loss_2"][0] < plain.history["inverse_loss_2"][0]


def test_a_cosine_rate_counts_the_passes_for_the_inverses_alone():
    recipe = dtp_tf.recipe(
        "digits", units=UNITS, batch_size=115, epochs=3, inverse_epochs_before=4,
        inverse_epochs_after=2, inverse_learning_rate=0.5,
        inverse_learning_rate_schedule="cosine",
    )  # fmt: skip
    network = build_network(recipe, digits())
    updates = 10 * (4 + 3 * (1 + 2))
    for step, rate in ((updates // 2, 0.25), (updates, 0.0)):
        assert rates([network.inverse_optimizer], step) == pytest.approx([rate], abs=1e-6)


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("schedule", ["parallel", "alternating", "inverse-first"])
def test_a_cosine_rate_of_the_inverses_ends_with_their_last_update(schedule, steps):
    if steps > 1 and schedule != "inverse-first":
        return
    recipe = dtp_tf.recipe(
        "digits", units=UNITS, schedule=schedule, inverse_steps=steps, batch_size=115, epochs=3,
        inverse_learning_rate=0.5, inverse_learning_rate_schedule="cosine",
    )  # fmt: skip
    network = build_network(recipe, digits())
    updates = 3 * 10 * steps  # 1,150 images are ten batches of 115
    for step, rate in ((0, 0.5), (updates // 2, 0.25), (updates, 0.0)):
        assert rates([network.inverse_optimizer], step) == pytest.approx([rate], abs=1e-6)
    assert float(network.optimizer.learning_rate) == pytest.approx(recipe.learning_rate)
    network.optimizer.iterations.assign(30)  # forward layers are updated once a batch
    assert float(network.optimizer.learning_rate) == pytest.approx(0, abs=1e-8)


def test_a_cosine_rate_of_each_layer_ends_with_the_last_update_of_that_layer():
    recipe = dtp_tf.recipe(
        "digits", rule="drl", units=UNITS, inverse_steps="1,2,4", batch_size=115, epochs=3,
        inverse_learning_rate=0.5, inverse_learning_rate_schedule="cosine",
    )  # fmt: skip
    optimizers = build_network(recipe, digits()).inverse_optimizer
    assert len(optimizers) == 3
    for optimizer, updates in zip(optimizers, (30, 60, 120), strict=True):
        assert rates([optimizer], updates // 2) == pytest.approx([0.25], rel=1e-5)
        assert rates([optimizer], updates) == pytest.approx([0], abs=1e-8)


def test_each_layer_makes_as_many_updates_as_it_is_told(tmp_path):
    train(
        tmp_path / "run", rule="ldrl", epochs=1, inverse_steps=(3, 1), batch_size=115,
        inverse_learning_rate=(0.01, 0.02), inverse_learning_rate_schedule="constant",
    )  # fmt: skip
    network = load_model(tmp_path / "run" / "last.keras").model
    assert [int(one.iterations) for one in network.inverse_optimizer] == [30, 10]
    assert [one.get_config()["learning_rate"] for one in network.inverse_optimizer] == [
        pytest.approx(0.01), pytest.approx(0.02)
    ]  # fmt: skip
    assert int(network.optimizer.iterations) == 10


@pytest.mark.parametrize("name", ["noise", "inverse_steps", "inverse_learning_rate"])
@pytest.mark.parametrize(("rule", "layers"), [("dtp", 2), ("drl", 3), ("ddtp_linear", 3)])
def test_a_list_of_the_wrong_length_is_refused_before_a_run_is_made(tmp_path, name, rule, layers):
    with pytest.raises(SettingError) as caught:
        train(
            tmp_path / "run", rule=rule, units=UNITS, schedule="inverse-first",
            **{name: (1,) * (layers + 1)},
        )  # fmt: skip
    assert f"`{name}` has {layers + 1} values, but " in str(caught.value)
    assert str(caught.value).endswith(f"{layers} layers; give one value for all, or {layers}.")
    assert not list(tmp_path.iterdir())


def test_a_rule_that_refuses_its_settings_leaves_no_run(tmp_path):
    with pytest.raises(SettingError, match="`noise` must be above 0, got 0.0: DRL learns"):
        train(tmp_path / "run", rule="drl", noise=0)
    assert not list(tmp_path.iterdir())


def test_validation_chooses_and_early_stopping_ends_the_training(tmp_path):
    def spoil(network):
        kernel = network.output_pair.forward_layer.kernel
        kernel.assign(-kernel)

    spoilers = [At(epoch, STEPS - 1, spoil) for epoch in range(1, 9)]
    model, history = train(
        tmp_path / "run", epochs=9, early_stopping=2, batch_size=64, callbacks=spoilers
    )
    accuracies = history.history["val_accuracy"]
    assert accuracies[0] > 0.5 > max(accuracies[1:])
    assert history.metrics["best_epoch"] == 1
    assert history.metrics["epochs"] == len(accuracies) == 3
    assert history.metrics["interrupted"] is False
    best = load_model(tmp_path / "run" / "best.keras")
    assert len(best.about["history"]) == 1
    assert len(load_model(tmp_path / "run" / "last.keras").about["history"]) == 3
    for network in (model, best.model):
        assert int(network.step) == STEPS
        again = evaluate(network, digits().test, digits().class_names)
        assert again["accuracy"] == history.metrics["test"]["accuracy"] > 0.5


def test_a_callback_may_stop_the_training(tmp_path):
    recorder = Recorder()
    _, history = train(tmp_path / "run", epochs=9, callbacks=[StopAfter(1), recorder])
    assert history.metrics["epochs"] == 1
    assert history.metrics["interrupted"] is False
    assert recorder.calls[-2:] == ["epoch 0 end", "train end"]


def test_data_without_their_test_split_are_trained_on_and_nothing_else(tmp_path):
    recipe = dtp_tf.recipe("digits", **{**TINY, "epochs": 1})
    data = load_data(recipe, test=False)
    network, history = train(tmp_path / "run", data=data, epochs=1)
    assert isinstance(network, DTPNetwork)
    assert history.metrics == {"interrupted": False} and history.export_path is None
    assert len(history.epoch) == len(log_rows(tmp_path / "run")) == 1
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "config.json", "versions.json", "last.keras", "best.keras", "log.csv", "tensorboard"
    }  # fmt: skip


# -- bad ends --------------------------------------------------------------------------------------


def test_training_that_diverges_stops_and_keeps_the_best_checkpoint(tmp_path):
    def poison(network):
        kernel = network.pairs[0].forward_layer.kernel
        kernel.assign(kernel * math.nan)

    with pytest.raises(DivergedError) as caught:
        train(tmp_path / "run", epochs=5, callbacks=[At(1, 3, poison)])
    text = str(caught.value)
    assert text.startswith("training diverged in epoch 2: ")
    assert f"the best checkpoint, of epoch 1, is kept in {tmp_path / 'run' / 'best.keras'}" in text
    assert "lower `learning_rate`" in text
    assert len(log_rows(tmp_path / "run")) == 1
    best = load_model(tmp_path / "run" / "best.keras").model
    assert evaluate(best, digits().test, digits().class_names)["accuracy"] > 0.5
    assert not hidden_files(tmp_path)


def test_divergence_in_the_first_epoch_says_that_there_is_nothing_to_keep(tmp_path):
    result = invoke(
        "train", "--learning-rate", "1e20", "--units", "8,8", "--run-dir", tmp_path / "run",
        "--export-dir", tmp_path / "exported",
    )
    text = refusal(result, 1)
    assert "training diverged in epoch 1: " in text
    assert "no epoch was finished" in text
    assert sorted(os.listdir(tmp_path / "run")) == ["config.json", "tensorboard", "versions.json"]
    assert not (tmp_path / "exported").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_in_the_first_epoch_leaves_a_run_that_can_be_continued(tmp_path, number):
    before = signal.getsignal(number)
    stop = At(0, 2, lambda network: os.kill(os.getpid(), number))
    recorder = Recorder()
    with pytest.raises(UserError, match="stopped before the first epoch") as caught:
        train(tmp_path / "run", callbacks=[stop, recorder])
    assert f"--resume {tmp_path / 'run'}" in str(caught.value)
    assert recorder.calls[-2:] == ["batch 2 end", "train end"]
    assert signal.getsignal(number) is before
    if number == signal.SIGINT:
        _, history = train(None, resume=tmp_path / "run")
        assert history.metrics["epochs"] == TINY["epochs"]


def test_a_second_ctrl_c_stops_at_once():
    with pytest.raises(KeyboardInterrupt):
        with stoppable() as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop.is_set()
            signal.raise_signal(signal.SIGINT)


@pytest.mark.slow
def test_ctrl_c_is_a_normal_end_that_leaves_a_usable_run(tmp_path):
    run = tmp_path / "run"
    words = ["train", "digits", "--units", "16,12", "--batch-size", "8", "--epochs", "500"]
    process = start(
        *words, "--run-dir", run, "--export-dir", tmp_path / "exported", cwd=tmp_path
    )
    with killed_at_the_end(process):
        wait_for(lambda: len(log_rows(run)) >= 2, process)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr
    metrics = json.loads((run / "metrics.json").read_text())
    done = metrics["epochs"]
    assert metrics["interrupted"] is True
    assert f"interrupted after epoch {done}; --resume {run} continues" in stdout
    assert (tmp_path / "exported" / "digits" / "1" / "saved_model.pb").exists()
    assert not hidden_files(tmp_path)

    _, history = train(None, resume=run, callbacks=[StopAfter(done + 1)])
    assert [row["epoch"] for row in log_rows(run)] == [str(i + 1) for i in range(done + 1)]
    assert history.metrics["interrupted"] is False
    assert history.metrics["conditions"]["recipe"]["epochs"] == 500


def test_settings_are_refused_before_anything_is_made(tmp_path):
    with pytest.raises(SettingError, match="`epochs` must be at least 1, got 0"):
        train(tmp_path / "run", epochs=0)
    with pytest.raises(SettingError, match="unknown setting 'epoch'"):
        train(tmp_path / "run", epoch=3)
    assert not list(tmp_path.iterdir())


# -- the parts -------------------------------------------------------------------------------------


def test_a_changed_setting_is_refused_by_name_and_the_same_value_is_not():
    recipe = dtp_tf.recipe("digits", epochs=4, units=(8, 8))
    assert refuse_changes(recipe, {"epochs": 4, "units": "8,8", "recipe": "digits"}) is None
    for name, value in (("epochs", 5), ("units", (8, 9)), ("recipe", "mnist"), ("noise", 0)):
        with pytest.raises(SettingError, match=f"`{name}` is .* in the run, got"):
            refuse_changes(recipe, {"batch_size": recipe.batch_size, name: value})


def test_other_data_are_refused_by_what_differs():
    data = digits()
    about = {"data": {"name": data.name, "training_images": 7}}
    with pytest.raises(UserError, match="training_images was 7, is 1150; resume with the same"):
        refuse_other_data(about, data)


def test_every_initializer_of_a_recipe_builds_a_network_of_finite_weights():
    for name, inverse in zip(INITIALIZERS, reversed(INITIALIZERS), strict=True):
        recipe = dtp_tf.recipe(
            "digits", units=(16, 8), initializer=name, inverse_initializer=inverse
        )
        network = build_network(recipe, digits())
        for variable in network.trainable_variables:
            values = variable.numpy()
            assert np.isfinite(values).all()
            assert (values != 0).any() == (values.ndim == 2)  # biases start at 0


def test_torch_uniform_is_uniform_within_one_over_the_root_of_the_inputs():
    recipe = dtp_tf.recipe("digits", units=(300, 8), initializer="torch_uniform")
    kernel = build_network(recipe, digits()).pairs[0].forward_layer.kernel.numpy()
    bound = 1 / math.sqrt(64)
    assert 0.99 * bound < np.abs(kernel).max() <= bound
    assert kernel.std() == pytest.approx(bound / math.sqrt(3), rel=0.02)


def test_orthogonal_weights_have_singular_values_of_one():
    recipe = dtp_tf.recipe("digits", units=(40, 8))
    network = build_network(recipe, digits())
    for pair in network.pairs:
        values = np.linalg.svd(pair.forward_layer.kernel.numpy(), compute_uv=False)
        np.testing.assert_allclose(values, 1, rtol=1e-5)


def test_one_seed_gives_one_network_and_another_seed_another():
    def kernel(seed):
        keras.utils.set_random_seed(seed)
        recipe = dtp_tf.recipe("digits", units=(8, 8), seed=seed)
        return build_network(recipe, digits()).pairs[1].inverse_layer.kernel.numpy()

    np.testing.assert_array_equal(kernel(4), kernel(4))
    assert (kernel(4) != kernel(5)).all()


def test_the_device_has_a_name():
    assert re.match(r"CPU \(.+, \d+ cores\)|GPU \(.+\)", device_name())


def test_an_error_in_a_callback_is_not_swallowed(tmp_path):
    with pytest.raises(ZeroDivisionError):
        train(tmp_path / "run", callbacks=[At(0, 1, lambda network: 1 / 0)])
