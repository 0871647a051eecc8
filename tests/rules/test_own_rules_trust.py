"""A learning rule's file is a program: it is run where a call names it, not for a model's sake."""

import json
import os
import pathlib
import shutil

import keras
import pytest
from helpers import (
    TINY,
    StopAfter,
    digits,
    environment,
    flags,
    invoke,
    python,
    refusal,
    succeeded,
    train,
)
from PIL import Image

import dtp_tf
from dtp_tf.errors import SettingError
from dtp_tf.files import read_json, write_json
from dtp_tf.recipes.recipe import recipe
from dtp_tf.rules import own
from dtp_tf.runs import own_rules
from dtp_tf.runs.models import load_model, save_model
from dtp_tf.sharing.opening import open_model
from dtp_tf.training.building import build_network

pytestmark = pytest.mark.slow  # they train and open runs by files of rules

PROGRAM = """
import pathlib

import dtp_tf

with open({log!r}, "a") as log:
    log.write("ran\\n")


class Evil(dtp_tf.rules.DTP):
    pass
"""
SETTINGS = {**TINY, "units": (8, 8)}


@pytest.fixture
def user(tmp_path, monkeypatch):
    """A user who has never named a file of a rule."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where the rule is: FILE:CLASS."""
    return f"{tmp_path_factory.mktemp('stranger') / 'evil.py'}:Evil"


def file_of(place):
    return pathlib.Path(place.rpartition(":")[0])


def write_program(place):
    file = file_of(place)
    log = file.with_name("log")
    log.unlink(missing_ok=True)
    file.write_text(PROGRAM.format(log=str(log)))
    return lambda: log.read_text().count("ran") if log.exists() else 0


@pytest.fixture
def program(place, user):
    """(the rule's place, a function that tells how often its file was run)."""
    return place, write_program(place)


def forget(monkeypatch, user=False):
    """Make this process one that was told of no file, and perhaps a user who never was."""
    monkeypatch.setattr(own, "_LOADED", {})
    keras.saving.get_custom_objects().pop("own>Evil", None)
    if user:
        shutil.rmtree(os.environ["XDG_STATE_HOME"], ignore_errors=True)


