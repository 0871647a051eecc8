"""A learning rule of a user's own, from a file: the example in the docs works, and errors speak."""

import json
import pathlib
import re
import shutil

import numpy as np
import pytest
from helpers import (
    REPO,
    TINY,
    StopAfter,
    arrays,
    assert_same_arrays,
    digits,
    flags,
    invoke,
    python,
    refusal,
    succeeded,
    train,
)

import dtp_tf
from dtp_tf.errors import SettingError
from dtp_tf.files import read_json
from dtp_tf.network.batch import Batch
from dtp_tf.recipes.recipe import RULE_SETTINGS, RULES, recipe
from dtp_tf.rules import DTP, find_rule
from dtp_tf.runs.models import load_model
from dtp_tf.training.building import build_network, build_rule

PAGE = (REPO / "docs/rules.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"```python\n(\"\"\"normalised.*?)```", PAGE, re.DOTALL)
SETTINGS = {**TINY, "epochs": 1, "target_step": 0.05}

PLAIN = """
import dtp_tf


class Mine(dtp_tf.rules.DTP):
    pass
"""


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


# -- the page --------------------------------------------------------------------------------------


def test_the_table_of_the_page_has_every_rule_with_the_settings_that_it_takes():
    groups = {
        "trained": re.search(r'"trained" for (.*?);', PAGE, re.DOTALL)[1],
        "scheduled": re.search(r'"scheduled" stands for (.*?);', PAGE, re.DOTALL)[1],
        "inverses": re.search(r'"inverses" for (.*?)\.', PAGE, re.DOTALL)[1],
    }
    found = {}
    for line in PAGE.splitlines():
        if line.startswith("| `"):
            rule, *_, settings = [cell.strip() for cell in line.strip("|").split(" | ")]
            for group, names in groups.items():
                settings = settings.replace(group, names)
            found[rule.strip("`")] = set(re.findall(r"`(\w+)`", settings))
    assert found == {rule: set(settings) for rule, settings in RULES.items()}
    assert list(found) == list(RULES)


def test_the_files_that_the_page_names_are_real():
    for file in re.findall(r"`(dtp_tf/[\w/.]+)`", PAGE):
        assert (REPO / file).is_file(), file


def test_the_example_of_the_page_fits_its_commands():
    name = re.search(r"^class (\w+)", EXAMPLE, re.MULTILINE)[1]
    file = re.search(r'^"""([\w.]+):', EXAMPLE)[1]
    assert f"--rule {file}:{name} " in PAGE
    assert f'find_rule("{file}:{name}")' in PAGE
    assert max(map(len, EXAMPLE.splitlines())) <= 100


# -- the example, from training to a checkpoint in another process ---------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with the example of the page."""
    folder = tmp_path_factory.mktemp("own")
    write(folder / "normalised.py", EXAMPLE)
    return folder


@pytest.fixture(scope="module")
def place(home):
    return f"{home / 'normalised.py'}:NormalisedDTP"


@pytest.fixture(scope="module")
def run(home, place):
    """The folder of a run with the example, trained by the command line."""
    settings = flags({**SETTINGS, "rule": place})
    words = ("--run-dir", home / "run", "--export-dir", home / "exported")
    succeeded(invoke("train", "digits", *settings, *words))
    return home / "run"


@pytest.mark.slow
def test_a_rule_from_a_file_trains_every_layer(run, place):
    assert read_json(run / "config.json")["rule"] == place
    trained = load_model(run / "last.keras")
    assert type(trained.model.rule).__name__ == "NormalisedDTP"
    assert trained.model.trained_feedback == [1]
    logs = trained.about["history"][0]
    assert {"local_loss_1", "local_loss_2", "inverse_loss_2"} <= set(logs)
    assert logs["val_accuracy"] > 0.3  # guesses are right in 10 %


@pytest.mark.slow
def test_the_first_target_of_the_example_is_a_step_of_the_length_that_it_says(run):
    network = load_model(run / "best.keras").model
    batch = Batch(network, digits().train.images[:20], digits().train.labels[:20])
    h, t = batch.h[2].numpy(), network.rule.targets(network, batch)[-1].numpy()
    np.testing.assert_allclose(
        np.linalg.norm(t - h, axis=1), 0.05 * np.linalg.norm(h, axis=1), rtol=1e-3
    )
    gradient = batch.top_gradient().numpy()
    cosine = np.sum((h - t) * gradient, axis=1)
    cosine /= np.linalg.norm(h - t, axis=1) * np.linalg.norm(gradient, axis=1)
    np.testing.assert_allclose(cosine, 1, atol=1e-4)


@pytest.mark.slow
def test_a_run_with_a_rule_from_a_file_is_evaluated_and_exported_like_any_other(run, tmp_path):
    expected = read_json(run / "metrics.json")["test"]
    for name in ("", "best.keras", "classifier.keras"):
        result = json.loads(succeeded(invoke("evaluate", run / name, "--json")))
        assert result["confusion_matrix"] == expected["confusion_matrix"]
    assert (run.parent / "exported" / "digits" / "1" / "saved_model.pb").is_file()
    exported = succeeded(invoke("export", run, "--export-dir", tmp_path, "--json"))
    assert pathlib.Path(json.loads(exported)["export"]).is_dir()


@pytest.mark.slow
def test_a_checkpoint_of_a_rule_from_a_file_opens_in_a_fresh_process(run, place, tmp_path):
    np.save(tmp_path / "images.npy", digits().test.images[:9])
    program = """
import sys
import keras
import numpy as np
from dtp_tf.rules import find_rule

find_rule(sys.argv[1])
network = keras.saving.load_model(sys.argv[2])
print(type(network.rule).__name__, network.rule.target_step)
np.save("scores.npy", network.predict(np.load("images.npy"), verbose=0))
"""
    printed = python("-c", program, place, run / "best.keras", cwd=tmp_path)
    assert printed.split() == ["NormalisedDTP", "0.05"]
    expected = load_model(run / "best.keras").model(digits().test.images[:9])
    np.testing.assert_allclose(np.load(tmp_path / "scores.npy"), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_the_commands_take_the_rule_of_a_run_in_a_process_of_their_own(run, place, tmp_path):
    words = ("evaluate", run, "--rule", place, "--json")
    result = json.loads(python(REPO / "cli.py", *words, cwd=tmp_path))
    expected = read_json(run / "metrics.json")["test"]
    assert result["confusion_matrix"] == expected["confusion_matrix"]


@pytest.mark.slow
def test_a_deterministic_run_with_a_rule_from_a_file_is_resumed_bit_by_bit(home, place, tmp_path):
    settings = {**SETTINGS, "rule": place, "epochs": 2, "deterministic": True}
    train(tmp_path / "whole", **settings)
    train(tmp_path / "run", callbacks=[StopAfter(1)], **settings)
    words = ("--resume", tmp_path / "run", "--rule", place, "--no-export")
    assert "resumed after epoch 1 of 2" in succeeded(invoke("train", *words))
    assert_same_arrays(
        arrays(tmp_path / "run" / "last.keras"), arrays(tmp_path / "whole" / "last.keras")
    )


# -- what a class gets and may be ------------------------------------------------------------------


def test_a_class_gets_the_settings_that_its_arguments_name_and_keeps_its_other_defaults(tmp_path):
    text = """
import dtp_tf


class Mine(dtp_tf.rules.TargetRule):
    def __init__(self, target_step, inverse_l2, share=0.5):
        super().__init__(target_step)
        self.inverse_l2, self.share = inverse_l2, share

    def targets(self, network, batch):
        return batch.h[1:-1]
"""
    place = f"{write(tmp_path / 'mine.py', text)}:Mine"
    rule = build_rule(recipe("digits", rule=place, target_step=0.25, inverse_l2=0.75), steps=10)
    assert (rule.target_step, rule.inverse_l2, rule.share) == (0.25, 0.75, 0.5)


def test_a_class_that_names_no_settings_gets_none(tmp_path):
    text = "from dtp_tf.rules import BP\n\n\nclass Mine(BP):\n    pass\n"
    settings = recipe("digits", rule=f"{write(tmp_path / 'mine.py', text)}:Mine", units=(8, 8))
    network = build_network(settings, digits())
    assert network.trained_feedback == network.inverted == []


def test_a_class_that_extends_a_rule_is_another_class_than_that_rule(tmp_path):
    place = f"{write(tmp_path / 'mine.py', PLAIN)}:Mine"
    network = build_network(recipe("digits", rule=place, units=(8, 8)), digits())
    network.save(tmp_path / "m.keras")
    again = dtp_tf.DTPNetwork.from_config(network.get_config())
    assert type(network.rule) is type(again.rule) is not DTP
    assert isinstance(network.rule, DTP)


def test_a_name_that_its_author_registered_is_kept(tmp_path):
    import keras

    text = PLAIN.replace("class", '@keras.saving.register_keras_serializable("author")\nclass')
    rule = find_rule(f"{write(tmp_path / 'mine.py', 'import keras' + text)}:Mine")
    assert keras.saving.get_registered_name(rule) == "author>Mine"


@pytest.mark.slow
def test_two_files_may_have_classes_of_one_name(tmp_path):
    runs = []
    for name, noise in (("a", 0.25), ("b", 0.5)):
        (tmp_path / name).mkdir()
        file = write(tmp_path / name / "mine.py", PLAIN + f"    of = {name!r}\n")
        settings = recipe("digits", rule=f"{file}:Mine", units=(8, 8), noise=noise)
        network = build_network(settings, digits())
        runs.append((name, network, settings))
    for name, network, settings in runs:
        dtp_tf.runs.models.save_model(
            network, tmp_path / f"{name}.keras", {"recipe": settings.to_dict()}
        )
    for name, _, settings in runs:
        rule = load_model(tmp_path / f"{name}.keras").model.rule
        assert (rule.of, rule.noise) == (name, settings.noise)


# -- what is wrong is said in one sentence ---------------------------------------------------------


WRONG = {
    "no class of the name": ("class Yours: pass", "has no class 'Mine' that extends"),
    "a class that is no rule": ("class Mine: pass", "has no class 'Mine' that extends"),
    "a rule that is no class": (PLAIN + "\n\nMine = Mine()\n", "has no class 'Mine' that extends"),
    "an empty file": ("", "has no class 'Mine' that extends dtp_tf.rules.Rule."),
    "a syntax error": ("\nclass Mine(:\n    pass\n", "fails with SyntaxError: "),
    "an exception": ("\n\nx = 1 / 0\n", "fails in line 3 with ZeroDivisionError: division by"),
    "a missing module": ("import nonsense_\n", "fails in line 1 with ModuleNotFoundError: No mod"),
    "no text": ("\x00", "fails with "),
    "an error of many lines": ("raise ValueError('a\\nb')", "with ValueError: a"),
    "a class without its methods": (
        "import dtp_tf\n\n\nclass Mine(dtp_tf.rules.FeedbackRule):\n    pass\n",
        "the class Mine lacks inverse_loss, targets, which",
    ),
    "a wrong setting of a rule": (
        "import dtp_tf\n\ndtp_tf.rules.DTP(target_step=0)\n", "`target_step` must be above 0",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_that_is_wrong_is_refused_before_a_run_is_made(case, tmp_path):
    text, expected = WRONG[case]
    place = f"{write(tmp_path / 'mine.py', text)}:Mine"
    result = invoke("train", "--rule", place, "--run-dir", tmp_path / "run")
    text = refusal(result, 2)
    assert text.startswith(f"Error: `rule` {place!r}: ")
    assert expected in text
    assert not text.endswith("..")
    assert not (tmp_path / "run").exists()


def test_the_line_of_an_error_is_told_for_a_relative_path_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "mine.py", "\n\nx = 1 / 0\n")
    with pytest.raises(SettingError, match="fails in line 3 with ZeroDivisionError"):
        find_rule("mine.py:Mine")


def test_a_missing_file_is_named(tmp_path):
    place = f"{tmp_path / 'mine.py'}:Mine"
    text = refusal(invoke("train", "--rule", place, "--run-dir", tmp_path / "run"), 2)
    assert text == f"Error: `rule` {place!r}: there is no file {tmp_path / 'mine.py'}."
    assert not list(tmp_path.iterdir())


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "mine.py").mkdir()
    text = refusal(invoke("train", "--rule", f"{tmp_path / 'mine.py'}:Mine"), 2)
    assert f"there is no file {tmp_path / 'mine.py'}" in text


@pytest.mark.slow
def test_a_file_that_was_moved_away_is_missed_and_found_again(run, tmp_path):
    """The run itself is left as it was."""
    copy = shutil.copytree(run, tmp_path / "run")
    file = write(tmp_path / "mine.py", EXAMPLE)
    config = {**read_json(copy / "config.json"), "rule": f"{file}:NormalisedDTP"}
    (copy / "config.json").write_text(json.dumps(config))
    for name in ("best.keras", "last.keras"):
        saved = load_model(copy / name)
        about = {**saved.about, "recipe": config}
        dtp_tf.runs.models.save_model(saved.model, copy / name, about)
    file.rename(tmp_path / "elsewhere.py")
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    text = refusal(invoke("train", "--resume", copy), 2)
    assert f"there is no file {file}." in text
    assert {path: path.read_bytes() for path in before} == before
    (tmp_path / "elsewhere.py").rename(file)
    succeeded(invoke("train", "--resume", copy, "--no-export"))


@pytest.mark.slow
def test_every_setting_may_be_given_to_a_rule_from_a_file(tmp_path):
    place = f"{write(tmp_path / 'mine.py', PLAIN)}:Mine"
    assert set(RULE_SETTINGS) >= set(RULES["dtp"])
    settings = recipe("digits", rule=place, noise="0.5,0.25", inverse_learning_rate="0.1,0.2")
    network = build_network(settings, digits())
    assert network.rule.noise == (0.5, 0.25)
    assert len(network.inverse_optimizer) == 2


def test_an_inverse_loss_without_the_inverse_is_refused_by_layer(tmp_path):
    text = """
import dtp_tf
from dtp_tf.rules.base import squared_error


class Mine(dtp_tf.rules.DTP):
    def inverse_loss(self, network, batch, layer, noise):
        return squared_error(batch.h[layer], noise(batch.h[layer]))
"""
    place = f"{write(tmp_path / 'mine.py', text)}:Mine"
    network = build_network(recipe("digits", rule=place, units=(8, 8)), digits())
    data = digits().train.images[:4], digits().train.labels[:4]
    with pytest.raises(SettingError, match="the inverse loss of layer 2 does not depend on"):
        network.train_step(data)
