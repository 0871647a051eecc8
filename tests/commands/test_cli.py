"""The command line: it explains itself, says what is wrong in one sentence, and speaks JSON."""

import dataclasses
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys

import click
import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from helpers import (
    DETERMINISTIC,
    REPO,
    TINY,
    StopAfter,
    arrays,
    assert_same_arrays,
    deterministic_run,
    digits,
    environment,
    flags,
    hidden_files,
    invoke,
    python,
    refusal,
    sentence,
    start,
    succeeded,
    tiny,
    train,
    trained,
)
from PIL import Image

import dtp_tf
from dtp_tf.commands.main import main
from dtp_tf.errors import UserError
from dtp_tf.files import read_json, write_json
from dtp_tf.machines.versions import versions
from dtp_tf.recipes.named import RECIPES
from dtp_tf.recipes.recipe import RULE_SETTINGS, RULES, SETTINGS
from dtp_tf.runs.models import load_model

COMMANDS = sorted(main.commands)


@pytest.fixture
def asked(monkeypatch):
    """What `train` would be called with; the call itself is refused."""
    seen = {}

    def note(recipe, **kwargs):
        seen.update(recipe=recipe, **kwargs)
        raise UserError("noted.")

    monkeypatch.setattr("dtp_tf.training.train.train", note)
    return seen


def picture(path, pixels, **kwargs):
    Image.fromarray(pixels).save(path, **kwargs)
    return path


# -- it explains itself ----------------------------------------------------------------------------


def test_there_are_these_commands():
    assert COMMANDS == [
        "benchmark", "compare", "evaluate", "export", "import-torch", "launch", "load-test",
        "predict", "presets", "recipes", "save-preset", "serve", "server-status", "train", "tune",
    ]  # fmt: skip


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_answers_everywhere(command, flag):
    text = succeeded(invoke(*([command] if command else []), flag))
    assert text.startswith("Usage: dtp-tf")
    assert "-h, --help" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_every_option_is_documented(command):
    found = main.commands[command]
    assert len(found.help) > 40
    for parameter in found.params:
        if isinstance(parameter, click.Option):
            assert parameter.help and len(parameter.help) > 8, parameter.name
            assert parameter.help.endswith((".", "]")), parameter.name


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example_that_it_understands(command):
    found = main.commands[command]
    assert found.epilog.startswith("Example:  python cli.py ")
    words = shlex.split(found.epilog)[3:]
    assert words[0] == command
    assert found.make_context(command, words[1:]).params  # refuses what it does not know


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "recipe"])
def test_every_setting_is_an_option_of_train_with_its_help(name):
    text = " ".join(succeeded(invoke("train", "-h")).split())
    assert "--" + name.replace("_", "-") in text
    option = {parameter.name: parameter for parameter in main.commands["train"].params}[name]
    assert SETTINGS[name].help in option.help
    assert SETTINGS[name].range_text() in option.help


def test_help_takes_under_half_a_second_of_the_processor():
    def used():  # by child processes; the clock would count what else the machine does
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = used()
    done = subprocess.run([sys.executable, REPO / "cli.py", "--help"], capture_output=True)
    assert b"train" in done.stdout
    assert used() - before < 0.5


def test_help_recipes_and_wrong_settings_do_not_wait_for_tensorflow(tmp_path):
    program = """
import sys
from dtp_tf.commands.main import main
for words in (["--help"], ["train", "--help"], ["recipes"], ["recipes", "cifar10"],
              ["train", "nonsense"], ["train", "--epochs", "0"]):
    try:
        main(words)
    except SystemExit as end:
        print("exit", end.code)
print("tensorflow" in sys.modules, "keras" in sys.modules)
"""
    lines = python("-c", program, cwd=tmp_path).splitlines()
    codes = [line for line in lines if line.startswith("exit ")]
    assert codes == ["exit 0", "exit 0", "exit 0", "exit 0", "exit 2", "exit 2"]
    assert lines[-1] == "False False"


def test_the_version_tells_keras_tensorflow_and_the_device():
    lines = succeeded(invoke("--version")).splitlines()
    assert f"dtp_tf {dtp_tf.__version__}" in lines
    assert f"keras {keras.__version__}" in lines
    assert f"tensorflow {tf.__version__}" in lines
    assert lines[-1].startswith(("device CPU", "device GPU"))


