"""An export is named after what was trained, and --keep counts what is of the same origin."""

import pytest
from helpers import invoke, refusal, succeeded, trained

from dtp_tf.data.splits import ImageData
from dtp_tf.export.origins import (
    default_name,
    kept_others,
    others,
    read_origin,
    same_origin,
    write_origin,
)
from dtp_tf.export.publishing import publish
from dtp_tf.recipes.named import RECIPES
from dtp_tf.recipes.recipe import Recipe, recipe


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"image_folder": "photos"}, "photos"),
        ({"image_folder": "/home/me/My Photos (2024)/"}, "My-Photos-2024"),
        ({"image_folder": "Überfälle"}, "Uberfalle"),
        ({"image_folder": "写真"}, "images"),
        ({"image_folder": "/"}, "images"),
        ({"dataset": "imagenet_resized/32x32:0.1.0"}, "imagenet_resized-32x32-0.1.0"),
        ({"dataset": "mnist"}, "mnist"),
        ({}, "digits"),
    ],
)
def test_the_data_name_the_export(settings, name):
    assert default_name(recipe("digits", **settings)) == name


def test_a_folder_is_named_wherever_the_command_is_given(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path / "photos")
    assert default_name(recipe("digits", image_folder=".")) == "photos"


def test_a_recipe_names_the_export_of_its_own_data_alone():
    for name in RECIPES:
        assert default_name(recipe(name)) == name
        assert default_name(recipe(name, image_folder="photos")) == "photos"
    assert default_name(recipe("cifar10-cnn", dataset="svhn_cropped")) == "svhn_cropped"
    assert default_name(Recipe(dataset="digits")) == "digits"


def test_data_made_in_python_name_their_export():
    data = ImageData("my set", None, None, None, ("a", "b"), "here")
    assert default_name(recipe("digits"), data.name) == "my-set"


def test_a_bad_name_is_refused_before_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = refusal(invoke("train", "digits", "--epochs", 1, "--name", "a b"), 1)
    assert "'a b' cannot name an export" in text
    assert not list(tmp_path.iterdir())


def version(folder, data="photos", name="digits", **options):
    """Publish a version of an export of which only the origin is there."""

    def write(path):
        (path / "assets.extra").mkdir(parents=True)
        write_origin(path, {"recipe": {"recipe": name, "image_folder": data}})

    return publish(folder, write, **options)


def test_keep_removes_no_version_of_other_data_or_of_another_recipe(tmp_path):
    home = tmp_path / "model"
    version(home)
    version(home, data="other")
    version(home, name="cifar10")
    version(home)
    new = version(home, keep=1, is_counted=same_origin)
    assert sorted(path.name for path in home.iterdir()) == ["2", "3", "5"]
    assert [path.name for path in others(new)] == ["2", "3"]
    assert kept_others(new).startswith("version(s) 2, 3, of other data, another recipe or ")
    last = version(home, keep=1)
    assert [path.name for path in home.iterdir()] == [last.name] == ["6"]
    assert kept_others(last) is None


def test_a_version_that_does_not_say_is_of_another_origin(tmp_path):
    for name in ("1", "2"):
        (tmp_path / name / "assets.extra").mkdir(parents=True)
    write_origin(tmp_path / "2", {})
    assert read_origin(tmp_path / "1") is None
    assert read_origin(tmp_path / "2") == {"data": None, "recipe": None}
    assert others(tmp_path / "2") == [tmp_path / "1"]
    (tmp_path / "2" / "assets.extra" / "origin.json").write_text("{}")
    assert read_origin(tmp_path / "2") is None


@pytest.mark.slow
def test_the_command_says_which_versions_it_did_not_count(tmp_path):
    run, out = trained()[0], tmp_path / "out"
    (out / "digits" / "7").mkdir(parents=True)
    words = ("export", run, "--export-dir", out, "--keep", 1)
    assert "kept       version(s) 7, of other data, another recipe or an older release" in (
        succeeded(invoke(*words))
    )
    assert sorted(path.name for path in (out / "digits").iterdir()) == ["7", "8"]
    assert "kept " not in succeeded(invoke(*words, "--no-keep-others"))
    assert [path.name for path in (out / "digits").iterdir()] == ["9"]
