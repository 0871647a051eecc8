"""Model cards: what a network was trained on, how, how well it does, and what it cannot do.

This module does not import TensorFlow.
"""

import json

import yaml

UNKNOWN = "Not known: the file that the network came from does not say."


def model_card(facts):
    """Return a model card as Markdown. What is not known is said to be unknown.

    Args:
        facts: JSON types: "name" and "class_names"; where they are known, also
            "image_shape" (height, width, channels), "description" (a paragraph),
            "layers" (as 784-240-10), "parameters" ({"forward": int, "inverse": int}),
            "weights_dtype", "license" (of the weights),
            "recipe": the settings, as `Recipe.to_dict` gives them;
            "data": what `dtp_tf.runs.provenance.fingerprint` says of them;
            "results": {"test": report, "validation": report, "best_epoch", "epochs"}, the reports
            as `dtp_tf.evaluate` gives them, the epoch chosen by validation accuracy;
            "seeds": {"seed": int, "validation_accuracy": {seed: accuracy}} of all that were tried;
            "source": {"file", "sha256"} of weights that were converted;
            "versions": what `dtp_tf.runs.provenance.versions` says, at the time of the training.
    """
    sections = {
        "Data": _data(facts),
        "Training": _training(facts),
        "Accuracy": _accuracy(facts),
        "Limits": _limits(facts),
        "Versions": _versions(facts),
        "Licence": _licence(facts),
    }
    parts = [f"# {facts['name']}", facts.get("description") or _summary(facts), _network(facts)]
    parts += [f"## {title}\n\n{text}" for title, text in sections.items()]
    return "\n\n".join(parts) + "\n"


def hub_card(facts):
    """Return the card of a preset: with the front matter that model hubs read, and how to load it.

    Args:
        facts: see `model_card`.
    """
    return f"{_front_matter(facts)}\n{model_card(facts)}\n{_use(facts)}"


def _summary(facts):
    names, text = facts["class_names"], f"A network that computes numbers from {_images(facts)}"
    if names:
        text = f"A classifier of {_images(facts)} into {len(names)} classes"
    recipe = facts.get("recipe")
    if recipe is not None:
        text += f", trained by the learning rule `{recipe['rule']}` with seed {recipe['seed']}"
    return f"{text}."


def _images(facts):
    shape = facts.get("image_shape")
    if not shape:
        return "rows of numbers"
    height, width, channels = shape
    return f"{height}x{width} {'grey' if channels == 1 else 'colour'} images"


def _network(facts):
    lines = [
        f"- input: {_images(facts)}{', pixels 0 to 255' if facts.get('image_shape') else ''}",
    ]
    if facts["class_names"]:
        lines.append(f"- classes: {', '.join(map(_text, facts['class_names']))}")
    parameters = facts.get("parameters")
    if parameters is not None:
        lines.append(
            f"- network: {facts['layers']}, {parameters['forward']:,} forward and "
            f"{parameters['inverse']:,} inverse weights"
        )
    if "weights_dtype" in facts:
        lines.append(f"- weights are stored as {facts['weights_dtype']}")
    return "\n".join(lines)


def _data(facts):
    data = facts.get("data")
    if data is None:
        return UNKNOWN
    return (
        f"{_text(data['name'])}: {data['training_images']:,} training images, "
        f"{data['validation_images']:,} validation images, {data['test_images'] or 0:,} test "
        f"images ({data.get('test_origin')})."
    )


def _training(facts):
    source, recipe = facts.get("source"), facts.get("recipe")
    if source is not None:
        return (
            f"The weights were converted from `{source['file']}` (SHA-256 `{source['sha256']}`). "
            "How they were trained is not known here."
        )
    if recipe is None:
        return UNKNOWN
    lines = [f"- learning rule: `{recipe['rule']}`", f"- seed: {recipe['seed']}{_choice(facts)}"]
    results = facts.get("results") or {}
    if results.get("best_epoch") is not None:
        of_all = f" of {results['epochs']}" if "epochs" in results else ""
        lines.append(
            f"- weights: of epoch {results['best_epoch']}{of_all}, the best by validation accuracy"
        )
    settings = {name: value for name, value in recipe.items() if value is not None}
    lines += ["", "All settings, as `train --config` takes them:", ""]
    lines += ["```json", json.dumps(settings, indent=2), "```"]
    return "\n".join(lines)


