"""From the labels of records to class names and numbers."""

import numpy as np
import pytest

from dtp_tf.data.record_labels import class_numbers_of
from dtp_tf.errors import UserError


def numbered(labels, classes=None):
    names, numbers = class_numbers_of(labels, classes, lambda i: f"record {i}")
    assert numbers.dtype == np.int32
    return names, numbers.tolist()


def test_names_are_numbered_in_the_order_of_the_alphabet_or_of_the_recipe():
    assert numbered(["dog", "cat", "dog"]) == (("cat", "dog"), [1, 0, 1])
    assert numbered(["dog", "cat"], ("dog", "cat", "fox")) == (("dog", "cat", "fox"), [0, 1])


def test_numbers_stay_and_count_the_classes_unless_the_recipe_says_more(tmp_path):
    assert numbered([2, 0]) == (("0", "1", "2"), [2, 0])
    assert numbered([1, 0], ("4",)) == (("0", "1", "2", "3"), [1, 0])
    (tmp_path / "names.txt").write_text("cat\n\n dog \n")
    assert numbered([1, 0], (str(tmp_path / "names.txt"),)) == (("cat", "dog"), [1, 0])


@pytest.mark.parametrize(
    "labels, classes, said",
    [
        ([0, "cat"], None, "record 0 has 0, record 1 has 'cat'"),
        (["cat", "cat"], None, "needs at least two"),
        ([0, 5], ("3",), "record 1 has the label 5, and there are 3 classes"),
        ([0, 10**9], None, "record 1 has the label 1,000,000,000"),
        (["cat", "dog"], ("2",), "`classes` must be names"),
        ([0, 1], ("no/such.txt",), "class names no/such.txt cannot be read"),
    ],
)
def test_labels_that_are_no_classes_are_refused_by_their_place(labels, classes, said):
    with pytest.raises(UserError, match=said):
        numbered(labels, classes)
