"""`serve` finds models by name or path, and says which it cannot serve."""

import shutil

import pytest
from helpers import invoke, refusal
from model_server_support import fixture_export_dir  # noqa: F401

from dtp_tf.serving.model_server import find_models


@pytest.mark.slow
def test_a_model_is_found_by_name_or_by_path(export_dir, monkeypatch):
    monkeypatch.chdir(export_dir)
    for text, where in (("digits", "."), (str(export_dir / "digits"), "x"), ("./digits", "x")):
        (model,) = find_models([text], where)
        assert (model.name, model.home) == ("digits", export_dir / "digits")
        assert model.versions() == [3, 12]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("digit", "there are digits, old. Did you mean 'digits'?"),
        ("", "no model ''"),
        ("empty", "has no version of a model yet; make one with `export`"),
        ("digits/3", "is one version of a model; give the folder above it"),
    ],
)
def test_a_model_that_is_not_there_is_said(export_dir, name, expected):
    assert expected in refusal(invoke("serve", name, "--export-dir", export_dir), 1)


def test_without_any_export_the_remedy_is_named(tmp_path):
    text = refusal(invoke("serve", "digits", "--export-dir", tmp_path), 1)
    assert text == f"Error: no model 'digits' in {tmp_path}; make one with `export`."


def test_two_models_of_one_name_are_refused(export_dir, tmp_path):
    shutil.copytree(export_dir / "digits", tmp_path / "digits")
    words = ("serve", "digits", tmp_path / "digits", "--export-dir", export_dir)
    assert "two models are called 'digits'" in refusal(invoke(*words), 2)


def test_a_folder_whose_name_is_no_models_is_refused(export_dir, tmp_path):
    shutil.copytree(export_dir / "digits", tmp_path / "my digits")
    text = refusal(invoke("serve", tmp_path / "my digits"), 1)
    assert "'my digits' cannot name a model" in text


@pytest.mark.parametrize(
    ("labels", "code", "expected"),
    [
        (["stable=4"], 1, "has no version 4 to label; it has 3, 12."),
        (["stable=77"], 1, "has no version 77 to label; it has 3, 12."),
        (["stable"], 2, "must be LABEL=VERSION or MODEL:LABEL=VERSION"),
        (["=3"], 2, "must be LABEL=VERSION"),
        (["3=3"], 2, "must be LABEL=VERSION"),
        (["stable=new"], 2, "must be LABEL=VERSION"),
        (["digitz:stable=3"], 2, "is of no model that is served; there are digits"),
        (["stable=3", "stable=12"], 2, "label 'stable' of digits is given twice"),
    ],
)
def test_a_label_that_means_nothing_is_refused(export_dir, labels, code, expected):
    words = [word for label in labels for word in ("--label", label)]
    assert expected in refusal(invoke("serve", "digits", "--export-dir", export_dir, *words), code)


def test_with_several_models_a_label_says_of_which(export_dir):
    words = ("serve", "digits", "old", "--export-dir", export_dir, "--label", "a=1")
    assert "does not say of which model; write MODEL:a=1" in refusal(invoke(*words), 2)
    models = find_models(["digits", "old"], export_dir, ["old:a=1", "digits:a=3"])
    assert [model.labels for model in models] == [{"a": 3}, {"a": 1}]


def test_both_interfaces_need_a_port_each(export_dir):
    words = ("serve", "digits", "--export-dir", export_dir, "--port", 8500)
    assert "REST and gRPC need a port each" in refusal(invoke(*words), 2)
