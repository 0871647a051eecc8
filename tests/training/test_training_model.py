"""`--model`: a Keras model of the user's becomes the network of a run, which keeps it."""

import json
import re

import keras
import numpy as np
import pytest
from helpers import REPO, StopAfter, digits, invoke, refusal, succeeded, train
from keras import layers
from PIL import Image

import dtp_tf
from dtp_tf.comparing.plan import make_plan, train_command
from dtp_tf.errors import SettingError
from dtp_tf.files import read_json
from dtp_tf.recipes.own_files import file_digest
from dtp_tf.recipes.recipe import recipe
from dtp_tf.runs.models import load_model
from dtp_tf.training import own_model
from dtp_tf.training.building import build_network

PROGRAM = """
import keras
from keras import layers

with open({log!r}, "a") as log:
    log.write("ran ")


class Mine(layers.Dense):
    pass


def net(shape, classes):
    inputs = keras.Input(shape)
    h = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="stem")(inputs)
    inner = layers.Conv2D(4, 3, padding="same", activation="relu")(h)
    h = layers.Flatten()(layers.Add()([h, inner]))
    return keras.Model(inputs, layers.Dense(classes, activation="softmax", name="top")(h))


def stack(*hidden):
    def made(shape, classes):
        top = layers.Dense(classes, activation="softmax")
        return keras.Sequential([keras.Input(shape), layers.Flatten(), *hidden, top])

    return made


def flat(shape, classes):
    return keras.Sequential([keras.Input((64,)), layers.Dense(8, "tanh"),
                             layers.Dense(classes, activation="softmax")])


def bare(shape, classes):
    return keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(8, "relu"),
                             layers.Dense(classes)])


def seven(shape, classes):
    return stack(layers.Dense(8))(shape, 7)


def other(shape, classes):
    return stack(layers.Dense(8))((9, 9, 1), classes)


def fails(shape, classes):
    raise KeyError("no weights")


def nothing(shape, classes):
    return None


def mine(shape, classes):
    return stack(Mine(8))(shape, classes)


def lambdas(shape, classes):
    return stack(layers.Dense(8), layers.Lambda(lambda h: 2 * h))(shape, classes)


def unbuilt(shape, classes):
    return keras.Sequential([layers.Flatten(), layers.Dense(classes, activation="softmax")])


a_number = 3
"""
SETTINGS = {"epochs": 2, "batch_size": 256, "learning_rate": 0.01}


