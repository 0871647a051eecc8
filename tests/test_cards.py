"""Model cards: they say what is known, and nothing that is not."""

import yaml

from dtp_tf.cards import model_card

LEAST = {
    "name": "mine",
    "class_names": ["a|b", "c"],
    "layers": "4-3-2",
    "parameters": {"forward": 1023, "inverse": 0},
    "versions": {"dtp_tf": "0.1.0"},
}
DATA = {
    "name": "letters", "training_images": 1000, "validation_images": 200, "test_images": 50,
    "test_origin": "the set's own test split",
}  # fmt: skip
RESULTS = {
    "test": {"accuracy": 0.87654, "images": 50, "per_class": {"a|b": 0.75, "c": None}},
    "validation": {"accuracy": 0.9, "images": 200},
    "best_epoch": 3, "epochs": 4, "chosen_by": "validation accuracy",
}  # fmt: skip


def parts(card):
    _, front, text = card.split("---\n", 2)
    return yaml.safe_load(front), text


def test_a_card_of_little_says_little():
    front, text = parts(model_card(LEAST))
    assert "license" not in front
    assert "datasets" not in front
    assert "model-index" not in front
    assert "pipeline_tag" not in front
    assert "Nobody has measured its accuracy." in text
    assert "## Training" not in text
    assert "1,023 forward and 0 inverse weights" in text
    assert "None" not in text


def test_a_card_says_what_was_measured_and_on_what():
    facts = {**LEAST, "data": DATA, "results": RESULTS, "image_shape": [8, 8, 1], "license": "mit"}
    front, text = parts(model_card(facts))
    assert front["license"] == "mit"
    assert front["datasets"] == ["letters"]
    assert front["pipeline_tag"] == "image-classification"
    (result,) = front["model-index"][0]["results"]
    assert result["metrics"] == [{"type": "accuracy", "value": 0.8765}]
    assert "Accuracy on the 50 test images of letters:" in text
    assert "| a\\|b | 75.00% |\n| c | - |\n| **all** | **87.65%** |" in text
    assert "On the 200 validation images: 90.00%." in text
    assert "images like those of letters" in text


def test_a_card_says_which_seed_was_chosen_of_which():
    facts = {**LEAST, "data": DATA, "results": RESULTS, "recipe": {"rule": "dtp", "units": [3]}}
    _, text = parts(model_card(facts))
    assert "epoch 3 of 4, chosen by validation accuracy" in text
    assert "seed" not in text
    facts["seeds"] = {"seed": 1, "validation_accuracy": {"1": 0.9}}
    assert "\n- seed 1\n" in model_card(facts)
    facts["seeds"]["validation_accuracy"] = {"0": 0.8, "1": 0.9}
    expected = "seed 1, the best by validation accuracy of {0: 80.00%, 1: 90.00%}"
    assert expected in model_card(facts)
    assert "units: [3]" in model_card(facts)


def test_a_card_of_converted_weights_claims_no_training():
    source = {"file": "w.pt", "sha256": "ab12"}
    text = model_card({**LEAST, "source": source, "recipe": {"rule": "dtp"}, "data": DATA})
    assert "converted from `w.pt` (SHA-256 `ab12`)" in text
    assert "How they were trained is not known" in text
    assert "All settings" not in text
