"""The page of a search has its history, what mattered, the best settings, and every trial."""

import pytest
import yaml
from helpers import invoke, refusal
from report_support import parts_of
from search_support import ACCURACIES, search, search_page

import dtp_tf
from dtp_tf.comparing.results import write_csv
from dtp_tf.recipes.recipe import Recipe
from dtp_tf.tuning.report import make_rows
from dtp_tf.tuning.shared_study import SharedStudy


@pytest.fixture(scope="module")
def page():
    return parts_of(search_page())


def test_the_best_trial_and_the_recipes_own_settings_are_at_the_top(page):
    best = 1 + ACCURACIES.index(max(ACCURACIES))
    assert f"The best trial is number {best} with a validation accuracy of 80.00%" in page.words
    assert "the recipe's own settings have 50.00%" in page.words


def test_history_importance_and_parallel_coordinates_are_drawn_with_words(page):
    for accuracy in ACCURACIES:
        assert any(f"{accuracy:.2%}" in alt for alt in page.alts if "best so far" in alt)
    assert any(alt.startswith("importance: ") and "noise" in alt for alt in page.alts)
    assert any("a line for each trial through its noise, units" in alt for alt in page.alts)


def test_the_best_settings_are_yaml_that_a_training_takes(page):
    (text,) = [text for text in page.text if text.startswith("# Trial")]
    settings = yaml.safe_load(text)
    best = dtp_tf.recipe(settings.pop("recipe"), **settings)
    assert isinstance(best, Recipe) and 0.1 <= best.noise <= 0.5


def test_pruned_and_diverged_trials_are_there_too(page):
    assert "1 pruned" in page.words and "1 diverged" in page.words
    assert page.words.count("python cli.py train digits --rule dtp") >= len(ACCURACIES)


def test_a_table_of_trials_alone_has_a_page_that_says_what_is_missing(tmp_path):
    write_csv(make_rows(SharedStudy(search())), tmp_path / "trials.csv")
    page = parts_of(dtp_tf.report(tmp_path))
    assert "80.00%" in page.words
    assert page.words.count("the folder has only its trials.csv, not the study") == 3
    assert "the folder has no best.yaml" in page.words


def test_best_settings_that_cannot_be_read_are_not_said_to_be_missing(tmp_path):
    write_csv(make_rows(SharedStudy(search())), tmp_path / "trials.csv")
    (tmp_path / "best.yaml").write_bytes(b"noise: \xff")
    page = parts_of(dtp_tf.report(tmp_path))
    assert "best.yaml cannot be read" in page.words
    assert "has no best.yaml" not in page.words


def test_another_table_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "trials.csv").write_text("name,weight\na,1\n")
    assert "no table of trials" in refusal(invoke("report", tmp_path), 1)
