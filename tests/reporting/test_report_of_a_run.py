"""The page of a run shows what it is and how it does, in one file; what it cannot show it says."""

import json
import re

import numpy as np
import pytest
from helpers import REPO, digits, invoke, log_rows, refusal, succeeded, train, trained
from report_support import copy_of, parts_of, run_page, strange_page, strange_run

import dtp_tf
from dtp_tf.data.splits import Split
from dtp_tf.data.streaming import StreamedImages
from dtp_tf.reporting import answers
from dtp_tf.reporting.answers import Answers
from dtp_tf.reporting.classes import class_blocks, standard_error
from dtp_tf.runs import load_model
from dtp_tf.runs.models import save_model


@pytest.fixture(scope="module")
def page():
    return parts_of(run_page())


def with_recipe(run, **changes):
    """Let the network of a run say that it was trained by other settings."""
    saved = load_model(run / "best.keras")
    about = {**saved.about, "recipe": {**saved.about["recipe"], **changes}}
    save_model(saved.model, run / "best.keras", about)


def metrics():
    return json.loads((trained()[0] / "metrics.json").read_text())


def test_it_says_in_two_sentences_what_the_run_is_and_how_well_it_does(page):
    test = metrics()["test"]
    accuracy, error = test["accuracy"], standard_error(test["accuracy"], 360)
    assert "2 hidden layers of 16, 12 tanh units, trained by the learning rule dtp" in page.words
    said = f"Of 360 test images it answers {100 * accuracy:.2f} ± {100 * error:.2f} % right"
    assert " ".join(said.split()) in page.words


def test_the_standard_error_is_that_of_a_share():
    assert standard_error(0.9, 100) == pytest.approx(0.03)


def test_the_accuracy_stands_beside_what_the_package_has_of_the_recipe(page):
    recorded = dtp_tf.preset_info("digits_mlp_dtp")["results"]["test"]["accuracy"]
    assert "preset digits_mlp_dtp" in page.words
    assert f"{100 * recorded:.2f}" in page.words


def test_every_log_that_was_measured_has_a_diagram_with_its_numbers_in_words(page):
    for title in ("loss", "accuracy", "local loss", "inverse loss",
                  "relative reconstruction error"):
        assert any(alt.startswith(f"{title} over 2 epoch(s)") for alt in page.alts), title
    first = float(log_rows(trained()[0])[0]["val_loss"])
    assert any(f"val loss from {first:.3g}" in alt for alt in page.alts)


def test_each_class_has_its_accuracy_and_the_matrix_its_numbers(page):
    for count in sum(metrics()["test"]["confusion_matrix"], []):
        assert not count or str(count) in page.words
    assert "Confusion matrix" in page.words


def test_the_wrong_images_are_those_with_the_highest_scores(page):
    model = load_model(trained()[0] / "best.keras").model
    scores = np.asarray(model(digits().test.images))
    answered, labels = scores.argmax(axis=1), digits().test.labels
    wrong = np.flatnonzero(answered != labels)
    first = wrong[np.argsort(-scores[wrong].max(axis=1), kind="stable")][0]
    said = (f"{labels[first]}, answered {answered[first]} "
            f"({100 * scores[first].max():.1f}\N{NO-BREAK SPACE}%)")
    alts = [alt for alt in page.alts if "answered" in alt and "right" not in alt]
    assert alts[0] == f"test image: {said}"
    assert len(alts) == min(24, len(wrong))
    assert " ".join(said.split()) in page.words


def test_each_class_has_the_images_that_were_surest(page):
    assert sum("answered right with score" in alt for alt in page.alts) > 10


def test_the_first_layer_and_what_the_inverses_give_back_are_drawn(page):
    assert sum(alt.startswith("weights of unit") for alt in page.alts) == 16
    assert any(alt.startswith("scatter diagram") for alt in page.alts)
    given_back = dtp_tf.load_data(dtp_tf.recipe("digits")).test.images[:3]
    network = load_model(trained()[0] / "best.keras").model
    for layer, (h, back) in network.reconstructions(given_back).items():
        above = network.layers_up[layer](h)
        assert np.allclose(back, network.layers_up[layer](above, reverse=True), atol=1e-6)


def test_settings_data_versions_and_commands_are_there(page):
    assert "Settings that differ from the recipe digits" in page.words
    assert "512,512,512" in page.words and "16,12" in page.words
    assert "every fifth image" in page.words and "tensorflow" in page.words
    for command in ("evaluate", "predict", "serve", "train"):
        assert f"python cli.py {command} " in page.words
    assert "--resume" not in page.words  # it is finished


def test_the_page_is_one_small_file_that_asks_for_nothing(page):
    assert run_page().stat().st_size < 5_000_000
    assert "script" not in page.tags and "iframe" not in page.tags
    assert all(source.startswith("data:image/") for source in page.sources)
    text = run_page().read_text()
    assert "default-src 'none'" in text
    for reference in re.findall(r'(?:href|src)="([^"]*)"', text):
        assert reference.startswith(("#", "data:"))
    assert not re.search(r"url\((?!#)", text)


def test_every_picture_has_an_alternative_text_and_no_id_is_there_twice(page):
    assert page.alts and all(alt.strip() for alt in page.alts)
    ids = re.findall(r'\bid="([^"]*)"', run_page().read_text())
    assert len(ids) == len(set(ids))


