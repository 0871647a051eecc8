"""Commands whose standard streams are closed, full, not read to the end, or not in UTF-8."""

import json
import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
from forking import FRESH
from helpers import REPO, TINY, environment, flags, invoke, trained
from PIL import Image

pytestmark = pytest.mark.slow  # each is a process of its own
CLI = shlex.join([sys.executable, str(REPO / "cli.py")])


def shell(command, cwd):
    """Run a line of the shell in which $CLI is the command line; return what it did."""
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command.replace('$CLI', CLI)}"],
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )


def evaluated(run):
    return json.loads(invoke("evaluate", run, "--json").stdout)


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-"])
def test_evaluate_does_its_work_with_closed_streams(tmp_path, closed):
    run = trained()[0]
    done = shell(f"$CLI evaluate {run} --json {closed}", tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout) == evaluated(run)


def test_evaluate_without_standard_output_ends_well(tmp_path):
    done = shell(f"$CLI evaluate {trained()[0]} >&-", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_mistake_without_standard_error_has_its_exit_code(tmp_path):
    assert shell("$CLI evaluate nothing 2>&-", tmp_path).returncode == 1
    assert shell("$CLI evaluate --nothing 2>&-", tmp_path).returncode == 2


def test_training_writes_whole_files_when_all_streams_are_closed(tmp_path):
    # What TensorFlow logs goes to the second descriptor, whatever file has it.
    words = shlex.join(["train", "digits", *flags(TINY), "--run-dir", "run"])
    done = shell(f"$CLI {words} <&- >&- 2>&-", tmp_path)
    assert done.returncode == 0
    assert evaluated(tmp_path / "run")["accuracy"] > 0.2
    assert json.loads((tmp_path / "run/metrics.json").read_text())["epochs"] == TINY["epochs"]


def test_a_comparison_without_standard_error_has_json_alone_on_standard_output(tmp_path):
    words = "compare digits --rules bp --seeds 1 --epochs 1 --units 8 --out c --json"
    done = shell(f"$CLI {words} 2>&-", tmp_path)
    assert done.returncode == 0
    assert json.loads(done.stdout)["complete"] is True


@pytest.mark.parametrize("words", ["recipes cifar10", "recipes --json", "presets mnist_mlp_dtp"])
def test_a_pipe_that_is_closed_early_ends_a_command_quietly(tmp_path, words):
    done = shell(f"$CLI {words} | head -1", tmp_path)
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""


@pytest.mark.parametrize("words", ["recipes cifar10", "--help", "recipes --json"])
def test_a_full_disk_behind_standard_output_is_one_sentence(tmp_path, words):
    done = shell(f"$CLI {words} > /dev/full", tmp_path)
    assert (done.returncode, done.stderr) == (1, b"Error: No space left on device.\n")


@pytest.fixture(scope="module")
def abroad(tmp_path_factory):
    """A folder with a folder of images whose class names have signs of several scripts."""
    home = tmp_path_factory.mktemp("abroad")
    draw = np.random.default_rng(0)
    for name in ("café", "日本語", r"$\foo$", "[x]", ":cat:"):
        (home / "images" / name).mkdir(parents=True)
        for number in range(8):
            pixels = draw.integers(0, 256, (6, 6), dtype=np.uint8)
            Image.fromarray(pixels).save(home / "images" / name / f"{number}.png")
    return home


@pytest.mark.parametrize(
    ("encoding", "python", "locale", "forms"),
    [
        ("ascii", FRESH, "C", [("--json",)]),
        ("cp1252", [sys.executable], None, [("--top", "5"), ("--json",)]),
    ],
)
def test_class_names_of_all_scripts_train_evaluate_and_predict_in_any_encoding(
    abroad, encoding, python, locale, forms
):
    env = {**environment(), "PYTHONIOENCODING": encoding, **({"LC_ALL": locale} if locale else {})}
    home = abroad / encoding
    home.mkdir()

    def run(*words):
        return subprocess.run(
            [*python, REPO / "cli.py", *words], cwd=home, env=env, capture_output=True
        )

    words = "train --image-folder ../images --epochs 1 --run-dir run --export-dir out"
    done = run(*words.split())
    assert (done.returncode, done.stderr) == (0, b"")
    for name in (rb"$\foo$", b"[x]", b":cat:", rb"\u65e5\u672c\u8a9e"):
        assert name in done.stdout
    for file in ("metrics.json", "confusion_matrix.png", "classifier.keras"):
        assert (home / "run" / file).is_file()
    assert os.listdir(home / "out")
    image = "../images/café/0.png"
    for form in forms:
        done = run("predict", "run", image, *form)
        # It may be an image that the network learned from, which is said.
        assert (done.returncode, b"".join(re.split(rb"note: .*\n", done.stderr))) == (0, b"")
    answers = json.loads(done.stdout)
    assert "café" in answers[0]["classes"] or len(answers[0]["classes"]) == 3
