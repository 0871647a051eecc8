"""Whatever a file that the commands read looks like, they end well or with one sentence.

`benchmarks/fuzz.py` runs thousands of such inputs.
"""

import json
import random
import types

import fuzz
import fuzz_changes
import pytest


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    path = tmp_path_factory.mktemp("templates")
    fuzz.make_templates(path)
    return path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of what other packages think of damaged files
def test_damaged_files_and_odd_flags_are_one_sentence(home, tmp_path):
    assert fuzz.run_inputs(home, "suite", range(40), tmp_path) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("target", list(fuzz.TARGETS))
def test_every_command_takes_the_file_that_nobody_changed(home, tmp_path, monkeypatch, target):
    monkeypatch.setattr(fuzz, "TARGETS", {target: fuzz.TARGETS[target]})
    monkeypatch.setattr(fuzz, "changed", lambda path, draw: None)
    monkeypatch.setattr(fuzz, "STOP", 100)  # the machine may be busy
    outcome = fuzz.run_input(home, "unchanged", 0, tmp_path)["outcome"]
    refused = ("flag", "layers", "rules yaml", "rules json", "own evaluate", "own export")
    assert outcome in (("ok 1", "ok 2") if target in refused else ("ok 0", "slow"))


def test_an_input_is_the_same_each_time():
    text = json.dumps({"a": [1, 2, {"b": "c"}], "d": None})
    for kind in ("json", "yaml", "csv", "journal"):
        change = getattr(fuzz_changes, f"changed_{kind}")
        made = [[change(text, random.Random(seed)) for seed in range(50)] for _ in range(2)]
        assert made[0] == made[1] and len(set(made[0])) > 10
    raw = [fuzz_changes.changed_bytes(text.encode(), random.Random(seed)) for seed in range(50)]
    assert len(set(raw)) > 30


def ended(code, stderr="", error=None):
    return types.SimpleNamespace(exit_code=code, stderr=stderr, exception=error)


def test_only_a_good_end_or_one_sentence_is_well():
    sentence = "Usage: x\n\nError: a thing is wrong.\n"
    assert fuzz.judge(ended(0)) == "ok 0"
    assert fuzz.judge(ended(1, sentence, SystemExit(1))) == "ok 1"
    assert fuzz.judge(ended(1, error=KeyError("x"))).startswith("traceback KeyError")
    assert fuzz.judge(ended(1, "something else\n", SystemExit(1))).startswith("no sentence")
    assert fuzz.judge(ended(3, sentence, SystemExit(3))).startswith("no sentence 3")
    assert fuzz.judge(ended(1, sentence * 2, SystemExit(1))).startswith("no sentence")
    assert fuzz.judge(ended(1, "Error: \x1b[31mred.\n", SystemExit(1))).startswith("odd sentence")


def test_a_run_goes_on_behind_what_it_has_and_counts_its_crashes(tmp_path, monkeypatch, capsys):
    seen = []

    def run_input(home, seed, number, out):
        seen.append(number)
        return {"input": number, "target": "x", "file": "x", "outcome": "ok 0", "seconds": 0}

    monkeypatch.setattr(fuzz, "run_input", run_input)
    monkeypatch.setattr(fuzz, "make_templates", lambda home: None)
    monkeypatch.setattr("sys.argv", ["fuzz", "--inputs", "3", "--out", str(tmp_path)])
    fuzz.main()
    (tmp_path / "part-1-1" / "begun").write_text("3")
    monkeypatch.setattr("sys.argv", ["fuzz", "--inputs", "6", "--out", str(tmp_path)])
    fuzz.main()
    assert seen == [0, 1, 2, 4, 5]
    assert "6 inputs, 1 bad" in capsys.readouterr().out