def _choice(facts):
    """Say among which seeds this one was chosen."""
    tried = (facts.get("seeds") or {}).get("validation_accuracy") or {}
    if len(tried) < 2:
        return ""
    accuracies = ", ".join(f"{seed}: {value:.2%}" for seed, value in tried.items())
    return f", the best by validation accuracy of {{{accuracies}}}"


def _accuracy(facts):
    test, validation = _report(facts, "test"), _report(facts, "validation")
    if not test:
        return UNKNOWN
    rows = [
        f"| {_text(name)} | {'-' if accuracy is None else f'{accuracy:.2%}'} |"
        for name, accuracy in test["per_class"].items()
    ]
    text = (
        f"On the test split, which chose nothing: {test['accuracy']:.2%} of {test['images']:,} "
        f"images, {_loss(facts, test)}.\n\n"
        "| class | accuracy |\n|---|---|\n" + "\n".join(rows)
    )
    if validation:
        text += (
            f"\n\nOn the {validation['images']:,} validation images: {validation['accuracy']:.2%}."
        )
    return text


def _loss(facts, report):
    recipe = facts.get("recipe") or {}
    usual = recipe.get("output_activation", "softmax") == "softmax" and not (
        recipe.get("loss") or recipe.get("label_smoothing")
    )
    if usual:
        return f"mean cross-entropy {report['loss']:.4f} nats"
    return f"mean loss {report['loss']:.4f}"


def _limits(facts):
    lines = []
    if facts["class_names"]:
        lines = [
            f"- It knows its {len(facts['class_names'])} classes and nothing else: any other input "
            "is given one of them too, perhaps with a high score.",
            f"- {_scores(facts)}",
        ]
    if facts.get("image_shape"):
        lines.append(
            f"- Every picture is resized to {_images(facts)}, without regard to its proportions."
        )
    if facts["class_names"]:
        lines.append(
            "- The accuracy holds for inputs like those of the test split; on others it was never "
            "measured."
        )
    return "\n".join(lines) or UNKNOWN


def _scores(facts):
    output = (facts.get("recipe") or {}).get("output_activation", "softmax")
    if output == "linear":
        return "Scores are numbers near 1 for the class and near 0 for others, no probabilities."
    whole = "" if output == "softmax" else ", one for each class by itself"
    return f"Scores are outputs of a {output}{whole}; nobody has calibrated them."


def _versions(facts):
    versions = facts.get("versions")
    if versions is None:
        return UNKNOWN
    return "\n".join(f"- {name}: {version}" for name, version in versions.items())


def _licence(facts):
    text = "The code, dtp_tf: Apache-2.0. The data have a licence of their own."
    return f"The weights: {facts['license']}. {text}" if facts.get("license") else text


def _front_matter(facts):
    test = _report(facts, "test")
    content = {
        "license": facts.get("license"),
        "library_name": "keras",
        "pipeline_tag": "image-classification" if facts.get("image_shape") else None,
        "tags": ["dtp_tf", "difference-target-propagation", "image-classification"],
        "datasets": [facts["data"]["name"]] if facts.get("data") else None,
        "metrics": ["accuracy"],
    }
    if test:
        data = facts["data"]["name"]
        result = {
            "task": {"type": "image-classification"},
            "dataset": {"name": data, "type": data, "split": "test"},
            "metrics": [{"type": "accuracy", "value": round(test["accuracy"], 4)}],
        }
        content["model-index"] = [{"name": facts["name"], "results": [result]}]
    known = {name: value for name, value in content.items() if value is not None}
    return "---\n" + yaml.safe_dump(known, sort_keys=False, allow_unicode=True) + "---\n"


def _use(facts):
    name = facts["name"]
    return f"""\
## Use

```python
import dtp_tf

# With inverses, ready to train on:
network = dtp_tf.DTPNetwork.from_preset("{name}")
# The forward network in stock Keras layers, images -> class probabilities:
classifier = dtp_tf.pretrained_classifier("{name}")
```

Where it does not come with dtp_tf, give the path of this folder instead of its name.
"""


def _report(facts, split):
    return (facts.get("results") or {}).get(split)


def _text(name):
    """Return a name as it can stand in a Markdown table."""
    for special in "\\|`*_<[":
        name = name.replace(special, f"\\{special}")
    return name or "(no name)"
