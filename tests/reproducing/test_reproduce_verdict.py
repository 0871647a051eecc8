"""Better, level and worse: right at the edges, for errors and for accuracies."""

import math
import statistics

import pytest

from dtp_tf.recipes.recipe import recipe
from dtp_tf.reproducing.differences import differences, in_words
from dtp_tf.reproducing.tables import find_table
from dtp_tf.reproducing.verdict import standard_error, verdict


def test_one_seed_has_the_error_of_the_test_set():
    assert standard_error([2.0], 10_000) == pytest.approx(0.14)  # sqrt(0.02 x 0.98 / 10,000)
    assert standard_error([98.0], 10_000) == pytest.approx(0.14)
    assert standard_error([0.0], 10_000) == 0


def test_several_seeds_have_the_larger_of_the_test_sets_and_the_means():
    close, far = [2.0, 2.01, 1.99], [1.0, 2.0, 3.0]
    assert standard_error(close, 10_000) == pytest.approx(0.14)
    assert standard_error(far, 10_000) == pytest.approx(statistics.stdev(far) / math.sqrt(3))


@pytest.mark.parametrize(
    "measured, said",
    [(1.86, "level"), (1.8599, "better"), (2.14, "level"), (2.1401, "worse"), (2.0, "level")],
)
def test_a_lower_error_is_better_and_the_edge_is_level(measured, said):
    assert verdict(measured, 2.0, 0.14, "error") == said


@pytest.mark.parametrize(
    "measured, said",
    [(98.14, "level"), (98.1401, "better"), (97.86, "level"), (97.8599, "worse"), (98.0, "level")],
)
def test_a_higher_accuracy_is_better_and_the_edge_is_level(measured, said):
    assert verdict(measured, 98.0, 0.14, "accuracy") == said


def test_without_any_error_only_the_same_figure_is_level():
    assert [verdict(one, 0.0, 0.0, "error") for one in (0.0, 0.01)] == ["level", "worse"]


# -- what is not as published ----------------------------------------------------------------------


def metrics(**data):
    facts = {"name": "mnist", "training_images": 50_000, **data}
    return {"conditions": {"data": facts, "chosen_by": "validation accuracy"}}


def said(row, made, found):
    return in_words(differences(row, row.trained(), made, found))


def test_nothing_is_said_of_a_run_that_is_as_published():
    row = find_table("lee").rows["dtp"]
    assert said(row, row.trained(seed=2), metrics()) == []
    assert said(row, row.trained(seed=2), None) == []


def test_what_differs_is_found_by_comparing_with_the_papers_settings_and_conditions():
    row = find_table("lee").rows["dtp"]
    made = row.trained().replace(epochs=40, target_step=row.trained().target_step * (1 + 1e-15))
    assert said(row, made, metrics(training_images=48_000)) == [
        "epochs 40 (published: 100)", "training_images 48000 (published: 50000)",
    ]  # fmt: skip
    ours = find_table("lee").rows["bp-ours"]
    words = in_words(differences(ours, row.trained(), recipe("mnist", rule="dtp"), None))
    assert "learning_rate 0.001 (published: 0.0148893)" in words
    assert "epochs 40 (published: 100)" in words


def test_a_shorter_variant_of_settings_that_no_paper_has_is_held_against_them_in_full():
    row = find_table("lee").rows["cifar10-ldrl"]
    assert said(row, row.trained(quick=True), None) == ["epochs 3 (in full: 75)"]
    bp = find_table("lee").rows["cifar10-bp"]
    assert said(bp, bp.trained(quick=True), None) == [
        "epochs 3 (in full: 75)", "flip true (published: false)", "crop 4 (published: 0)",
    ]  # fmt: skip
    told = find_table("lee").rows["discrete-bp"]
    assert said(told, told.trained(quick=True), None) == ["epochs 5 (published: 500)"]


def test_the_choice_of_the_epoch_stands_beside_a_figure_that_the_test_split_chose():
    row = find_table("bartunov-mnist").rows["bp"]
    (words,) = said(row, row.trained(), metrics())
    assert words.startswith("chosen_by validation accuracy (published: best test error of 500")


def test_a_precision_that_there_is_not_here_is_said():
    row = find_table("meulemans").rows["drl"]
    assert said(row, row.trained(), None) == ["precision float32 (published: float64)"]


def test_another_copy_of_a_known_set_is_told_by_the_size_of_its_files():
    row = find_table("lee").rows["dtp"]

    def of(size):
        splits = {"train": {"bytes": size - 1000}, "test": {"bytes": 1000}}
        return said(row, row.trained(), metrics(named={"version": "3.0.1", "splits": splits}))

    assert of(22_022_098) == []
    (words,) = of(23_000_000)
    assert words.startswith("copy of mnist 21.93 MiB, so the pixels may differ (published: 21.00")
