"""The page of a preset: its card, and what its network looks like inside."""

import pathlib

from dtp_tf.console.plain import quoted
from dtp_tf.console.program import PROGRAM
from dtp_tf.data.sets import load_recorded_data
from dtp_tf.errors import SettingError, UserError
from dtp_tf.presets.folder import SHIPPED, Preset
from dtp_tf.recipes.recipe import Recipe
from dtp_tf.reporting.blocks import Code, Facts, Page, Section, Table, Text, Tiles
from dtp_tf.reporting.classes import class_blocks, percent, standard_error
from dtp_tf.reporting.network_sections import network_sections, tried
from dtp_tf.reporting.page import write_page
from dtp_tf.reporting.run_facts import data_facts, recorded, rule_words, settings, version_facts
from dtp_tf.runs.provenance import fact_changes, fingerprint
from dtp_tf.sharing.opening import load_preset


def write_preset_page(name_or_folder, path=None, *, data_dir=None, in_memory="auto"):
    """Write the page of a preset, and return its path.

    Args:
        name_or_folder: a shipped preset's name, or a preset's folder.
        path: of the page; by default `report.html` in the preset's folder, of a shipped preset
            `NAME.html` in the current folder.
        data_dir: the folder of TFDS.
        in_memory: see `dtp_tf.data.load_data`.

    Raises:
        UserError: there is no such preset, it is damaged, or the page cannot be written.
    """
    preset = Preset.find(name_or_folder)
    facts = preset.facts()
    if path is None:
        shipped = preset.path.parent == SHIPPED
        path = pathlib.Path(f"{facts['name']}.html") if shipped else preset.path / "report.html"
    saved, why = tried(lambda: load_preset(name_or_folder))
    split = None
    if saved is not None:
        split, why = tried(lambda: _test_split(saved, facts, data_dir, in_memory))
    results = facts.get("results") or {}
    write_page(Page(
        facts["name"], "Preset", _lead(facts, results.get("test")), _tiles(facts, results),
        [
            Section("Accuracy", _accuracy(facts, results)),
            Section("Classes", _classes(facts, results.get("test"))),
            *network_sections(saved, split, None, why),
            Section("Settings", _settings(facts)),
            Section("Data", data_facts(facts.get("data"))),
            Section("Versions", version_facts(facts.get("versions"))),
            Section("Files", [Table(
                "The files of the preset.", ["file", "bytes", "SHA-256"],
                [[name, f"{one['bytes']:,}", one["sha256"]]
                 for name, one in facts["files"].items()], (1,),
            ), Facts([("licence of the weights", facts.get("license") or "not known")])]),
            Section("Commands", _commands(facts, name_or_folder)),
        ],
        f"Made by dtp_tf from the preset {facts['name']}.",
    ), path)
    return path


def _test_split(saved, facts, data_dir, in_memory):
    if not facts.get("data"):
        raise UserError("the preset does not say what data it was trained on.")
    data = load_recorded_data(saved.recipe(), data_dir, in_memory=in_memory)
    saved.check_fits(data)
    said = fact_changes(facts["data"], fingerprint(data))
    if said:
        raise UserError(f"the data differ from those that the network was trained on: {said}.")
    return data.test


def _lead(facts, test):
    first = facts.get("description") or f"The weights {facts['name']}."
    if not test:
        return [first, "How well it does is not known."]
    return [first, (
        f"Of {test['images']:,} test images it answers {percent(test['accuracy'], test['images'])} "
        "right (± one standard error)."
    )]


def _tiles(facts, results):
    test, validation = results.get("test"), results.get("validation")
    rows = []
    if test:
        error = standard_error(test["accuracy"], test["images"])
        rows.append(("test accuracy", f"{100 * test['accuracy']:.2f} %",
                     f"± {100 * error:.2f} % (standard error), {test['images']:,} images"))
    if validation:
        rows.append(("validation accuracy", f"{100 * validation['accuracy']:.2f} %",
                     f"{validation['images']:,} images"))
    parameters = facts["parameters"]
    return Tiles([
        *rows,
        ("forward weights", f"{parameters['forward']:,}", facts.get("layers", "")),
        ("inverse weights", f"{parameters['inverse']:,}",
         rule_words(facts["rule"]) if facts.get("rule") else ""),
    ])


def _accuracy(facts, results):
    recipe, why = _recipe(facts)
    name = f"preset {facts['name']}"
    blocks = [why] if recipe is None else recorded(recipe, results.get("test"), name)
    tried_seeds = (facts.get("seeds") or {}).get("validation_accuracy") or {}
    if tried_seeds:
        rows = [[seed, percent(accuracy)] for seed, accuracy in tried_seeds.items()]
        blocks = [*blocks, Table("Validation accuracy of all seeds that were trained.",
                                 ["seed", "validation accuracy"], rows, (0, 1))]
    return blocks


def _classes(facts, test):
    if not test or not facts["class_names"]:
        return [Text("Not shown: the preset does not say how well it does on each class.", "note")]
    return class_blocks(test)


def _settings(facts):
    recipe, why = _recipe(facts)
    return [why] if recipe is None else settings(recipe)


def _recipe(facts):
    """Return the preset's `Recipe`, or None and why there is none."""
    if not facts.get("recipe"):
        return None, Text("Not shown: the preset does not say how it was trained.", "note")
    try:
        return Recipe.from_dict(facts["recipe"]), None
    except SettingError as error:
        return None, Text(f"Not shown: its recipe does not fit this version: {error}", "note")


def _commands(facts, name_or_folder):
    word = quoted(name_or_folder)
    return [Code([
        ("Evaluate it", f"{PROGRAM} evaluate {word}"),
        ("Classify images", f"{PROGRAM} predict {word} IMAGE.png"),
        ("Serve it", f"{PROGRAM} export {word} --name {quoted(facts['name'])}\n"
                     f"{PROGRAM} serve {quoted(facts['name'])}"),
        ("Go on from it in Python", "import dtp_tf\n\n"
         f"network = dtp_tf.DTPNetwork.from_preset({str(name_or_folder)!r})"),
    ])]
