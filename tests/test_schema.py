"""What comes from outside is checked once, and what is wrong with it is said in one sentence."""

import json
import subprocess
import sys

import pytest

from dtp_tf.errors import UserError
from dtp_tf.files import read_json
from dtp_tf.schema import (
    BOOLEAN,
    COUNT,
    NUMBER,
    POSITIVE,
    SHARE,
    TEXT,
    by_name,
    check,
    check_plain,
    listed,
    mapping,
    maybe,
    parse_json,
)

LOG = mapping({"history": listed(mapping({"val_accuracy": SHARE}, {"loss": maybe(NUMBER)}))})
PLACE = "history[0].val_accuracy"


def refused(content, schema=LOG):
    with pytest.raises(UserError) as error:
        given = content if isinstance(content, (str, bytes)) else json.dumps(content)
        parse_json(given, "x", schema)
    return str(error.value)


def test_what_looks_as_it_should_is_returned():
    content = {"history": [{"val_accuracy": 0.5, "loss": None}, {"val_accuracy": 1, "new": "?"}]}
    assert parse_json(json.dumps(content), "x", LOG) == content
    assert parse_json(json.dumps(content).encode("utf-8-sig"), "x", LOG) == content


@pytest.mark.parametrize(
    "content, said",
    [
        ([], "it must be a mapping, got []."),
        ({}, "it lacks 'history'."),
        ({"history": {}}, "history must be a list, got {}."),
        ({"history": [{"val_accuracy": 0}, {}]}, "history[1] lacks 'val_accuracy'."),
        ({"history": [{"val_accuracy": True}]}, f"{PLACE} must be a number, got True."),
        ({"history": [{"val_accuracy": "1"}]}, f"{PLACE} must be a number, got '1'."),
        ({"history": [{"val_accuracy": 2}]}, f"{PLACE} must be at most 1, got 2."),
        (
            {"history": [{"val_accuracy": 0, "loss": []}]},
            "history[0].loss must be a number or null, got [].",
        ),
    ],
)
def test_the_place_is_named_with_what_was_expected_and_what_arrived(content, said):
    assert refused(content) == f"x is damaged: {said}"


@pytest.mark.parametrize(
    "content, said",
    [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("{", "Expecting property name"),
        ('{"a": 1, "b": 2, "a": 1}', "'a' is there twice"),
        ('{"a": NaN}', "in a nan is no finite number"),
        ('{"a": [1, -Infinity]}', "in a[1] -inf is no finite number"),
        ('{"a": 1e400}', "in a inf is no finite number"),
        ('{"a": ' + "1" * 30 + "}", "is too large a number"),
        ('{"a": -' + "1" * 5000 + "}", "is too large a number"),
        ('{"a": "\\ud800"}', r"in a '\ud800' is no text"),
        ('{"\\udfff": 1}', r"the key '\udfff' is no text"),
        ("[" * 5000 + "]" * 5000, "nested more than 100 deep"),
        ("[" * 200_000 + "]" * 200_000, "nested more than 100 deep"),
        ("[" * 102 + "]" * 102, "nested more than 100 deep"),
        (b"\xff\xfe{\x00}\x00", "it is no UTF-8 text, at byte 0; save it as UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "no UTF-8 text"),
        (b'{"a": "\xff"}', "no UTF-8 text, at byte 7"),
        (b"\x00", "Expecting value"),
    ],
)
def test_what_json_has_or_python_takes_but_nothing_can_use_is_refused(content, said):
    message = refused(content, {})
    assert message.startswith("x is damaged: ") and said in message and message.endswith(".")
    assert len(message) < 200


def test_nan_is_let_through_where_it_is_asked_for():
    assert parse_json("[Infinity]", "x", {}, nan=True) == [float("inf")]


@pytest.mark.slow
def test_aliases_that_multiply_are_counted():
    content = [0] * 10
    for _ in range(10):
        content = [content] * 10
    with pytest.raises(UserError, match="more than 5,000,000 values"):
        check_plain(content, "x")


@pytest.mark.parametrize("value", [True, 1.0, "1", None, [1], {}, -1])
def test_a_count_is_a_whole_number_only(value):
    with pytest.raises(UserError):
        check(value, COUNT, "x")
    check(0, COUNT, "x")


def test_names_may_be_any_and_their_values_of_one_kind():
    check({"a": 1, "ü b": 2}, by_name(POSITIVE), "x")
    with pytest.raises(UserError, match=r"\['ü b'\] must be at least 1, got 0"):
        check({"a": 1, "ü b": 0}, by_name(POSITIVE), "x")


def test_what_is_long_is_shortened_and_control_sequences_are_escaped():
    message = refused({"history": "\x1b[31m" + "a" * 1000})
    assert "\x1b" not in message and len(message) < 200
    message = refused({"history": [{"val_accuracy": {"a" * 1000: ["b" * 1000] * 100}}]})
    assert len(message) < 300


def test_lists_from_python_may_be_tuples():
    check({"history": ({"val_accuracy": 0.1},)}, LOG, "x")
    with pytest.raises(UserError, match="at least 2, got"):
        check((True,), listed(BOOLEAN, at_least=2), "x")
    check(None, maybe(TEXT), "x")


def test_a_file_is_named_by_its_path(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[]")
    with pytest.raises(UserError, match="a.json is damaged: it must be a mapping"):
        read_json(path, mapping({}))
    with pytest.raises(UserError, match="cannot read"):
        read_json(tmp_path, {})


def test_the_library_is_imported_when_something_is_checked():
    code = "import sys, dtp_tf.commands.main; sys.exit('jsonschema' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
