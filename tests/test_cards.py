"""Model cards: what is known stands in them, and what is not is said to be unknown."""

from dtp_tf.cards import UNKNOWN, model_card

FACTS = {
    "name": "pets",
    "image_shape": [32, 24, 3],
    "class_names": ["cat", "a|b", ""],
    "recipe": {"recipe": "cifar10", "rule": "ldrl", "seed": 7, "units": [40, 30], "crop": None},
    "data": {
        "name": "photos_of_pets", "training_images": 1234, "validation_images": 100,
        "test_images": 80, "test_origin": "the set's own",
    },
    "test": {
        "accuracy": 0.625, "loss": 1.23456, "images": 80,
        "per_class": {"cat": 0.5, "a|b": 0.75, "": None},
    },
    "best_epoch": 12,
    "versions": {"dtp_tf": "0.1.0", "keras": "3.15.1"},
}  # fmt: skip


def sections(card):
    """Return the text of each section by its title."""
    first, *others = card.split("\n## ")
    return {"": first} | dict(one.split("\n", 1) for one in others)


def test_a_card_has_data_rule_recipe_seed_accuracy_limits_versions_and_licence():
    card = sections(model_card(FACTS))
    assert card[""].startswith("# pets\n\nA classifier of 32x24 colour images into 3 classes")
    assert "`ldrl` with seed 7" in card[""]
    assert "1,234 training images, 100 validation images, 80 test images" in card["Data"]
    assert "- learning rule: `ldrl`\n- seed: 7\n- weights: of epoch 12" in card["Training"]
    assert '"units": [\n    40,\n    30\n  ]' in card["Training"]
    assert "crop" not in card["Training"]
    assert "62.50% of 80 images, mean cross-entropy 1.2346 nats" in card["Accuracy"]
    assert "| cat | 50.00% |\n| a\\|b | 75.00% |\n| (no name) | - |" in card["Accuracy"]
    assert "3 classes and nothing else" in card["Limits"]
    assert "- dtp_tf: 0.1.0\n- keras: 3.15.1" in card["Versions"]
    assert "Apache-2.0" in card["Licence"]


def test_what_is_not_known_is_said_to_be_unknown():
    known = ("name", "image_shape", "class_names")
    card = sections(model_card({name: FACTS[name] for name in known}))
    unknown = [title for title, text in card.items() if UNKNOWN in text]
    assert unknown == ["Data", "Training", "Accuracy", "Versions"]
    assert "rule" not in card[""]


def test_grey_images_are_called_grey():
    assert "28x28 grey images" in model_card({**FACTS, "image_shape": (28, 28, 1)})
