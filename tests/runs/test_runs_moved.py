"""A run whose folder is moved while it trains writes into no folder that takes its place."""

import keras
import pytest
from helpers import TINY, invoke, succeeded, train

from dtp_tf.errors import UserError


class Replace(keras.callbacks.Callback):
    """Moves the run away at the end of an epoch, and perhaps puts another folder in its place."""

    def __init__(self, run, epoch, with_another):
        super().__init__()
        self.run, self.epoch, self.with_another = run, epoch, with_another

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            self.run.rename(self.run.with_name("moved"))
            if self.with_another:
                self.run.mkdir()
                (self.run / ".lock").write_text("1 on elsewhere")
                (self.run / "metrics.json").write_text("another's")


@pytest.mark.parametrize("epoch", [0, 1], ids=["within the training", "after its last epoch"])
@pytest.mark.parametrize("with_another", [True, False])
def test_nothing_is_written_into_what_took_the_place_of_a_run(tmp_path, epoch, with_another):
    run = tmp_path / "run"
    with pytest.raises(UserError, match="is not the folder of this training any more"):
        train(run, callbacks=[Replace(run, epoch, with_another)], **{**TINY, "epochs": 2})
    if with_another:
        found = {path.name: path.read_text() for path in run.iterdir()}
        assert found == {".lock": "1 on elsewhere", "metrics.json": "another's"}
    else:
        assert not run.exists()


@pytest.mark.slow
def test_a_run_that_was_moved_is_resumed_where_it_is_now(tmp_path):
    run = tmp_path / "run"
    with pytest.raises(UserError):
        train(run, callbacks=[Replace(run, 0, True)], **{**TINY, "epochs": 2})
    said = succeeded(invoke("train", "--resume", tmp_path / "moved", "--no-export"))
    assert "resumed after epoch 1 of 2" in said