@pytest.fixture
def program(tmp_path, monkeypatch):
    """(the file's path, a function that tells how often it was run), of a user who named none."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(own_model, "_LOADED", {})
    file, log = tmp_path / "mine.py", tmp_path / "log"
    file.write_text(PROGRAM.format(log=str(log)))
    return file, lambda: log.read_text().count("ran") if log.exists() else 0


def saved(path, units=10):
    stack = [keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(6, "tanh"),
             layers.Dense(units, "softmax")]  # fmt: skip
    model = keras.Sequential(stack)
    model.save(path)
    return model


def built(model, **changes):
    return build_network(recipe("digits", model=str(model), **{**SETTINGS, **changes}), digits())


@pytest.mark.slow
def test_a_run_of_a_model_is_used_and_resumed_without_its_file(program, tmp_path):
    file, runs = program
    place, run = f"{file}:net", tmp_path / "run"
    train(run, units=None, model=place, rule="bp", callbacks=[StopAfter(1)], **SETTINGS)
    ran = runs()
    assert ran >= 1
    assert read_json(run / "versions.json")["model_sha256"] == file_digest(place, "model")
    assert read_json(run / "config.json")["model"] == place
    file.write_text(file.read_text() + "# changed\n")
    text = refusal(invoke("train", "--resume", run, "--no-export"), 2)
    assert f"was started with the model {place!r}, whose file has changed since" in text
    file.unlink()
    assert "resumed after epoch 1" in succeeded(invoke("train", "--resume", run, "--no-export"))
    assert "model_sha256" in read_json(run / "versions.json")
    Image.fromarray(digits().test.images[0, ..., 0]).save(tmp_path / "one.png")
    succeeded(invoke("predict", run, tmp_path / "one.png"))
    succeeded(invoke("evaluate", run))
    succeeded(invoke("save-preset", run, tmp_path / "preset"))
    again = dtp_tf.DTPNetwork.from_preset(tmp_path / "preset")
    images = digits().test.images[:5]
    np.testing.assert_array_equal(again(images), load_model(run / "best.keras").model(images))
    classifier = keras.saving.load_model(run / "classifier.keras")
    np.testing.assert_allclose(classifier(images), again(images), rtol=1e-4, atol=1e-6)
    assert {"stem", "top"} <= {layer.name for layer in classifier.layers}
    assert runs() == ran


@pytest.mark.slow
def test_a_run_without_an_epoch_runs_no_strangers_file(program, tmp_path, monkeypatch):
    file, runs = program
    place, run = f"{file}:flat", tmp_path / "run"
    train(run, units=None, model=place, rule="bp", callbacks=[StopAfter(1)], **SETTINGS)
    (run / "last.keras").unlink()
    ran = runs()
    (tmp_path / "state" / "dtp_tf" / "own_rules").unlink()
    text = refusal(invoke("train", "--resume", run, "--no-export"), 2)
    assert f"begins with the model {place!r}, whose file you have not named in a call before" in (
        text
    )
    assert f"add --model {place}." in text and runs() == ran
    succeeded(invoke("train", "--resume", run, "--no-export", "--model", place))
    assert runs() > ran


def test_the_weights_of_a_file_are_the_start(tmp_path):
    model = saved(tmp_path / "m.keras")
    network = built(tmp_path / "m.keras", preprocessing="unit")
    images = digits().test.images[:5]
    np.testing.assert_allclose(network(images), model(images / 255), rtol=1e-4, atol=1e-6)
    assert network.rule.target_step == recipe("digits").target_step


def test_a_function_gets_the_shape_and_the_classes_and_may_take_flat_inputs(program):
    file, _ = program
    for name, kinds in (("net", ["Conv2DPair", "BlockPair"]), ("flat", ["DensePair"])):
        network = built(f"{file}:{name}", rule="bp")
        assert [type(pair).__name__ for pair in network.pairs] == kinds
        assert network.example_shape == (8, 8, 1) and network.units == 10


def test_the_model_of_the_page_on_training_becomes_a_network(tmp_path):
    page = (REPO / "docs" / "training.md").read_text(encoding="utf-8")
    (code,) = re.findall(r'```python\n("""mine.py""".*?)```', page, re.DOTALL)
    (tmp_path / "mine.py").write_text(code)
    network = built(f"{tmp_path / 'mine.py'}:small_resnet", rule="ldrl")
    assert [type(pair).__name__ for pair in network.pairs] == ["Conv2DPair", "BlockPair"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bare", "ends with the activation linear, and `output_activation` is softmax; end"),
        ("seven", "gives 7 numbers, and digits.* has 10 classes"),
        ("other", "takes inputs of 9x9x1, and the images of digits.* are 8x8x1"),
        ("fails", "the file fails in line [0-9]+ with KeyError: 'no weights'"),
        ("nothing", "must give a Keras model, got NoneType"),
        ("mine", "Mine.* is not Keras's own"),
        ("lambdas", "(Lambda|lambda).* is not Keras's own"),
        ("unbuilt", "with an Input, one input and one output"),
        ("a_number", "has no function 'a_number' of an input shape and a number of classes"),
        ("absent", "has no function 'absent'"),
    ],
)
def test_what_cannot_be_the_network_is_refused_with_its_place(program, name, words):
    place = f"{program[0]}:{name}"
    with pytest.raises(SettingError, match=words) as caught:
        built(place)
    assert str(caught.value).startswith(f"`model` {place!r}")


def test_a_model_that_the_rule_cannot_teach_is_refused_before_there_is_a_run(program, tmp_path):
    words = ("train", "digits", "--model", f"{program[0]}:net", "--rule", "fa")
    error = refusal(invoke(*words, "--run-dir", tmp_path / "run"), 2)
    assert "needs layers with one set of weights, and layer 2 is a BlockPair" in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("model", "code", "words"),
    [
        ("absent.keras", 1, "absent.keras does not exist"),
        ("absent.py:net", 2, "`model` 'absent.py:net': there is no file absent.py"),
        ("resnet50", 2, "`model` must be FILE.keras or FILE.py:FUNCTION, got 'resnet50'"),
        ("{home}/damaged.keras", 1, "is damaged or no Keras model"),
        ("{home}/network.keras", 2, "is a network of pairs already; start.*--init"),
        ("{home}/mine.keras", 1, "Lambda|lambda|damaged or no Keras model"),
    ],
)
def test_files_that_are_no_model_are_refused_before_data_are_read(
    tmp_path, monkeypatch, model, code, words
):
    monkeypatch.setattr("dtp_tf.training.train.load_data", None)
    (tmp_path / "damaged.keras").write_bytes(b"PK")
    network = dtp_tf.DTPNetwork([dtp_tf.DensePair(3)], 3)
    network.build((None, 4))
    network.save(tmp_path / "network.keras")
    hidden = layers.Lambda(lambda h: 2 * h)
    keras.Sequential([keras.Input((4,)), hidden, layers.Dense(3)]).save(tmp_path / "mine.keras")
    error = refusal(invoke("train", "digits", "--model", model.format(home=tmp_path)), code)
    assert re.search(words, error), error


def test_what_says_the_network_once_more_is_refused(tmp_path):
    for name, value in (("units", (3,)), ("layers", ("dense 3",)), ("init", "digits_mlp_dtp")):
        with pytest.raises(SettingError, match=f"`model` and `{name}` both say what the network"):
            recipe("digits", model="m.keras", **{name: value})
    with pytest.raises(SettingError, match="`transmission` sign is for dense layers"):
        recipe("mnist-discrete", model="m.keras")
    made = recipe("cifar10-cnn", model="m.keras")
    assert (made.units, made.layers, made.model) == (None, None, "m.keras")
    assert made.replace(units=(4,)).model is None
    assert made.from_dict(made.to_dict()) == made


def test_a_config_or_search_file_that_names_a_program_is_not_enough(program, tmp_path):
    file, runs = program
    place = f"{file}:flat"
    (tmp_path / "c.json").write_text(json.dumps({"recipe": "digits", "model": place}))
    text = refusal(invoke("train", "--config", tmp_path / "c.json"), 2)
    assert f"names the model {place!r}, whose code is run only where" in text
    assert f"add --model {place}." in text
    for name, value in (("model", place), ("rule", f"{file}:Rule")):
        search = {name: value, "learning_rate": {"low": 1e-4, "high": 1e-2}}
        (tmp_path / "s.json").write_text(json.dumps(search))
        text = refusal(invoke("tune", "digits", "--search", tmp_path / "s.json"), 2)
        assert f"s.json names the {name} {value!r}, whose code is run only where" in text
    assert runs() == 0


def test_comparisons_and_searches_take_a_model_for_all_their_runs(program):
    place = f"{program[0]}:net"
    plan = make_plan("digits", rules="bp,dtp", seeds=1, model=place)
    assert {one.model for one in plan.recipes} == {place}
    assert f"--model {place}" in train_command(plan.recipes[0], None)
    with pytest.raises(SettingError, match="`model` cannot differ between the rules"):
        make_plan("digits", rules="bp,dtp", seeds=1, rule_config={"bp": {"model": place}})
    choices = {"choices": ["a.keras", "b.keras"]}
    text = refusal(invoke("tune", "digits", "--search", _search(program[0], choices)), 2)
    assert "`model` cannot be searched" in text


def _search(file, choices):
    path = file.with_name("s.json")
    path.write_text(json.dumps({"model": choices}))
    return path
