"""Model cards: what is known stands in them, and what is not is said to be unknown."""

import yaml

from dtp_tf.presets.cards import UNKNOWN, hub_card, model_card

FACTS = {
    "name": "pets",
    "image_shape": [32, 24, 3],
    "class_names": ["cat", "a|b", ""],
    "recipe": {"recipe": "cifar10", "rule": "ldrl", "seed": 7, "units": [40, 30], "crop": None},
    "data": {
        "name": "photos_of_pets", "training_images": 1234, "validation_images": 100,
        "test_images": 80, "test_origin": "the set's own",
    },
    "results": {
        "test": {
            "accuracy": 0.62504, "loss": 1.23456, "images": 80,
            "per_class": {"cat": 0.5, "a|b": 0.75, "": None},
        },
        "best_epoch": 12,
    },
    "versions": {"dtp_tf": "0.1.0", "keras": "3.15.1"},
}  # fmt: skip
LEAST = {name: FACTS[name] for name in ("name", "class_names")}


def sections(card):
    """Return the text of each section by its title."""
    first, *others = card.split("\n## ")
    return {"": first} | dict(one.split("\n", 1) for one in others)


def parts(card):
    """Return the front matter and the text of a hub's card."""
    _, front, text = card.split("---\n", 2)
    return yaml.safe_load(front), text


def test_a_card_has_data_rule_recipe_seed_accuracy_limits_versions_and_licence():
    card = sections(model_card(FACTS))
    assert card[""].startswith("# pets\n\nA classifier of 32x24 colour images into 3 classes")
    assert "`ldrl` with seed 7" in card[""]
    assert "- classes: cat, a\\|b, (no name)" in card[""]
    assert "1,234 training images, 100 validation images, 80 test images" in card["Data"]
    assert "- learning rule: `ldrl`\n- seed: 7\n- weights: of epoch 12, the" in card["Training"]
    assert '"units": [\n    40,\n    30\n  ]' in card["Training"]
    assert "crop" not in card["Training"]
    assert "62.50% of 80 images, mean cross-entropy 1.2346 nats" in card["Accuracy"]
    assert "| cat | 50.00% |\n| a\\|b | 75.00% |\n| (no name) | - |" in card["Accuracy"]
    assert "3 classes and nothing else" in card["Limits"]
    assert "- dtp_tf: 0.1.0\n- keras: 3.15.1" in card["Versions"]
    assert "Apache-2.0" in card["Licence"]


def test_what_is_not_known_is_said_to_be_unknown():
    text = model_card(LEAST)
    card = sections(text)
    unknown = [title for title, part in card.items() if UNKNOWN in part]
    assert unknown == ["Data", "Training", "Accuracy", "Versions"]
    assert "rule" not in card[""]
    assert "rows of numbers" in card[""]
    assert "resized" not in text
    assert "None" not in text


def test_grey_images_are_called_grey():
    assert "28x28 grey images" in model_card({**FACTS, "image_shape": (28, 28, 1)})


def test_a_card_says_how_large_the_network_is_where_that_is_known():
    sizes = {"layers": "4-3-2", "parameters": {"forward": 1023, "inverse": 0}}
    text = model_card({**FACTS, **sizes, "weights_dtype": "float16", "license": "mit"})
    assert "- network: 4-3-2, 1,023 forward and 0 inverse weights" in text
    assert "- weights are stored as float16" in text
    assert "The weights: mit." in text
    assert model_card({**FACTS, "description": "Knows pets."}).startswith("# pets\n\nKnows pets.\n")


def test_a_card_says_which_epoch_and_seed_were_chosen_of_which():
    results = {**FACTS["results"], "epochs": 40, "validation": {"accuracy": 0.9, "images": 100}}
    facts = {**FACTS, "results": results}
    assert "of epoch 12 of 40, the best by validation accuracy" in model_card(facts)
    assert "On the 100 validation images: 90.00%." in model_card(facts)
    facts["seeds"] = {"seed": 7, "validation_accuracy": {"7": 0.9}}
    assert "\n- seed: 7\n" in model_card(facts)
    facts["seeds"]["validation_accuracy"] = {"0": 0.8, "7": 0.9}
    expected = "- seed: 7, the best by validation accuracy of {0: 80.00%, 7: 90.00%}\n"
    assert expected in model_card(facts)


def test_a_card_of_converted_weights_claims_no_training():
    text = model_card({**FACTS, "source": {"file": "w.pt", "sha256": "ab12"}})
    assert "converted from `w.pt` (SHA-256 `ab12`)" in text
    assert "How they were trained is not known" in text
    assert "All settings" not in text


def test_a_hubs_card_begins_with_what_hubs_read_and_ends_with_how_to_load_it():
    front, text = parts(hub_card({**FACTS, "license": "mit"}))
    assert front["license"] == "mit"
    assert front["datasets"] == ["photos_of_pets"]
    assert front["pipeline_tag"] == "image-classification"
    (result,) = front["model-index"][0]["results"]
    assert result["metrics"] == [{"type": "accuracy", "value": 0.625}]
    assert text.strip().startswith("# pets\n")
    assert 'dtp_tf.pretrained_classifier("pets")' in sections(text)["Use"]


def test_a_hubs_card_of_little_claims_nothing():
    front, _ = parts(hub_card(LEAST))
    assert not {"license", "datasets", "model-index", "pipeline_tag"} & set(front)
