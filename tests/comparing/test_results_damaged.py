"""What a run has left is checked before a table is made of it."""

import json
import shutil

import pytest
from helpers import trained

from dtp_tf.comparing.results import Result, read_log
from dtp_tf.errors import UserError

HEAD = "epoch,loss,val_accuracy,val_loss,seconds\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "1,x,0.5,1,2", "could not convert string to float: 'x'"),
        (HEAD + "1,2,,1,2", "[0].val_accuracy must be a number, got None"),
        (HEAD + "1,2", "[0].val_accuracy must be a number, got None"),
        (HEAD + "1,2,nan,1,2", "in [0].val_accuracy nan is no finite number"),
        (HEAD + "1,2,0.5,1,2\n2,1e400,0.5,1,2", "in [1].loss inf is no finite number"),
        (HEAD + "1,2,0.5,1,2,9", "[0] must be a name for every value"),
        ("epoch,loss\n1,0.5", "[0] lacks 'val_accuracy'"),
        ("\udcff", "no UTF-8 text"),
        (HEAD + '1,"2', "[0].val_accuracy must be a number"),
    ],
)
def test_a_damaged_log_is_named_by_its_place(tmp_path, text, said):
    path = tmp_path / "log.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError) as error:
        read_log(path)
    assert str(error.value).startswith(f"{path} is damaged: ") and said in str(error.value)


def test_an_empty_log_and_one_with_a_byte_order_mark_are_logs(tmp_path):
    path = tmp_path / "log.csv"
    assert read_log(path) == []
    path.write_text(HEAD)
    assert read_log(path) == []
    path.write_text(HEAD + "1,2,0.5,,3\n", encoding="utf-8-sig")
    assert read_log(path) == [
        {"epoch": 1.0, "loss": 2.0, "val_accuracy": 0.5, "val_loss": None, "seconds": 3.0}
    ]


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("test",), [], "test must be a mapping, got []"),
        (("test", "accuracy"), "0.9", "test.accuracy must be a number, got '0.9'"),
        (("test", "accuracy"), 90, "test.accuracy must be at most 1, got 90"),
        (("test", "accuracy"), True, "test.accuracy must be a number, got True"),
        (("validation", "per_class", "3"), "x", "validation.per_class['3'] must be a number"),
        (("interrupted",), 0, "interrupted must be true or false, got 0"),
        (("epochs",), 0, "epochs must be at least 1, got 0"),
        (("conditions",), None, "conditions must be a mapping, got None"),
        (("conditions", "data", "test_images"), -1, "must be at least 0, got -1"),
        (("conditions", "device"), None, "conditions.device must be text, got None"),
    ],
)
def test_damaged_metrics_are_named_by_their_place(tmp_path, place, value, said):
    run = shutil.copytree(trained()[0], tmp_path / "run")
    content = json.loads((run / "metrics.json").read_text())
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (run / "metrics.json").write_text(json.dumps(content))
    with pytest.raises(UserError) as error:
        Result.of(run)
    assert f"{run / 'metrics.json'} is damaged: " in str(error.value) and said in str(error.value)


@pytest.mark.parametrize("content", ["[]", '{"seed": 1, "seed": 2}', "{", '{"epochs": "x"}'])
def test_a_damaged_config_is_named(tmp_path, content):
    run = shutil.copytree(trained()[0], tmp_path / "run")
    (run / "config.json").write_text(content)
    with pytest.raises(UserError, match="config.json (is damaged|does not fit)"):
        Result.of(run)


def test_damaged_versions_of_a_run_that_diverged_are_named(tmp_path):
    run = shutil.copytree(trained()[0], tmp_path / "run")
    (run / "metrics.json").unlink()
    (run / "diverged.json").write_text("{}")
    assert Result.of(run).row()["status"] == "diverged"
    (run / "versions.json").write_text('{"dtp_tf": 3}')
    with pytest.raises(UserError, match="versions.json is damaged: it lacks"):
        Result.of(run).row()
