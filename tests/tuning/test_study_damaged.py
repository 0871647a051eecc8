"""A study and its journal are checked when they are opened, and what is wrong is named."""

import json

import pytest

pytest.importorskip("optuna")

from helpers import TINY  # noqa: E402

import dtp_tf  # noqa: E402
from dtp_tf.errors import UserError  # noqa: E402
from dtp_tf.tuning.search_space import SearchSpace  # noqa: E402
from dtp_tf.tuning.shared_study import SharedStudy  # noqa: E402

VERSIONS = dict.fromkeys(("dtp_tf", "keras", "tensorflow", "python", "device"), "1")
DATA = {"name": "digits", "training_images": 9, "validation_images": 3, "test_images": None}
RESULT = {"data": DATA, "versions": VERSIONS, "validation_accuracy": 0.5, "epochs": 1}


@pytest.fixture
def folder(tmp_path):
    """A study with a finished trial."""
    space, _ = SearchSpace.from_plain({"noise": {"low": 0.1, "high": 0.5}})
    study = SharedStudy.create(tmp_path / "study", dtp_tf.recipe("digits", **TINY), space)
    trial = study.take(1)
    trial.report(1, 0.5)
    trial.finish(0.5, RESULT)
    SharedStudy(study.folder)
    return study.folder


def refused(folder):
    with pytest.raises(UserError) as error:
        SharedStudy(folder)
    message = str(error.value)
    assert "\n" not in message and message.endswith(".") and str(folder) in message
    return message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "it must be a mapping"), ({}, "it lacks 'recipe'"),
        ({"recipe": {}, "search": []}, "search must be a mapping"),
        ({"recipe": {"epochs": "x"}, "search": {}}, "does not fit this version"),
        ({"recipe": {}, "search": {"noise": {"low": 1}}}, "does not fit this version"),
    ],
)  # fmt: skip
def test_a_damaged_study_is_named(folder, content, said):
    (folder / "study.json").write_text(json.dumps(content))
    assert "study.json" in refused(folder) and said in refused(folder)


def change(folder, choose, **changes):
    """Change the records of the journal that `choose` picks."""
    path, lines = folder / "journal.log", []
    for line in path.read_text().splitlines():
        record = json.loads(line)
        lines.append(json.dumps({**record, **changes} if choose(record) else record))
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (3, "result must be a mapping, got 3"),
        ({**RESULT, "validation_accuracy": "0.5"}, "result.validation_accuracy must be a number"),
        ({**RESULT, "validation_accuracy": 50}, "must be at most 1, got 50"),
        ({**RESULT, "data": {}}, "result.data lacks 'name'"),
        ({**RESULT, "epochs": None}, "result.epochs must be a whole number"),
        ({**RESULT, "seconds": float("nan")}, "nan is no finite number"),
        ({**RESULT, "diverged": 1}, "result.diverged must be text"),
    ],
)
def test_the_damaged_result_of_a_trial_is_named(folder, result, said):
    change(folder, lambda one: "result" in one.get("user_attr", {}), user_attr={"result": result})
    assert said in refused(folder)


@pytest.mark.parametrize("number", ["1", 0, 1.5, None, 10**30])
def test_the_damaged_number_of_a_trial_is_named(folder, number):
    change(folder, lambda one: "number" in one.get("user_attr", {}), user_attr={"number": number})
    change(folder, lambda one: "user_attrs" in one, user_attrs={"number": number, "attempt": 1})
    refused(folder)


@pytest.mark.parametrize(
    "record",
    [
        {}, [], 3, None, {"op_code": 99, "worker_id": "x"}, {"op_code": 5, "worker_id": "x"},
        {"op_code": 4, "worker_id": "x", "study_id": 0, "distributions": {"a": "b"}},
    ],
)  # fmt: skip
def test_a_record_that_optuna_cannot_read_is_refused(folder, record):
    path = folder / "journal.log"
    path.write_text(path.read_text() + json.dumps(record) + "\n")
    assert "journal.log is damaged" in refused(folder)


def test_a_parameter_that_is_not_searched_is_named(folder):
    study = json.loads((folder / "study.json").read_text())
    study["search"] = {"target_step": {"low": 0.1, "high": 0.5}}
    (folder / "study.json").write_text(json.dumps(study))
    assert "'noise' is a parameter that is not searched" in refused(folder)


def test_a_last_record_that_is_nested_without_end_is_refused(folder):
    path = folder / "journal.log"
    path.write_text(path.read_text() + '{"x":' * 100_000 + "1" + "}" * 100_000 + "\n")
    assert "journal.log is damaged" in refused(folder)


@pytest.mark.parametrize("value", [[0.2], "0.2", 0.7, None])
def test_a_parameter_that_the_search_cannot_draw_is_named(folder, value):
    change(folder, lambda one: "param_value_internal" in one, param_value_internal=value)
    assert "'noise' cannot be" in refused(folder)


def test_a_list_among_choices_is_a_parameter_that_the_search_can_draw(tmp_path):
    space, _ = SearchSpace.from_plain({"units": {"choices": [[16, 12], [8]]}})
    study = SharedStudy.create(tmp_path / "study", dtp_tf.recipe("digits", **TINY), space)
    trial = study.take(1)
    trial.report(1, 0.5)
    trial.finish(0.5, RESULT)
    SharedStudy(study.folder)
