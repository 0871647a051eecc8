"""What is known of a run without its network: sentences, tables and commands."""

from dtp_tf.console.plain import quoted
from dtp_tf.console.program import PROGRAM
from dtp_tf.presets.folder import preset_info, shipped_names
from dtp_tf.recipes.commands import changed_settings, train_command
from dtp_tf.recipes.named import RECIPES
from dtp_tf.recipes.recipe import RULE_SETTINGS, SETTINGS, rule_settings, shown
from dtp_tf.reporting.blocks import Code, Facts, Fold, Table, Text, Tiles
from dtp_tf.reporting.classes import percent, standard_error
from dtp_tf.rules.by_name import BY_NAME


def rule_words(rule):
    """Return a rule's name, and in words what it is if it is one of the library's."""
    if rule not in BY_NAME:
        return rule
    words = BY_NAME[rule].__doc__.strip().splitlines()[0].rstrip(".")
    return f"{rule} ({words[0].lower() if not words[:2].isupper() else words[0]}{words[1:]})"


def network_words(recipe):
    """Return what the network of a recipe is."""
    if recipe.model is not None:
        return f"The network {recipe.model}"
    many = recipe.layers or recipe.units
    layers = "a hidden layer" if len(many) == 1 else f"{len(many)} hidden layers"
    if recipe.layers is not None:
        return f"A network with {layers} ({', '.join(many)}; {recipe.activation})"
    return f"A network with {layers} of {', '.join(map(str, many))} {recipe.activation} units"


def page_title(recipe, folder):
    """Return the title of a page on what is in a folder."""
    name = folder.resolve().name
    return name if name == recipe.recipe else f"{recipe.recipe}: {name}"


def lead(recipe, metrics, data, history):
    """Return what a run is, in two sentences.

    Args:
        recipe: its `Recipe`.
        metrics: of its `metrics.json`, or None.
        data: the `fingerprint` of its data, or None.
        history: its logs.
    """
    images = "" if data is None else f" ({data['training_images']:,} training images)"
    first = (
        f"{network_words(recipe)}, trained by the learning rule {rule_words(recipe.rule)} on "
        f"{recipe.source}{images}, with seed {recipe.seed}."
    )
    if metrics is None:
        return [first, f"{len(history)} of {recipe.epochs} epochs are finished, and the network "
                       "was not evaluated."]
    test = metrics["test"]
    return [first, (
        f"Of {test['images']:,} test images it answers "
        f"{percent(test['accuracy'], test['images'])} right (± one standard error), with the "
        f"weights of epoch {metrics['best_epoch']} of {metrics['epochs']}, which the validation "
        "images chose."
    )]


def tiles(metrics):
    """Return the most important numbers of a run."""
    if metrics is None:
        return None
    test, validation = metrics["test"], metrics["validation"]
    rows = [
        ("test accuracy", f"{100 * test['accuracy']:.2f} %",
         f"± {100 * standard_error(test['accuracy'], test['images']):.2f} % (standard error), "
         f"{test['images']:,} images"),
        ("validation accuracy", f"{100 * validation['accuracy']:.2f} %",
         f"{validation['images']:,} images, which chose the epoch"),
        ("test loss", f"{test['loss']:.4f}", "mean over the images"),
        ("best epoch", f"{metrics['best_epoch']}", f"of {metrics['epochs']}"),
        ("training time", duration(metrics["seconds"]), metrics["conditions"]["device"]),
    ]
    return Tiles(rows)