@pytest.fixture(scope="module")
def original(tmp_path_factory, place):
    """A folder with an unfinished `run` by the rule, and the `state` of the user who named it."""
    home = tmp_path_factory.mktemp("original")
    runs = write_program(place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        train(home / "run", rule=place, callbacks=[StopAfter(1)], **SETTINGS)
        assert runs() == 1
        forget(patch)
    return home


@pytest.fixture
def foreign(tmp_path, original, program, monkeypatch):
    """A stranger's run folder, which names the stranger's file; it was not run here yet."""
    forget(monkeypatch, user=True)
    assert program[1]() == 0
    return shutil.copytree(original / "run", tmp_path / "foreign")


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(digits().test.images[0, ..., 0]).save(path)
    return path


# -- what is opened names a file -------------------------------------------------------------------


COMMANDS = {
    "evaluate": ["evaluate", "{foreign}"],
    "evaluate a file": ["evaluate", "{foreign}/last.keras"],
    "predict": ["predict", "{foreign}/best.keras", "{image}"],
    "export": ["export", "{foreign}", "--export-dir", "{home}/exported"],
    "serve": ["serve", "{foreign}", "--export-dir", "{home}/exported", "--print-command"],
    "load-test": [
        "load-test", "http://localhost:9/v1/models/x", "{image}", "--expect", "{foreign}",
    ],
    "train --init": ["train", "--init", "{foreign}", "--units", "8,8", "--run-dir", "{home}/new"],
    "train --resume": ["train", "--resume", "{foreign}", "--no-export"],
    "train --config": ["train", "--config", "{foreign}/config.json", "--run-dir", "{home}/new"],
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_a_strangers_file_is_not_run_by(command, foreign, program, image, tmp_path):
    place, runs = program
    words = [
        word.format(foreign=foreign, image=image, home=tmp_path) for word in COMMANDS[command]
    ]
    text = refusal(invoke(*words), 2)
    assert runs() == 0
    assert f"add --rule {place}" in text
    assert not (tmp_path / "new").exists() and not (tmp_path / "exported").exists()


@pytest.mark.parametrize("command", ["evaluate", "predict", "export", "train --resume"])
def test_a_call_that_names_the_file_runs_it(command, foreign, program, image, tmp_path):
    place, runs = program
    words = [
        word.format(foreign=foreign, image=image, home=tmp_path) for word in COMMANDS[command]
    ]
    succeeded(invoke(*words, "--rule", place))
    assert runs() >= 1


def test_the_file_may_lie_elsewhere_than_where_the_model_says(foreign, program, tmp_path):
    place, runs = program
    file_of(place).rename(tmp_path / "mine.py")
    succeeded(invoke("evaluate", foreign, "--rule", f"{tmp_path / 'mine.py'}:Evil"))
    assert runs() == 1


def test_another_rule_than_the_models_does_not_help(foreign, tmp_path):
    (tmp_path / "other.py").write_text("import dtp_tf\n\n\nclass Other(dtp_tf.rules.DTP): pass\n")
    result = invoke("evaluate", foreign, "--rule", f"{tmp_path / 'other.py'}:Other")
    assert "evil.py:Evil', a file that is run only where" in refusal(result, 2)


@pytest.mark.parametrize("rule", ["dtp", "evil", "evil.py"])
def test_what_names_no_file_is_refused_as_a_rule(rule, foreign):
    text = refusal(invoke("evaluate", foreign, "--rule", rule), 2)
    assert text == f"Error: `--rule` must be FILE.py:CLASS, got {rule!r}."


def test_from_python_a_model_is_opened_with_its_rule_named(foreign, program):
    place, runs = program
    for open_it in (open_model, lambda path, **rule: load_model(path / "best.keras", **rule)):
        with pytest.raises(SettingError, match="run only where the call names it"):
            open_it(foreign)
    assert runs() == 0
    assert type(open_model(foreign, rule=place).model.rule).__name__ == "Evil"
    assert runs() == 1
    load_model(foreign / "last.keras")  # this process was told
    assert runs() == 1


def test_keras_alone_does_not_find_the_file_either(foreign, program):
    with pytest.raises(TypeError, match="Could not locate class 'Evil'"):
        keras.saving.load_model(foreign / "best.keras")
    assert program[1]() == 0


def test_a_stock_rule_whose_file_claims_another_runs_nothing(tmp_path, program):
    """The recipe beside the network is only words."""
    place, runs = program
    network = build_network(recipe("digits", **SETTINGS), digits())
    about = {"recipe": {**recipe("digits", **SETTINGS).to_dict(), "rule": place}}
    save_model(network, tmp_path / "m.keras", about)
    open_model(tmp_path / "m.keras")
    assert runs() == 0


def test_a_run_by_a_rule_of_ones_own_is_no_preset_whoever_asks(foreign, program, tmp_path):
    result = invoke("save-preset", foreign, tmp_path / "preset")
    assert "without which no one can load a preset" in refusal(result, 1)
    assert program[1]() == 0


def test_the_code_beside_a_file_that_python_keeps_is_not_run(tmp_path, user):
    """A stranger's `__pycache__` may hold other code than the file that the user has read."""
    import importlib.util
    import py_compile

    harmless = "import dtp_tf\n\n\nclass Mine(dtp_tf.rules.DTP):\n    of = 'file'\n"
    file = tmp_path / "mine.py"
    file.write_text(harmless.replace("file", "evil"))
    cached = importlib.util.cache_from_source(str(file))
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(file, cached, invalidation_mode=mode)
    file.write_text(harmless)
    assert own.load_own_rule(f"{file}:Mine").of == "file"


# -- a config names a file -------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_a_config_alone_does_not_name_a_file_to_be_run(suffix, program, tmp_path):
    place, runs = program
    config = tmp_path / f"c.{suffix}"
    config.write_text(json.dumps({"rule": place, "epochs": 1, "units": [8, 8]}))
    words = ("train", "--config", config, "--run-dir", tmp_path / "run", "--no-export")
    text = refusal(invoke(*words), 2)
    assert text == (
        f"Error: config file {config} names the rule {place!r}, whose code is run only where the "
        f"command names it: if you trust it, add --rule {place}."
    )
    assert runs() == 0
    succeeded(invoke(*words, "--rule", place))
    assert runs() >= 1


def test_a_config_does_not_name_data_whose_code_is_fetched(tmp_path):
    config = tmp_path / "c.json"
    for name in ("kubric:movi", "huggingface:mnist", "gs://bucket/mnist", "http://a/b", "../x"):
        config.write_text(json.dumps({"dataset": name}))
        text = refusal(invoke("train", "--config", config, "--run-dir", tmp_path / "run"), 2)
        assert f"names the dataset {name!r}, whose code" in text
    assert not (tmp_path / "run").exists()


# -- a run is resumed ------------------------------------------------------------------------------


@pytest.fixture
def own_run(tmp_path, original, program, monkeypatch):
    """The user's own unfinished run by the user's own rule, in a process of another day."""
    forget(monkeypatch)
    shutil.copytree(original / "state", os.environ["XDG_STATE_HOME"])
    return shutil.copytree(original / "run", tmp_path / "run")


def resumed(run):
    return invoke("train", "--resume", run, "--no-export")


def test_the_users_own_run_goes_on_without_naming_the_file(own_run, program):
    assert "resumed after epoch 1 of 2" in succeeded(resumed(own_run))
    assert program[1]() >= 1


def test_a_run_and_its_checkpoints_have_the_hash_of_the_file(own_run, program):
    digest = own.file_digest(program[0])
    assert read_json(own_run / "versions.json")["rule_sha256"] == digest
    from zipfile import ZipFile

    with ZipFile(own_run / "last.keras") as archive:
        about = json.loads(archive.read("dtp_tf.json"))
    assert about["versions"]["rule_sha256"] == digest


def changed_file(run, place, monkeypatch):
    with open(place.rpartition(":")[0], "a") as file:
        file.write("# changed\n")
    return "whose file has changed since"


def of_an_older_version(run, place, monkeypatch):
    versions = read_json(run / "versions.json")
    write_json(run / "versions.json", {k: v for k, v in versions.items() if k != "rule_sha256"})
    return "of whose file it has no record"


def of_another_user(run, place, monkeypatch):
    monkeypatch.setattr(own_rules.os, "getuid", lambda: os.stat(run).st_uid + 1)
    return "belongs to another user"


def of_a_stranger(run, place, monkeypatch):
    """As unpacked from an archive: with this user's id, and the right hash of the file in it."""
    forget(monkeypatch, user=True)
    return "whose file you have not named in a call before"


@pytest.mark.parametrize(
    "change", [changed_file, of_an_older_version, of_another_user, of_a_stranger]
)
def test_a_run_must_be_named_its_file_where_it_is(change, own_run, program, monkeypatch):
    place, runs = program
    reason = change(own_run, place, monkeypatch)
    text = refusal(resumed(own_run), 2)
    assert text.startswith(f"Error: {own_run} was trained by the rule {place!r}, ")
    assert f"{reason}: if you trust it, add --rule {place}." in text
    assert runs() == 0
    monkeypatch.undo()
    succeeded(invoke("train", "--resume", own_run, "--no-export", "--rule", place))
    assert runs() >= 1


def test_a_run_without_an_epoch_runs_no_strangers_file_either(own_run, program, monkeypatch):
    (own_run / "last.keras").unlink()
    forget(monkeypatch, user=True)
    assert "have not named in a call before" in refusal(resumed(own_run), 2)
    assert program[1]() == 0


def test_a_home_that_cannot_be_written_costs_only_naming_the_file_again(
    tmp_path, program, monkeypatch
):
    place, runs = program
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file" / "below"))
    train(tmp_path / "run", rule=place, callbacks=[StopAfter(1)], **SETTINGS)
    assert "have not named in a call before" in refusal(resumed(tmp_path / "run"), 2)


def test_a_comparison_of_the_users_own_rule_goes_on_and_a_strangers_is_not_begun(
    tmp_path, program, monkeypatch
):
    """What the folder of a comparison holds names nothing: the call's --rules does."""
    place, runs = program
    settings = flags({"units": (8, 8), "epochs": 1, "batch_size": 64})
    words = ["compare", "digits", "--seeds", "1", "--out", tmp_path / "c", *settings]
    succeeded(invoke(*words, "--rules", f"bp,{place}"))
    (tmp_path / "c" / "evil_Evil-0" / "metrics.json").unlink()
    forget(monkeypatch, user=True)
    before = runs()
    succeeded(invoke(*words, "--rules", "bp"))
    assert runs() == before
    succeeded(invoke(*words, "--rules", place))
    assert runs() > before


def test_in_a_process_of_its_own_nothing_of_a_stranger_is_run(foreign, program, tmp_path):
    code = (
        "import sys, dtp_tf\nfrom dtp_tf.sharing.opening import open_model\n"
        "try: open_model(sys.argv[1])\nexcept dtp_tf.errors.SettingError: print('refused')"
    )
    assert python("-c", code, foreign, cwd=tmp_path, env=environment()) == "refused\n"
    assert program[1]() == 0
    assert file_of(program[0]).is_file()
    assert dtp_tf.rules.find_rule(program[0]).__name__ == "Evil"