def test_no_command_at_all_shows_the_help():
    result = invoke()
    assert result.exit_code in (0, 2)  # click 8.2 changed it
    assert "Commands:" in result.stdout + result.stderr


# -- recipes ---------------------------------------------------------------------------------------


def test_recipes_lists_every_recipe_with_its_summary():
    lines = succeeded(invoke("recipes")).splitlines()
    assert [line.split()[0] for line in lines] == list(RECIPES)
    for line, named in zip(lines, RECIPES.values(), strict=True):
        assert line.endswith(named.summary)


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_explains_every_setting_of_a_recipe(name):
    text = succeeded(invoke("recipes", name))
    settled = dtp_tf.recipe(name).to_dict()
    words = " ".join(text.split())
    for setting, value in settled.items():
        if setting == "recipe" or (
            setting in RULE_SETTINGS and setting not in RULES[settled["rule"]]
        ):
            continue
        (line,) = [line for line in text.splitlines() if line.startswith(f"{setting} = ")]
        shown = line.split(" = ")[1]
        assert SETTINGS[setting].parse(setting, shown) == getattr(dtp_tf.recipe(name), setting)
        assert " ".join(SETTINGS[setting].help.split()) in words
        assert value is not None or shown == "none"
    assert text.startswith(f"{name}: {RECIPES[name].summary}")


@pytest.mark.parametrize("rule", RULES)
def test_recipes_shows_only_those_settings_of_rules_that_the_rule_takes(rule, monkeypatch):
    named = RECIPES["digits"]
    monkeypatch.setitem(RECIPES, "digits", dataclasses.replace(named, rules={rule: {}}))
    lines = succeeded(invoke("recipes", "digits")).splitlines()
    shown = [line.split(" = ")[0] for line in lines if " = " in line and line[0] != " "]
    assert set(shown) == set(SETTINGS) - {"recipe"} - (set(RULE_SETTINGS) - set(RULES[rule]))
    assert len(shown) == len(set(shown))
    assert f"rule = {rule}" in lines


def test_recipes_speak_json():
    everything = json.loads(succeeded(invoke("recipes", "--json")))
    assert everything == {name: dtp_tf.recipe(name).to_dict() for name in RECIPES}
    one = json.loads(succeeded(invoke("recipes", "cifar10", "--json")))
    assert one == everything["cifar10"]


def test_an_unknown_recipe_to_explain_is_refused():
    assert "Did you mean 'cifar10'?" in refusal(invoke("recipes", "cifar"), 2)


# -- what train is asked for -----------------------------------------------------------------------


def test_flags_override_the_recipe(asked, tmp_path):
    words = ("cifar10", "--units", "30, 20", "--epochs", "7", "--no-flip", "--deterministic")
    refusal(invoke("train", *words, "--early-stopping", "none", "--seed", "9"), 1)
    assert asked["recipe"] == dtp_tf.recipe(
        "cifar10", units=(30, 20), epochs=7, flip=False, deterministic=True, seed=9
    )


def test_without_a_recipe_the_digits_are_trained(asked):
    refusal(invoke("train"), 1)
    assert asked["recipe"] == dtp_tf.recipe("digits")
    assert asked["export_dir"] == "exported_models"
    assert (asked["resume"], asked["run_dir"], asked["data_dir"]) == (None, None, None)


