"""Numbers, names and paths at the edge of what a command can do: one sentence, at once."""

import shlex

import pytest
from helpers import TINY, flags, invoke, refusal, succeeded, trained


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tune", "--timeout", "nan"], "nan cannot be waited"),
        (["tune", "--timeout", "inf"], "inf cannot be waited"),
        (["tune", "--timeout", "1e300"], "give a number of at most 10,000,000"),
        (["benchmark", "--seconds", "nan"], "nan cannot be waited"),
        (["server-status", "http://h/v1/models/m", "--timeout", "inf"], "inf cannot be waited"),
        (["load-test", "http://h/v1/models/m", "--duration", "nan"], "nan cannot be waited"),
        (["serve", "digits", "--start-timeout", "inf"], "inf cannot be waited"),
        (["serve", "digits", "--batch-timeout", "nan"], "nan cannot be waited"),
        (["compare", "--seeds", "1000000000"], "`seeds` must be at most 1,000"),
        (["tune", "--workers", "1000000000"], "`workers` must be at most 256"),
        (["benchmark", "--batch-sizes", "128,99999999999"], "must be at most 10,000"),
        (["benchmark", "--batch-sizes", "9" * 5000], "whole numbers from 1"),
        (["benchmark", "--batch-sizes", "²"], "whole numbers from 1"),
        (["launch", "--workers", "1000000", "train"], "not in the range 1<=x<=64"),
    ],
)
def test_a_number_beyond_all_use_is_refused(words, said):
    assert said in refusal(invoke(*words), 2)


@pytest.mark.slow
def test_more_classes_than_there_are_may_be_asked_for(tmp_path):
    from helpers import digits
    from PIL import Image

    Image.fromarray(digits().test.images[0, ..., 0]).save(tmp_path / "a.png")
    words = ["predict", trained()[0], tmp_path / "a.png", "--top", 10**18]
    assert len(succeeded(invoke(*words)).splitlines()) == 11


@pytest.mark.parametrize("word", ["\x1b[31m", "a\u202eb", "a\rb"])
def test_a_word_that_a_terminal_would_obey_is_an_escape_in_every_error(word):
    for words in (
        ["recipes", word],
        ["presets", word],
        ["predict", word, "a.png"],
        ["evaluate", word],
        ["train", f"--{word}"],
        ["train", "--rule", word],
        [word],
    ):
        result = invoke(*words)
        assert result.exit_code in (1, 2)
        assert word not in result.stderr and "\\" in result.stderr.splitlines()[-1]


def test_an_error_is_one_line_whatever_is_in_a_path():
    text = refusal(invoke("evaluate", "a\nError: all is well.\n.keras"), 1)
    assert r"a\nError: all is well.\n.keras" in text


ODD = "a b; $(touch x) :cat: 'red'"


@pytest.mark.slow
def test_printed_commands_are_words_of_a_shell_and_paths_are_as_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["train", "digits", *flags({**TINY, "epochs": 1}), "--run-dir", ODD]
    text = succeeded(invoke(*words, "--export-dir", f"{ODD} out", "--run-dir", f"{ODD} [/x]"))
    assert f"run        {ODD} [/x]\n" in text
    succeeded(invoke(*words, "--no-export"))
    serve = next(line for line in text.splitlines() if line.startswith("serve it"))
    assert f"--model_base_path={tmp_path}/{ODD} out/digits" in shlex.split(serve)
    text = refusal(invoke(*words), 1)
    assert f"--resume {shlex.quote(ODD)}, or" in text
    text = succeeded(invoke("save-preset", ODD, f'{tmp_path}/"quoted"'))
    assert text.splitlines()[-1] == (
        f'load it    dtp_tf.DTPNetwork.from_preset("{tmp_path}/\\"quoted\\"")'
    )


def test_a_folder_that_is_no_utf8_is_refused_before_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["train", "digits", *flags({**TINY, "epochs": 1}), "--run-dir", "a\udcff"]
    assert r"cannot write a\udcff: its name has bytes that are no UTF-8" in refusal(
        invoke(*words), 1
    )


@pytest.mark.parametrize("folder", ["a [1]", "a*", "a?", "back\\slash"])
def test_a_folder_that_tensorflow_takes_for_a_pattern_is_refused_before_training(
    tmp_path, monkeypatch, folder
):
    monkeypatch.chdir(tmp_path)
    run = trained()[0]
    monkeypatch.setattr("dtp_tf.training.train.load_data", None)
    text = refusal(invoke("train", "digits", "--export-dir", folder), 1)
    assert "for a pattern; choose another --export-dir" in text
    text = refusal(invoke("export", run, "--export-dir", folder), 1)
    assert "for a pattern; choose another --export-dir" in text
