"""A config file gives its settings, or is refused with its name and what is wrong in it."""

import json

import pytest
from recipes_support import message, write

from dtp_tf.recipes.config_files import read_config
from dtp_tf.recipes.recipe import Recipe, recipe


def test_a_json_config_gives_its_settings(tmp_path):
    path = write(tmp_path, "run.json", '{"epochs": 3, "learning_rate": 1e-3, "units": [5, 4]}')
    built = recipe("digits", **read_config(path))
    assert (built.epochs, built.learning_rate, built.units) == (3, 0.001, (5, 4))


@pytest.mark.parametrize("name", ["run.yaml", "run.yml"])
def test_a_yaml_config_gives_its_settings(tmp_path, name):
    text = "epochs: 3\nlearning_rate: 1e-3\nunits: [5, 4]\nimage_folder: null\nflip: yes\n"
    settings = read_config(write(tmp_path, name, text))
    assert settings["learning_rate"] == 0.001  # in YAML 1.1, text
    built = recipe("digits", **settings)
    assert (built.epochs, built.learning_rate, built.units) == (3, 0.001, (5, 4))
    assert (built.image_folder, built.flip) == (None, True)


def test_a_config_may_be_given_by_a_path_in_text(tmp_path):
    path = write(tmp_path, "run.json", '{"seed": 8}')
    assert read_config(str(path)) == {"seed": 8}


def test_a_saved_recipe_is_a_config(tmp_path):
    first = recipe("mnist", seed=5)
    path = write(tmp_path, "config.json", json.dumps(first.to_dict()))
    assert Recipe.from_dict(read_config(path)) == first


@pytest.mark.parametrize(("name", "text"), [("a.json", '{"epoch": 3}'), ("a.yaml", "epoch: 3")])
def test_an_unknown_key_is_refused_with_the_file_and_the_key(tmp_path, name, text):
    path = write(tmp_path, name, text)
    error = message(read_config, path)
    assert str(path) in error
    assert "'epoch'" in error
    assert "Did you mean 'epochs'?" in error


def test_a_key_that_is_no_text_is_refused(tmp_path):
    path = write(tmp_path, "a.yaml", "3: epochs")
    error = message(read_config, path)
    assert str(path) in error
    assert "unknown setting '3'" in error


def test_a_missing_config_is_named(tmp_path):
    error = message(read_config, tmp_path / "none.json")
    assert f"config file {tmp_path / 'none.json'} cannot be read: No such file" in error


def test_a_folder_is_no_config(tmp_path):
    assert f"config file {tmp_path} cannot be read" in message(read_config, tmp_path)


@pytest.mark.parametrize("name", ["a.json", "a.yaml"])
def test_a_binary_file_is_no_config(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\x89PNG\xff\xfe\x00")
    assert f"config file {path} cannot be read: it is no UTF-8 text" in message(read_config, path)


@pytest.mark.parametrize("text", ["", '{"epochs": }', "{epochs: 3}"])
def test_invalid_json_is_named(tmp_path, text):
    path = write(tmp_path, "a.json", text)
    error = message(read_config, path)
    assert f"config file {path} is not valid JSON" in error
    assert "\n" not in error


@pytest.mark.parametrize("text", ["epochs: [3", "a: b: c", "\tepochs: 3"])
def test_invalid_yaml_is_named_in_one_line(tmp_path, text):
    path = write(tmp_path, "a.yaml", text)
    error = message(read_config, path)
    assert f"config file {path} is not valid YAML" in error
    assert "\n" not in error


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.json", "[1, 2]"), ("a.json", "3"), ("a.yaml", "- epochs"), ("a.yaml", ""), ("b.yml", "x")],
)
def test_a_config_that_is_no_mapping_is_refused(tmp_path, name, text):
    path = write(tmp_path, name, text)
    error = message(read_config, path)
    assert error == f"config file {path} must hold settings by name, got {text!r}."
