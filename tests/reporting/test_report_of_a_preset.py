"""The page of a preset says what it is, how well it does, and shows its network."""

import pytest
from helpers import invoke, succeeded, trained
from report_support import parts_of, preset_page

import dtp_tf
from dtp_tf.presets.writing import save_preset
from dtp_tf.runs import load_model


@pytest.fixture(scope="module")
def page():
    return parts_of(preset_page())


def test_it_has_its_accuracy_its_seeds_and_its_files(page):
    facts = dtp_tf.preset_info("digits_mlp_dtp")
    assert f"{100 * facts['results']['test']['accuracy']:.2f} ±" in page.words
    assert facts["files"]["model.weights.h5"]["sha256"] in page.words
    assert "Validation accuracy of all seeds that were trained" in page.words


def test_it_shows_its_network_and_what_it_makes_of_the_test_images(page):
    assert any(alt.startswith("weights of unit") for alt in page.alts)
    assert any(alt.startswith("scatter diagram") for alt in page.alts)
    assert any("answered right with score" in alt for alt in page.alts)


def test_what_the_package_comes_with_is_not_written_to(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "digits_mlp_dtp.html" in succeeded(invoke("report", "digits_mlp_dtp"))
    assert (tmp_path / "digits_mlp_dtp.html").is_file()


@pytest.mark.slow
def test_a_preset_that_says_nothing_of_its_training_says_so(tmp_path):
    network = load_model(trained()[0] / "best.keras").model
    save_preset(network, tmp_path / "bare", {"class_names": [str(n) for n in range(10)]})
    page = parts_of(dtp_tf.report(tmp_path / "bare"))
    assert "How well it does is not known" in page.words
    assert "the preset does not say how it was trained" in page.words
    assert "does not say what data it was trained on" in page.words
    assert any(alt.startswith("weights of unit") for alt in page.alts)