def test_folders_are_passed_on(asked):
    refusal(invoke("train", "--run-dir", "a", "--data-dir", "b", "--export-dir", "c"), 1)
    assert (asked["run_dir"], asked["data_dir"], asked["export_dir"]) == ("a", "b", "c")
    refusal(invoke("train", "--no-export"), 1)
    assert asked["export_dir"] is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.json", '{"epochs": 5, "units": [8, 9], "noise": 0.25}'),
        ("c.yaml", "epochs: 5\nunits: [8, 9]\nnoise: 0.25\n"),
        ("c.yml", "epochs: 5\nunits: 8,9\nnoise: 0.25\n"),
    ],
)
def test_a_config_file_stands_between_the_recipe_and_the_flags(asked, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    refusal(invoke("train", "mnist", "--config", tmp_path / name, "--epochs", "6"), 1)
    assert asked["recipe"] == dtp_tf.recipe("mnist", epochs=6, units=(8, 9), noise=0.25)


def test_a_config_file_may_name_its_recipe_and_the_command_may_name_another(asked, tmp_path):
    (tmp_path / "c.json").write_text('{"recipe": "mnist", "epochs": 5}')
    refusal(invoke("train", "--config", tmp_path / "c.json"), 1)
    assert asked["recipe"] == dtp_tf.recipe("mnist", epochs=5)
    refusal(invoke("train", "cifar10", "--config", tmp_path / "c.json"), 1)
    assert asked["recipe"] == dtp_tf.recipe("cifar10", epochs=5)


def test_the_config_of_a_run_may_be_had_with_another_rule(asked, tmp_path):
    """What it says of its own rule is left out; all else stays."""
    first = dtp_tf.recipe("digits", noise=0.25, schedule="alternating", epochs=3, units=(8, 9))
    write_json(tmp_path / "config.json", first.to_dict())
    for rule in RULES:
        refusal(invoke("train", "--config", tmp_path / "config.json", "--rule", rule), 1)
        expected = dtp_tf.recipe("digits", rule=rule, epochs=3, units=(8, 9))
        assert asked["recipe"] == (first if rule == "dtp" else expected)
    words = ("--config", tmp_path / "config.json", "--rule", "drl", "--noise", "0.5")
    refusal(invoke("train", *words), 1)
    assert asked["recipe"] == dtp_tf.recipe(
        "digits", rule="drl", epochs=3, units=(8, 9), noise=0.5
    )


def test_what_a_config_file_says_of_no_rule_by_name_is_not_left_out(asked, tmp_path):
    (tmp_path / "c.json").write_text('{"noise": 0.25}')
    refusal(invoke("train", "--config", tmp_path / "c.json", "--rule", "drl"), 1)
    assert asked["recipe"] == dtp_tf.recipe("digits", rule="drl", noise=0.25)
    text = refusal(invoke("train", "--config", tmp_path / "c.json", "--rule", "bp"), 2)
    assert "`noise` has no place in the rule bp" in text


def test_lists_of_the_layers_come_as_numbers_with_commas(asked):
    words = ("--rule", "ldrl", "--noise", "0.1,0.2,0.3", "--inverse-steps", "1,2,3")
    refusal(invoke("train", *words, "--inverse-learning-rate", "1e-3,2e-3,3e-3"), 1)
    assert asked["recipe"] == dtp_tf.recipe(
        "digits", rule="ldrl", noise=(0.1, 0.2, 0.3), inverse_steps=(1, 2, 3),
        inverse_learning_rate=(0.001, 0.002, 0.003),
    )  # fmt: skip


def test_the_config_of_a_run_of_a_recipe_made_in_python_is_understood(asked, tmp_path):
    recipe = dtp_tf.Recipe(units=(8, 9), epochs=5)
    write_json(tmp_path / "config.json", recipe.to_dict())
    refusal(invoke("train", "--config", tmp_path / "config.json"), 1)
    assert asked["recipe"] == recipe


def test_the_config_of_a_run_reproduces_the_run(tmp_path):
    """A deterministic run, so that equal means equal bits."""
    config = deterministic_run() / "config.json"
    words = ("--config", config, "--no-export", "--run-dir", tmp_path / "run")
    succeeded(invoke("train", *words))
    assert read_json(tmp_path / "run" / "config.json") == read_json(config)
    assert read_json(config)["epochs"] == DETERMINISTIC["epochs"]
    assert_same_arrays(
        arrays(tmp_path / "run" / "last.keras"), arrays(deterministic_run() / "last.keras")
    )


# -- every rule ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_trains_evaluates_predicts_and_exports(rule, tmp_path):
    settings = {**tiny(rule), "rule": rule, "batch_size": 32, "epochs": 1}
    run, exported = tmp_path / "run", tmp_path / "exported"
    text = succeeded(
        invoke("train", "digits", *flags(settings), "--run-dir", run, "--export-dir", exported)
    )
    assert "epoch 1/1  loss" in text
    assert read_json(run / "config.json") == dtp_tf.recipe("digits", **settings).to_dict()
    metrics = read_json(run / "metrics.json")
    # Guesses are right in 10 %; an autoencoder's codes take longer to be of use.
    assert metrics["test"]["accuracy"] > (0.15 if rule != "autoencoder" else 0)
    assert (run / "curves.png").is_file()
    result = json.loads(succeeded(invoke("evaluate", run, "--json")))
    assert result["confusion_matrix"] == metrics["test"]["confusion_matrix"]

    image = picture(tmp_path / "digit.png", digits().test.images[7, ..., 0])
    (answer,) = json.loads(succeeded(invoke("predict", run, image, "--json")))
    served = tf.saved_model.load(str(exported / "digits" / "1")).signatures["serving_default"]
    (scores,) = served(images=tf.constant(digits().test.images[7:8]))["probabilities"].numpy()
    assert answer["scores"] == pytest.approx(sorted(scores)[:-4:-1], rel=1e-4)
    assert "resumed after epoch 1 of 1" in succeeded(
        invoke("train", "--resume", run, "--no-export")
    )
    assert read_json(run / "metrics.json")["test"] == metrics["test"]


# -- JSON ------------------------------------------------------------------------------------------


def test_train_prints_nothing_but_json_on_standard_output(tmp_path):
    result = invoke(
        "train", *flags({**TINY, "epochs": 1}), "--run-dir", tmp_path / "run", "--export-dir",
        tmp_path / "exported", "--json",
    )
    content = json.loads(succeeded(result))
    assert content.pop("run_dir") == str(tmp_path / "run")
    assert content.pop("export") == str(tmp_path / "exported" / "digits" / "1")
    assert content == read_json(tmp_path / "run" / "metrics.json")
    assert "epoch 1/1  loss" in result.stderr


def test_train_without_an_export_says_so_in_json(tmp_path, monkeypatch):
    run = shutil.copytree(trained()[0], tmp_path / "run")
    content = json.loads(succeeded(invoke("train", "--resume", run, "--no-export", "--json")))
    assert content["export"] is None
    assert content["run_dir"] == str(run)


@pytest.mark.slow
def test_a_process_prints_json_alone_and_no_messages_of_tensorflow(tmp_path):
    process = start("evaluate", trained()[0], "--json", cwd=tmp_path)
    stdout, stderr = process.communicate()
    assert process.returncode == 0
    assert stderr == ""
    ours, metrics = json.loads(stdout), read_json(trained()[0] / "metrics.json")["test"]
    assert ours.pop("loss") == pytest.approx(metrics.pop("loss"), rel=1e-5)
    assert ours == metrics
    assert not list(tmp_path.iterdir())


# -- evaluate --------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["test", "validation"])
@pytest.mark.parametrize("what", ["", "best.keras", "classifier.keras"])
def test_evaluate_gives_the_report_of_the_run(split, what):
    result = invoke("evaluate", trained()[0] / what, "--split", split, "--json")
    ours, metrics = json.loads(succeeded(result)), read_json(trained()[0] / "metrics.json")[split]
    assert ours.pop("loss") == pytest.approx(metrics.pop("loss"), rel=1e-5)
    assert ours == metrics


def test_evaluate_shows_every_class_to_a_person():
    lines = succeeded(invoke("evaluate", trained()[0])).splitlines()
    metrics = read_json(trained()[0] / "metrics.json")["test"]
    shown = dict(line.split() for line in lines[1:11])
    assert shown == {name: f"{value:.2%}" for name, value in metrics["per_class"].items()}
    assert lines[-1].startswith(f"digits test: accuracy {metrics['accuracy']:.2%}, loss ")


def test_evaluate_on_the_training_images_reads_all_of_them():
    content = json.loads(succeeded(invoke("evaluate", trained()[0], "--split", "train", "--json")))
    assert content["images"] == 1150


def test_a_model_of_another_make_cannot_be_evaluated_without_its_data(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    model.save(tmp_path / "m.keras")
    text = refusal(invoke("evaluate", tmp_path / "m.keras"), 1)
    assert "does not say what data it was trained on" in text


# -- predict ---------------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path):
    """One digit as grey and colour PNG and JPEG of several sizes."""
    small = digits().test.images[7, ..., 0]
    large = np.repeat(np.repeat(small, 6, 0), 6, 1)
    colour = np.repeat(large[..., None], 3, 2)
    return [
        picture(tmp_path / "small.png", small),
        picture(tmp_path / "grey.png", large),
        picture(tmp_path / "colour.png", colour),
        picture(tmp_path / "grey.jpg", large, quality=95),
        picture(tmp_path / "colour.jpeg", colour, quality=95),
        picture(tmp_path / "with [brackets].png", small),
    ]


def test_predict_takes_png_and_jpeg_grey_and_colour_of_any_size(pictures):
    answers = json.loads(succeeded(invoke("predict", trained()[0], *pictures, "--json")))
    assert [one["image"] for one in answers] == [str(path) for path in pictures]
    exact = np.asarray(load_model(trained()[0] / "best.keras").model(digits().test.images[7:8]))[0]
    order = np.argsort(-exact)[:3]
    assert answers[0]["classes"] == [str(i) for i in order]
    assert answers[0]["scores"] == pytest.approx(exact[order].tolist(), rel=1e-5)
    for one in answers:
        assert len(one["classes"]) == len(one["scores"]) == 3
        assert one["classes"][0] == answers[0]["classes"][0]
        assert one["scores"][0] == pytest.approx(answers[0]["scores"][0], abs=0.2)


def test_predict_shows_a_person_as_many_classes_as_asked_for(pictures):
    text = succeeded(invoke("predict", trained()[0], pictures[0], pictures[5], "--top", "2"))
    lines = text.splitlines()
    assert lines[0].split() == ["image", "class", "score"]
    assert len(lines) == 5
    assert lines[1].startswith(str(pictures[0]))
    assert str(pictures[5]) in lines[3]
    assert 0 <= float(lines[1].split()[-1]) <= 1


def test_the_classifier_answers_as_the_run_does(pictures):
    ours, theirs = (
        json.loads(succeeded(invoke("predict", trained()[0] / name, *pictures, "--json")))
        for name in ("", "classifier.keras")
    )
    for one, other in zip(ours, theirs, strict=True):
        assert one["classes"] == other["classes"]
        assert one["scores"] == pytest.approx(other["scores"], rel=1e-4)


# -- a folder of images ----------------------------------------------------------------------------


def test_a_folder_of_images_trains_from_start_to_prediction(tmp_path):
    """Colour images of two sizes; a class is named as its folder, brackets and all."""
    chance = np.random.default_rng(0)
    for name, channel in (("[red]", 0), ("green", 1)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(30):
            side = 6 + i % 2
            pixels = chance.integers(0, 80, (side, side, 3), "uint8")
            pixels[..., channel] += 150
            picture(tmp_path / "images" / name / f"{i}.png", pixels)
    settings = {
        "image_size": (6, 6), "units": (8, 8), "batch_size": 8, "epochs": 6, "learning_rate": 0.02,
        "learning_rate_schedule": "constant", "preprocessing": "center",
    }  # fmt: skip
    run = tmp_path / "run"
    words = ("--image-folder", tmp_path / "images", "--run-dir", run)
    text = succeeded(
        invoke("train", *words, *flags(settings), "--export-dir", tmp_path / "exported")
    )
    assert "6x6x3 images, 2 classes; 38 training, 10 validation, 12 test" in text
    assert "[red]" in text
    assert read_json(run / "metrics.json")["test"]["per_class"] == {"[red]": 1.0, "green": 1.0}
    content = json.loads(succeeded(invoke("evaluate", run, "--json")))
    assert content["accuracy"] == 1
    path = tmp_path / "images" / "[red]" / "3.png"
    (one,) = json.loads(succeeded(invoke("predict", run, path, "--json")))
    assert one["classes"] == ["[red]", "green"]


# -- what is wrong is said in one sentence ---------------------------------------------------------


WRONG_SETTINGS = {
    "recipe": (["digit"], "unknown recipe 'digit'; there are digits, cifar10"),
    "key": (["--epoch", "3"], "No such option"),
    "activation": (["--activation", "tangent"], "`activation` must be one of tanh, sigmoid"),
    "optimizer": (["--optimizer", "adamw"], "`optimizer` must be one of adam"),
    "no epochs": (["--epochs", "0"], "`epochs` must be at least 1, got 0"),
    "negative epochs": (["--epochs", "-3"], "`epochs` must be at least 1, got -3"),
    "no batch": (["--batch-size", "0"], "`batch_size` must be at least 1, got 0"),
    "no units": (["--units", "0"], "`units` must be at least 1, got 0"),
    "negative units": (["--units", "8,-8"], "`units` must be at least 1, got -8"),
    "no number": (["--units", "8,many"], "`units` must be a whole number, got 'many'"),
    "no step": (["--target-step", "0"], "`target_step` must be above 0, got 0"),
    "rate": (["--learning-rate", "nan"], "`learning_rate` must be a number"),
    "noise": (["--noise", "-1"], "`noise` must be at least 0"),
    "seed": (["--seed", "-1"], "`seed` must be at least 0"),
    "fraction": (["--validation-fraction", "1"], "`validation_fraction` must be above 0"),
    "steps": (["--inverse-steps", "3"], "`inverse_steps` 3 needs `schedule` inverse-first"),
    "rule": (["--rule", "dpt"], "`rule` must be one of tp, dtp, sdtp"),
    "place": (["--rule", "bp", "--noise", "1"], "`noise` has no place in the rule bp, which takes"),
    "image size": (["--image-size", "8"], "`image_size` must be height,width"),
    "crop": (["--crop", "-1"], "`crop` must be at least 0"),
    "no config": (["--config", "missing.json"], "config file missing.json cannot be read"),
}


@pytest.mark.parametrize("case", WRONG_SETTINGS)
def test_a_wrong_setting_is_a_matter_of_usage(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words, expected = WRONG_SETTINGS[case]
    result = invoke("train", *words)
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert expected in line
    assert not list(tmp_path.iterdir())


WRONG_FOR_THE_NETWORK = {
    "noise": (["--noise", "1,2,3"], "`noise` has 3 values, but DTP trains the feedback of 2 layer"),
    "steps": (
        ["--rule", "ldrl", "--inverse-steps", "1,2"],
        "`inverse_steps` has 2 values, but LDRL trains the feedback of 3 layers",
    ),
    "rates": (
        ["--rule", "ddtp_linear", "--inverse-learning-rate", "1,2"],
        "`inverse_learning_rate` has 2 values, but the rule ddtp_linear trains the feedback of 3",
    ),
    "no noise": (["--rule", "drl", "--noise", "0"], "`noise` must be above 0, got 0.0"),
}


@pytest.mark.parametrize("case", WRONG_FOR_THE_NETWORK)
def test_a_setting_that_the_rule_refuses_is_a_matter_of_usage_too(case, tmp_path):
    words, expected = WRONG_FOR_THE_NETWORK[case]
    result = invoke("train", "digits", *words, "--run-dir", tmp_path / "run")
    assert expected in refusal(result, 2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("c.json", '{"epoch": 3}', "unknown setting 'epoch'. Did you mean 'epochs'?"),
        ("c.json", '{"epochs": 3', "is not valid JSON"),
        ("c.json", "[3]", "must hold settings by name"),
        ("c.yaml", "epochs: [3", "is not valid YAML"),
        ("c.json", '{"epochs": -1}', "`epochs` must be at least 1"),
        ("c.json", '{"recipe": "digit"}', "unknown recipe 'digit'"),
        ("c.json", '{"recipe": 3}', "unknown recipe 3"),
    ],
)
def test_a_wrong_config_file_is_a_matter_of_usage(tmp_path, name, text, expected):
    (tmp_path / name).write_text(text)
    words = ("--config", tmp_path / name, "--run-dir", tmp_path / "run")
    assert expected in refusal(invoke("train", *words), 2)
    assert os.listdir(tmp_path) == [name]


def test_an_unknown_data_set_is_refused_before_a_run_is_made(tmp_path):
    words = ("--dataset", "cifar11", "--data-dir", tmp_path / "data", "--run-dir", tmp_path / "run")
    text = refusal(invoke("train", *words), 1)
    assert "there is no data set 'cifar11' in TensorFlow Datasets. Did you mean 'cifar10" in text
    assert not (tmp_path / "run").exists()


def test_a_data_set_that_cannot_be_had_ends_with_the_remedies(tmp_path, monkeypatch):
    def unreachable(*args, **kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", unreachable)
    words = ("mnist", "--data-dir", tmp_path / "data", "--run-dir", tmp_path / "run")
    text = refusal(invoke("train", *words), 1)
    assert "'mnist' is not prepared in " in text
    assert "--data-dir" in text
    assert "`digits` recipe" in text
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", ["evaluate", "export", "predict"])
def test_a_missing_run_is_said_to_be_missing(tmp_path, command):
    words = [command, tmp_path / "missing", *(["a.png"] if command == "predict" else [])]
    assert "missing does not exist" in refusal(invoke(*words), 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["evaluate", "export", "predict"])
def test_a_folder_without_a_run_is_no_run(tmp_path, command):
    words = [command, tmp_path, *(["a.png"] if command == "predict" else [])]
    assert "is no run folder: it has no config.json" in refusal(invoke(*words), 1)


@pytest.mark.parametrize("command", ["evaluate", "export", "predict"])
def test_a_corrupt_checkpoint_is_said_in_one_sentence(tmp_path, command):
    run = shutil.copytree(trained()[0], tmp_path / "run")
    content = (run / "best.keras").read_bytes()
    (run / "best.keras").write_bytes(content[: len(content) // 2])
    words = [command, run, *(["a.png"] if command == "predict" else [])]
    words += ["--export-dir", tmp_path / "exported"] if command == "export" else []
    assert "best.keras is damaged or no Keras model" in refusal(invoke(*words), 1)
    assert os.listdir(tmp_path) == ["run"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("bad.png", b"\x89PNG\r\n\x1a\n" + bytes(50), "is damaged or no image"),
        ("text.png", b"Dear reader", "is damaged or no image"),
        ("empty.jpg", b"", "is damaged or no image"),
        ("missing.png", None, "does not exist"),
    ],
)
def test_a_corrupt_or_missing_image_is_named(tmp_path, name, content, expected):
    good = picture(tmp_path / "good.png", digits().test.images[0, ..., 0])
    if content is not None:
        (tmp_path / name).write_bytes(content)
    result = invoke("predict", trained()[0], good, tmp_path / name)
    text = refusal(result, 1)
    assert f"image {tmp_path / name} " in text
    assert expected in text
    assert result.stdout == ""


def test_predict_needs_an_image_and_at_least_one_class():
    for words in ([], ["a.png", "--top", "0"]):
        result = invoke("predict", trained()[0], *words)
        assert result.exit_code == 2
        assert result.stderr.count("Error: ") == 1


def test_a_run_folder_below_a_file_is_refused_before_the_training(tmp_path):
    (tmp_path / "file").touch()
    text = refusal(invoke("train", "--run-dir", tmp_path / "file" / "run"), 1)
    assert "Not a directory; free some space or choose another folder." in text
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(28, "No space left on device"), "Error: No space left on device."),
        (PermissionError(13, "Permission denied", "/a/b"), "Error: Permission denied: /a/b."),
        (OSError("the disk is on fire"), "Error: the disk is on fire."),
    ],
)
def test_any_other_error_of_the_system_is_one_sentence_too(monkeypatch, error, expected):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr("dtp_tf.training.train.train", fail)
    assert refusal(invoke("train"), 1) == expected


def test_a_run_folder_in_use_is_left_alone(tmp_path):
    run = shutil.copytree(trained()[0], tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    text = refusal(invoke("train", "--run-dir", run), 1)
    assert f"already holds a run; continue it with --resume {run}" in text
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_an_export_folder_that_cannot_be_written_loses_nothing_of_the_run(tmp_path):
    (tmp_path / "file").touch()
    run = tmp_path / "run"
    words = ("--run-dir", run, "--export-dir", tmp_path / "file" / "exported")
    text = refusal(invoke("train", *flags({**TINY, "epochs": 1}), *words), 1)
    assert f"cannot write {tmp_path / 'file' / 'exported' / 'digits'}" in text
    assert read_json(run / "metrics.json")["epochs"] == 1
    assert not hidden_files(tmp_path)


@pytest.mark.slow
def test_a_full_disk_ends_a_training_in_one_sentence_and_keeps_what_was_saved(tmp_path):
    run = tmp_path / "run"
    train(run, epochs=3, callbacks=[StopAfter(1)])
    before = {name: (run / name).read_bytes() for name in ("last.keras", "best.keras")}
    limit = len(before["last.keras"]) - 1000  # enough to read it, for which Keras unpacks it
    process = subprocess.run(
        [sys.executable, REPO / "cli.py", "train", "--resume", run, "--no-export"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert process.returncode == 1
    text = sentence(process.stderr, process.stdout)
    assert text.startswith(f"Error: cannot write {run / 'last.keras'}: File too large; free some")
    assert {name: (run / name).read_bytes() for name in before} == before
    assert not hidden_files(tmp_path)
    assert read_json(run / "versions.json") == versions()
