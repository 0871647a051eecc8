"""The model card: what a network was trained on, how, how well it does, and what it cannot do.

This module does not import TensorFlow.
"""

import json

UNKNOWN = "Not known: the file that the network came from does not say."


def model_card(facts):
    """Return a model card as Markdown.

    Args:
        facts: a dict of JSON types: "name" (of the model), "image_shape" (height, width, channels)
            and "class_names"; where they are known, also
            "recipe": the settings, as `Recipe.to_dict` gives them;
            "data": what `dtp_tf.training.fingerprint` says of them;
            "test": the report of `dtp_tf.evaluation.evaluate` on the test split;
            "best_epoch": the epoch that was chosen by validation accuracy;
            "versions": what `dtp_tf.training.versions` says, at the time of the training.
    """
    sections = {
        "Data": _data(facts),
        "Training": _training(facts),
        "Accuracy": _accuracy(facts),
        "Limits": _limits(facts),
        "Versions": _versions(facts),
        "Licence": "The code, dtp_tf: Apache-2.0. The data have a licence of their own.",
    }
    parts = [f"# {facts['name']}", _summary(facts)]
    parts += [f"## {title}\n\n{text}" for title, text in sections.items()]
    return "\n\n".join(parts) + "\n"


def _summary(facts):
    text = f"A classifier of {_images(facts)} into {len(facts['class_names'])} classes"
    recipe = facts.get("recipe")
    if recipe is not None:
        text += f", trained by the learning rule `{recipe['rule']}` with seed {recipe['seed']}"
    return f"{text}. It is the forward network alone; inverses and feedback only serve training."


def _images(facts):
    height, width, channels = facts["image_shape"]
    return f"{height}x{width} {'grey' if channels == 1 else 'colour'} images"


def _data(facts):
    data = facts.get("data")
    if data is None:
        return UNKNOWN
    return (
        f"{_text(data['name'])}: {data['training_images']:,} training images, "
        f"{data['validation_images']:,} validation images, {data['test_images']:,} test images "
        f"({data['test_origin']})."
    )


def _training(facts):
    recipe = facts.get("recipe")
    if recipe is None:
        return UNKNOWN
    lines = [f"- learning rule: `{recipe['rule']}`", f"- seed: {recipe['seed']}"]
    if facts.get("best_epoch") is not None:
        lines.append(f"- weights: of epoch {facts['best_epoch']}, the best by validation accuracy")
    settings = {name: value for name, value in recipe.items() if value is not None}
    lines += ["", "All settings, as `train --config` takes them:", ""]
    lines += ["```json", json.dumps(settings, indent=2), "```"]
    return "\n".join(lines)


def _accuracy(facts):
    test = facts.get("test")
    if test is None:
        return UNKNOWN
    rows = [
        f"| {_text(name)} | {'-' if accuracy is None else f'{accuracy:.2%}'} |"
        for name, accuracy in test["per_class"].items()
    ]
    return (
        f"On the test split, which chose nothing: {test['accuracy']:.2%} of {test['images']:,} "
        f"images, mean cross-entropy {test['loss']:.4f} nats.\n\n"
        "| class | accuracy |\n|---|---|\n" + "\n".join(rows)
    )


def _limits(facts):
    return "\n".join(
        [
            f"- It knows its {len(facts['class_names'])} classes and nothing else: any other "
            "picture is given one of them too, perhaps with a high score.",
            "- Scores are outputs of a softmax; nobody has calibrated them.",
            f"- Every picture is resized to {_images(facts)}, without regard to its proportions.",
            "- The accuracy holds for pictures like those of the test split; on others it was "
            "never measured.",
        ]
    )


def _versions(facts):
    versions = facts.get("versions")
    if versions is None:
        return UNKNOWN
    return "\n".join(f"- {name}: {version}" for name, version in versions.items())


def _text(name):
    """Return a name as it can stand in a Markdown table."""
    for special in "\\|`*_<[":
        name = name.replace(special, f"\\{special}")
    return name or "(no name)"
