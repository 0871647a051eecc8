"""What is wrong on the command line is said in one sentence, and nothing is lost or left behind."""

import os
import resource
import shutil
import subprocess
import sys

import pytest
import tensorflow_datasets as tfds
from cli_support import picture
from helpers import (
    REPO,
    TINY,
    StopAfter,
    digits,
    environment,
    flags,
    hidden_files,
    invoke,
    refusal,
    sentence,
    train,
    trained,
)

from dtp_tf.files import read_json
from dtp_tf.machines.versions import versions

WRONG_SETTINGS = {
    "recipe": (["digit"], "unknown recipe 'digit'; there are digits, cifar10"),
    "key": (["--epoch", "3"], "No such option"),
    "activation": (["--activation", "tangent"], "`activation` must be one of tanh, sigmoid"),
    "optimizer": (["--optimizer", "adamww"], "`optimizer` must be one of adam"),
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
    "noise": (
        ["--noise", "1,2,3"],
        "`noise` has 3 values, but the rule dtp trains the feedback of 2 layer",
    ),
    "steps": (
        ["--rule", "ldrl", "--inverse-steps", "1,2"],
        "`inverse_steps` has 2 values, but the rule ldrl trains the feedback of 3 layers",
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_run_folder_in_use_is_left_alone(tmp_path):
    run = shutil.copytree(trained()[0], tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    text = refusal(invoke("train", "--run-dir", run), 1)
    assert f"already holds a run; continue it with --resume {run}" in text
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


@pytest.mark.slow
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