def duration(seconds):
    """Return a time as a person says it."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def recorded(recipe, test, name="this run"):
    """Return blocks: the accuracy beside what is recorded of the same recipe and rule."""
    blocks, rows, named = [], [], RECIPES.get(recipe.recipe)
    own_data = named is not None and recipe.source == named.settings["dataset"]
    if not own_data:
        return [Text("Nothing is recorded of such a network on these data.", "note")]
    if test is not None:
        rows.append([name, recipe.rule, recipe.seed, recipe.epochs,
                     percent(test["accuracy"], test["images"])])
    for shipped in shipped_names():
        facts = preset_info(shipped)
        of, results = facts.get("recipe") or {}, (facts.get("results") or {}).get("test")
        same = of.get("recipe") == recipe.recipe and of.get("rule") == recipe.rule
        if results and same and f"preset {shipped}" != name:
            rows.append([f"preset {shipped}", of["rule"], of["seed"], of["epochs"],
                         percent(results["accuracy"], results["images"])])
    if len(rows) > 1 or (rows and test is None):
        blocks.append(Table(
            f"Test accuracy beside what is recorded of the recipe {recipe.recipe} with this rule.",
            ["network", "rule", "seed", "epochs", "test accuracy"], rows, (2, 3, 4),
        ))
    else:
        blocks.append(Text(f"Nothing is recorded of the recipe {recipe.recipe} with the rule "
                           f"{recipe.rule} in this package.", "note"))
    if named.published:
        blocks.append(Text(named.published))
    return blocks


def settings(recipe):
    """Return blocks: the settings that are not the recipe's, and all of them."""
    taken = rule_settings(recipe.rule)
    every = [
        (name, shown(value)) for name, value in recipe.to_dict().items()
        if name not in RULE_SETTINGS or name in taken
    ]
    fold = Fold(f"All {len(every)} settings", [Facts(every)])
    changed = changed_settings(recipe)
    if changed is None:
        return [Text("The recipe was made for this run: there is none to compare it with.", "note"),
                fold]
    if not changed:
        return [Text(f"All settings are those of the recipe {recipe.recipe}."), fold]
    rows = [
        [name, shown(before), shown(now), SETTINGS[name].help]
        for name, (before, now) in changed.items()
    ]
    caption = f"Settings that differ from the recipe {recipe.recipe}."
    return [Table(caption, ["setting", "recipe", "this run", "what it is"], rows,
                  words=(3,)), fold]


def data_facts(data):
    """Return blocks on the data of a `fingerprint`, or None."""
    if data is None:
        return [Text("Not shown: the run does not say what data it was trained on.", "note")]
    rows = [("name", data["name"])]
    if data.get("image_shape"):
        rows.append(("images", "x".join(map(str, data["image_shape"]))))
    if data.get("classes"):
        rows.append(("classes", f"{data['classes']:,}"))
    sizes = [
        ("training images", data["training_images"]),
        ("validation images", data["validation_images"]), ("test images", data["test_images"]),
    ]
    rows += [(name, "not read" if size is None else f"{size:,}") for name, size in sizes]
    if data.get("test_origin"):
        rows.append(("test split", data["test_origin"]))
    rows += [
        (f"SHA-256 of the {what}", data[name])
        for name, what in (("content_sha256", "images, classes and splits"),
                           ("names_sha256", "file names")) if name in data
    ]
    if data.get("named"):
        rows.append(("version of the set", data["named"]["version"]))
        rows += [
            (f"its {split} split", f"{facts['examples']:,} examples of {facts['bytes']:,} bytes "
             f"in {facts['shards']:,} shard(s), SHA-256 {facts['sha256']}")
            for split, facts in data["named"]["splits"].items()
        ]
    rows += [
        (f"left out: {reason}", f"{count:,} files")
        for reason, count in (data.get("left_out") or {}).items()
    ]
    return [Facts(rows)]


def version_facts(versions):
    """Return blocks on the versions and the machine."""
    if not versions:
        return [Text("Not shown: the versions are not known.", "note")]
    names = {"rule_sha256": "SHA-256 of the rule's file", "model_sha256": "SHA-256 of the model's"}
    return [Facts([
        (names.get(name, name), str(value)) for name, value in versions.items()
        if name != "chosen_by" and not isinstance(value, (dict, list))
    ])]


def commands(path, recipe, metrics, history, export_path=None):
    """Return blocks: how to evaluate, use, serve and continue a run."""
    word = quoted(path)
    own = [f"--rule {quoted(recipe.rule)}"] if recipe.rule not in BY_NAME else []
    with_rule = " ".join(["", *own])
    home, name = "exported_models", recipe.recipe
    if export_path is not None:
        home, name = str(export_path.parent.parent), export_path.parent.name
    place = "" if home == "exported_models" else f" --export-dir {quoted(home)}"
    export = f"{PROGRAM} export {word} --name {quoted(name)}{place}{with_rule}\n"
    serve = f"{PROGRAM} serve {quoted(name)}{place}{with_rule}"
    rows = [
        ("Evaluate it again", f"{PROGRAM} evaluate {word}{with_rule}"),
        ("Classify images", f"{PROGRAM} predict {word} IMAGE.png{with_rule}"),
        ("Serve it", serve if export_path is not None else export + serve),
    ]
    if metrics is None or metrics["interrupted"] or len(history) < recipe.epochs:
        rows.append(("Continue the training", f"{PROGRAM} train --resume {word}"))
    rows += [
        ("Train another network from its weights",
         train_command(recipe, path) + f" --init {word}" if recipe.model is None else None),
        ("Train it again", train_command(recipe, path)),
    ]
    return [Code([(what, command) for what, command in rows if command])]
