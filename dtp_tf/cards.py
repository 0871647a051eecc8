"""Model cards: what a person or a model hub wants to know of a network, in Markdown."""

import yaml

ROW = "| {} | {} |"  # of the table of accuracies


def model_card(facts):
    """Return a model card: Markdown below a front matter in YAML, as model hubs read it.

    Args:
        facts: JSON types, as in a preset's `metadata.json`. Needed are "name", "class_names",
            "layers" (as 784-240-10), "parameters" ({"forward": int, "inverse": int}) and "versions"
            ({program: version}). What is known beside them: "description" (a paragraph), "license",
            "rule", "recipe" (all settings), "data" (see `dtp_tf.training.fingerprint`),
            "image_shape", "results" ({"test": report, "validation": report, "best_epoch",
            "epochs", "chosen_by"}, the reports as `dtp_tf.evaluate` gives them), "seeds"
            ({"seed": int, "validation_accuracy": {seed: accuracy}}), "weights_dtype" and "source"
            ({"file", "sha256"} of weights that were converted).
    """
    parts = [
        _front_matter(facts),
        f"# {facts['name']}",
        facts.get("description"),
        _network(facts),
        _use(facts),
        _results(facts),
        _training(facts),
        _limits(facts),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


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
    return "---\n" + yaml.safe_dump(known, sort_keys=False, allow_unicode=True) + "---"


def _network(facts):
    parameters, shape = facts["parameters"], facts.get("image_shape")
    inputs = "x".join(map(str, shape)) + " images, pixels 0 to 255" if shape else "numbers"
    lines = [
        f"- network: {facts['layers']}, {parameters['forward']:,} forward and "
        f"{parameters['inverse']:,} inverse weights",
        f"- input: {inputs}",
        f"- classes: {', '.join(facts['class_names'])}",
    ]
    if "weights_dtype" in facts:
        lines.append(f"- weights are stored as {facts['weights_dtype']}")
    return "\n".join(lines)


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

Where it does not come with dtp_tf, give the path of this folder instead of its name."""


def _results(facts):
    test, validation = _report(facts, "test"), _report(facts, "validation")
    if not test:
        return "## Results\n\nNobody has measured its accuracy."
    rows = [f"Accuracy on the {test['images']:,} test images of {facts['data']['name']}:", ""]
    rows += [ROW.format("class", "accuracy"), "|---|---|"]
    for name, accuracy in test["per_class"].items():
        rows.append(ROW.format(_cell(name), "-" if accuracy is None else f"{accuracy:.2%}"))
    rows.append(ROW.format("**all**", f"**{test['accuracy']:.2%}**"))
    if validation:
        rows += ["", f"On the {validation['images']:,} validation images: "
                 f"{validation['accuracy']:.2%}."]
    return "## Results\n\n" + "\n".join(rows)


def _training(facts):
    source = facts.get("source")
    if source:
        return (
            f"## Training\n\nThe weights were converted from `{source['file']}` (SHA-256 "
            f"`{source['sha256']}`). How they were trained is not known here."
        )
    if not facts.get("recipe"):
        return None
    recipe, data, results = facts["recipe"], facts["data"], facts.get("results") or {}
    lines = [
        f"- rule: {recipe['rule']}",
        f"- data: {data['name']}, {data['training_images']:,} images to train on, "
        f"{data['validation_images']:,} to validate, {data['test_images']:,} to test "
        f"({data['test_origin']})",
    ]
    if results.get("best_epoch"):
        lines.append(
            f"- epoch {results['best_epoch']} of {results['epochs']}, chosen by "
            f"{results['chosen_by']}"
        )
    if facts.get("seeds"):
        tried = facts["seeds"]["validation_accuracy"]
        accuracies = ", ".join(f"{seed}: {value:.2%}" for seed, value in tried.items())
        lines.append(
            f"- seed {facts['seeds']['seed']}, the best by validation accuracy of "
            f"{{{accuracies}}}" if len(tried) > 1 else f"- seed {facts['seeds']['seed']}"
        )
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    lines.append(f"- {versions}")
    settings = yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True, default_flow_style=None)
    return "## Training\n\n" + "\n".join(lines) + f"\n\nAll settings:\n\n```yaml\n{settings}```"


def _limits(facts):
    name = facts["data"]["name"] if facts.get("data") else "the training data"
    return (
        "## Limits\n\n"
        f"It answers with one of its {len(facts['class_names'])} classes whatever it is shown; "
        f"its accuracy holds for images like those of {name}. Its scores are not calibrated."
    )


def _report(facts, split):
    return (facts.get("results") or {}).get(split)


def _cell(text):
    return str(text).replace("|", "\\|")