@pytest.mark.slow
def test_names_of_strangers_are_text_and_nothing_else():
    page, text = parts_of(strange_page()), strange_page().read_text()
    assert not {"onerror", "onload", "onclick"} & set(page.attributes)
    assert all(source.startswith("data:image/") for source in page.sources)
    assert "<img src=x onerror=alert(1)>" in page.words
    assert "{{ 7 * 7 }} &amp; ]]>" in page.words and "שלום עולם" in page.words
    assert "\u202e" not in text and r"back\u202eward" in page.words


@pytest.mark.slow
def test_changed_data_are_not_shown_and_the_page_says_so(tmp_path):
    run, photos = strange_run()
    copy, other = copy_of(run, tmp_path / "run"), copy_of(photos, tmp_path / "photos")
    next((other / "test").rglob("*.bmp")).unlink()
    with_recipe(copy, image_folder=str(other))
    page = parts_of(dtp_tf.report(copy))
    assert "Not shown: the data differ from those that the model was trained on" in page.words
    assert not any(alt.startswith("test image") for alt in page.alts)
    assert "--anyway" not in page.words


@pytest.mark.slow
def test_a_run_whose_data_are_gone_has_all_that_needs_no_images(tmp_path):
    copy = copy_of(trained()[0], tmp_path / "run")
    with_recipe(copy, dataset="cifar10")
    page = parts_of(dtp_tf.report(copy, data_dir=tmp_path / "none"))
    assert page.words.count("Not shown:") >= 3 and "cifar10" in page.words
    assert sum(alt.startswith("weights of unit") for alt in page.alts) == 16


@pytest.mark.slow
def test_a_run_without_a_network_shows_what_its_files_say(tmp_path):
    copy = copy_of(trained()[0], tmp_path / "run")
    for name in ("best.keras", "metrics.json", "report.html"):
        (copy / name).unlink(missing_ok=True)
    page = parts_of(dtp_tf.report(copy))
    assert "2 of 2 epochs are finished, and the network was not evaluated" in page.words
    assert "has no trained network yet" in page.words
    assert "python cli.py train --resume" in page.words


@pytest.mark.slow
def test_a_run_of_bp_says_that_it_has_no_inverses(tmp_path):
    train(tmp_path / "run", rule="bp", epochs=1)
    page = parts_of(dtp_tf.report(tmp_path / "run"))
    assert "the rule BP uses no inverse" in page.words
    assert any("weights of unit" in alt for alt in page.alts)


@pytest.mark.slow
def test_an_autoencoder_shows_the_images_that_its_decoder_gives_back(tmp_path):
    train(tmp_path / "run", rule="autoencoder", epochs=1, inverse_activation="tanh")
    page = parts_of(dtp_tf.report(tmp_path / "run"))
    assert "image 1 as the inverse of layer 1 gives it back" in page.alts
    network = load_model(tmp_path / "run" / "best.keras").model
    (h, back), pair = network.reconstructions(digits().test.images[:3])[0], network.pairs[0]
    code, kernel = pair(h), pair.forward_layer.kernel
    expected = np.tanh(code @ kernel.numpy().T + network.feedback[0].bias.numpy())
    assert np.allclose(back, expected, atol=1e-5)


@pytest.mark.slow
def test_feature_maps_and_what_their_inverses_give_back_are_images(tmp_path):
    train(tmp_path / "run", layers=("conv 3 3 max 2", "conv 2 3"), units=None, epochs=1)
    page = parts_of(dtp_tf.report(tmp_path / "run"))
    assert "feature map 1 below layer 2" in page.alts
    assert "feature map 1 as the inverse of layer 2 gives it back" in page.alts


def test_of_streamed_images_few_are_read_and_the_page_says_so(monkeypatch):
    monkeypatch.setattr(answers, "MOST_STREAMED", 40)
    read, test = [], digits().test

    def image(number):
        read.append(number)
        return test.images[number]

    split = Split(StreamedImages(image, test.images.shape, kept=0), test.labels)
    found = Answers.of(load_model(trained()[0] / "best.keras"), split)
    assert len(found.labels) == 40 and "360 test images, 40 were looked at" in found.said
    found.wrong(), found.right()
    assert len(set(read)) == 40


def test_a_thousand_classes_have_a_picture_and_a_list_that_opens():
    count = 1_000
    matrix = np.eye(count, dtype=int)
    matrix[0, 1] = 3
    per_class = {f"class {n}": float(n > 0) for n in range(count)}
    blocks = class_blocks({"per_class": per_class, "confusion_matrix": matrix.tolist()})
    kinds = [block.kind for block in blocks]
    assert kinds == ["text", "images", "fold", "fold"]
    assert len(blocks[-1].blocks[0].rows) == count
    assert "1,000 classes" in blocks[0].text


@pytest.mark.slow
def test_other_data_are_not_held_against_the_recipes_figures():
    page = parts_of(strange_page())
    assert "Nothing is recorded of such a network on these data" in page.words
    assert "digits_mlp_dtp" not in page.words


@pytest.mark.slow
def test_the_command_writes_the_page_where_it_is_told(tmp_path):
    out = tmp_path / "page.html"
    said = succeeded(invoke("report", strange_run()[0], "--out", out))
    assert f"written    {out}" in said
    assert out.read_text().startswith("<!DOCTYPE html>")


def test_a_folder_without_a_run_is_refused_in_one_sentence(tmp_path):
    assert "is neither a run nor" in refusal(invoke("report", tmp_path), 1)


def test_templates_are_part_of_the_package():
    assert "reporting/templates/*" in (REPO / "setup.cfg").read_text()
