"""What a run keeps of an epoch that goes on is used where it fits, and said."""

import io
import os
import shutil
import signal

import pytest
from helpers import At, digits, invoke, log_rows, refusal, tiny
from rich.console import Console

import dtp_tf
from dtp_tf.errors import UserError
from dtp_tf.runs.folder import Run
from dtp_tf.runs.models import load_model, save_model
from dtp_tf.training.resuming import last_state


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """(a run that was stopped in its second epoch, what it said)."""
    run, text = tmp_path_factory.mktemp("stopped") / "run", io.StringIO()
    stop = At(1, 3, lambda network: os.kill(os.getpid(), signal.SIGINT))
    dtp_tf.train(
        "digits", rule="bp", run_dir=run, export_dir=None, callbacks=[stop],
        console=Console(file=text, width=300), **{**tiny("bp"), "batch_size": 120, "units": (8,)},
    )  # fmt: skip
    return run, text.getvalue()


@pytest.fixture
def copy(stopped, tmp_path):
    return shutil.copytree(stopped[0], tmp_path / "run")


def change(run, **about):
    """Change what the state within the epoch says."""
    saved = load_model(run / "unfinished.keras")
    save_model(saved.model, run / "unfinished.keras", {**saved.about, **about})


def place(saved):
    return len(saved.about["history"]), saved.about.get("unfinished", {}).get("done")


@pytest.mark.slow
def test_a_stop_says_where_the_run_goes_on_and_leaves_its_finished_epochs(stopped):
    run, said = stopped
    words = f"interrupted after epoch 1; --resume {run} continues in epoch 2 after 4 of 9 batches"
    assert words in said
    assert [row["epoch"] for row in log_rows(run)] == ["1"]
    assert place(load_model(run / "last.keras")) == (1, None)
    assert place(Run(run).load_checkpoint()) == (1, 4)


@pytest.mark.slow
def test_a_state_within_an_epoch_that_was_finished_since_is_left_alone(copy):
    change(copy, history=[])  # a kill came before it was removed
    assert place(Run(copy).load_checkpoint()) == (1, None)


@pytest.mark.slow
def test_without_a_finished_epoch_the_state_within_the_first_is_what_there_is(copy):
    (copy / "last.keras").unlink()
    assert place(Run(copy).load_checkpoint()) == (1, 4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", [{"metrics": []}, {"metrics": [[1.0]]}, {"done": 9}, {"passes": 2}, {"rates": []}]
)
def test_a_state_that_does_not_fit_is_refused_in_one_sentence(copy, fault):
    unfinished = load_model(copy / "unfinished.keras").about["unfinished"]
    change(copy, unfinished={**unfinished, **fault})
    text = refusal(invoke("train", "--resume", copy, "--no-export"), 1)
    assert f"{copy / 'unfinished.keras'} is damaged" in text


@pytest.mark.slow
def test_an_epoch_whose_batches_are_others_now_begins_again_and_this_is_said(copy):
    data, text = digits(), io.StringIO()
    fewer = data.train.take(list(range(700)))
    data = type(data)(
        data.name, fewer, data.validation, data.test, data.class_names, data.test_origin
    )
    recipe, console = Run(copy).recipe(), Console(file=text, width=300)
    with pytest.raises(UserError, match="training_images was 1150, is 700"):
        last_state(Run(copy), recipe, data, False, console, True)
    assert place(last_state(Run(copy), recipe, data, True, console, True)) == (1, None)
    assert "training_images was 1150, is 700" in text.getvalue()
    assert "warning: epoch 2 begins again, for its batches are others now" in text.getvalue()
