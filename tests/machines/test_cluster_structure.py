"""TF_CONFIG of any structure describes a cluster, or is refused in one sentence."""

import json

import pytest

from dtp_tf.errors import UserError
from dtp_tf.machines.cluster import find_cluster

WHOLE = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}


def refused(text):
    with pytest.raises(UserError) as error:
        find_cluster({"TF_CONFIG": text if isinstance(text, str) else json.dumps(text)})
    message = str(error.value)
    assert "\n" not in message and message.startswith("TF_CONFIG ") and message.endswith("}}.")
    return message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cluster": ["a:1"]}, "cluster must be a mapping"),
        ({"cluster": {"worker": "a:1"}}, "cluster.worker must be a list, got 'a:1'"),
        ({"cluster": {"worker": {"0": "a:1"}}}, "cluster.worker must be a list"),
        ({"cluster": {"worker": [1, 2]}}, "cluster.worker[0] must be text, got 1"),
        ({"cluster": {"worker": [["a:1"]]}}, "cluster.worker[0] must be text"),
        ({"cluster": {}}, "is not in its cluster"),
        ({"cluster": {"\x1b[31m": []}}, r"a cluster of '\x1b[31m'"),
        ({"task": 3}, "task must be a mapping"),
        ({"task": {}}, "task lacks 'type'"),
        ({"task": {"type": "worker"}}, "task lacks 'index'"),
        ({"task": {"type": ["worker"], "index": 0}}, "task.type must be text"),
        ({"task": {"type": "worker", "index": 1.5}}, "task.index must be"),
        ({"task": {"type": "worker", "index": True}}, "task.index must be"),
        ({"task": {"type": "worker", "index": -1}}, "task.index must be at least 0"),
        ({"task": {"type": "worker", "index": "x"}}, "task.index must be"),
        ({"task": {"type": "worker", "index": "9" * 5000}}, "task.index must be"),
        ({"task": {"type": "worker", "index": 10**30}}, "too large a number"),
    ],
)
def test_a_wrong_structure_is_named_by_its_place(change, said):
    assert said in refused({**WHOLE, **change})


@pytest.mark.parametrize("text", ["x", "[" * 5000, "NaN", "{}" * 2, '{"task": 1, "task": 1}', "\0"])
def test_what_is_no_json_is_refused(text):
    assert "cannot be read" in refused(text)


def test_the_index_may_be_text_as_tensorflow_takes_it():
    task = {"type": "worker", "index": "1"}
    assert find_cluster({"TF_CONFIG": json.dumps({**WHOLE, "task": task})}).index == 1
