"""How often a state within an epoch is written is said in words, and what they mean is kept to."""

import pytest
from helpers import invoke, refusal

import dtp_tf
from dtp_tf.errors import SettingError
from dtp_tf.machines.checkpoint_every import CheckpointEvery

WORDS = {
    "500": (500, None),
    "500steps": (500, None),
    "1 step": (1, None),
    500: (500, None),
    "30s": (None, 30),
    "10min": (None, 600),
    "10 minutes": (None, 600),
    "0.5h": (None, 1800),
    "2h": (None, 7200),
    "epoch": (None, None),
    None: (None, 600),
}


@pytest.mark.parametrize("words", WORDS)
def test_words_are_steps_or_a_time(words):
    every = CheckpointEvery.parse(words)
    assert (every.steps, every.seconds) == WORDS[words]
    assert CheckpointEvery.parse(str(every)) == every


@pytest.mark.parametrize(
    "words",
    ["", "0", "0s", "-1", "1.5", "1.5steps", "10parsecs", "min", "nan", "inf", "1e3", "9" * 5000,
     "9" * 5000 + "s", 0, True, 2.5, "epochs", "١٠"],
)  # fmt: skip
def test_other_words_are_refused_with_what_would_do(words):
    with pytest.raises(SettingError, match=r"`checkpoint_every` must be .*; got ") as caught:
        CheckpointEvery.parse(words)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("command", ["train", "compare", "tune"])
def test_every_command_that_trains_takes_them_and_refuses_others_at_once(command):
    text = refusal(invoke(command, "digits", "--checkpoint-every", "often"), 2)
    assert "`checkpoint_every` must be a number of steps from 1 (500, 500steps)" in text


def test_python_refuses_them_before_anything_is_made(tmp_path):
    for call in (dtp_tf.compare, dtp_tf.tune):
        with pytest.raises(SettingError, match="checkpoint_every"):
            call("digits", out=tmp_path / "out", checkpoint_every="often")
    with pytest.raises(SettingError, match="checkpoint_every"):
        dtp_tf.train("digits", run_dir=tmp_path / "run", checkpoint_every="often")
    assert not list(tmp_path.iterdir())
