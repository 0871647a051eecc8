"""In what a run is not the published one: found by comparing, so that nobody need remember it."""

import math

from dtp_tf.errors import SettingError
from dtp_tf.recipes.recipe import SETTINGS, shown

# Examples of all splits in the files that TFDS itself makes, in MiB, as its catalogue has them.
CATALOGUE = {"cifar10": 132.40, "mnist": 21.00}
# What a run is called, and what only measures it.
_NAMES = ("recipe", "seed", "init", "diagnostics_every", "diagnostics_images", "deterministic")


def differences(row, whole, recipe, metrics=None):
    """Return what differs, `[{"name", "whose", "value", "here"}, ...]`, all text: `whose` value it
    is not, as "published", or "in full" of a shorter variant of settings that no paper has.

    Args:
        row: the `Row`.
        whole: the recipe with the paper's settings, or with ours in full where it tells none.
        recipe: the run's own.
        metrics: the content of the run's `metrics.json`; None if it is not finished.
    """
    found = {}
    for name in SETTINGS:
        before, now = getattr(whole, name), getattr(recipe, name)
        if name not in _NAMES and not _is_equal(before, now):
            found[name] = _text(before), _text(now)
    facts = _facts(metrics)
    for name, value in row.conditions.items():
        here = getattr(recipe, name) if name in SETTINGS else facts.get(name)
        if here is None and name not in SETTINGS:
            continue  # not known before the run is finished
        if _is_same(name, value, here):
            found.pop(name, None)
        else:
            found[name] = _text(value), _text(here)
    own = "in full" if row.ours and not row.is_second else "published"
    said = [
        {"name": name, "whose": "published" if name in row.conditions else own, "value": value,
         "here": here}
        for name, (value, here) in found.items()
    ]  # fmt: skip
    return [*said, *_other_copy(metrics)]


def _facts(metrics):
    """Return what a finished run knows beside its settings."""
    if metrics is None:
        return {}
    conditions = metrics["conditions"]
    return {
        "chosen_by": conditions.get("chosen_by"),
        "training_images": conditions["data"]["training_images"],
    }


def _is_equal(one, other):
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other)
    return one == other


def _text(value):
    return f"{value:.6g}" if isinstance(value, float) else shown(value)


def _is_same(name, value, here):
    if name in SETTINGS:
        try:
            return _is_equal(SETTINGS[name].parse(name, value), here)
        except SettingError:  # a value that this project does not have, as float64
            return False
    return shown(value) == shown(here)


def _other_copy(metrics):
    """Say that the images of a set of TFDS are not those that TFDS itself would have."""
    data = {} if metrics is None else metrics["conditions"]["data"]
    own, named = CATALOGUE.get(data.get("name")), data.get("named")
    if own is None or named is None:
        return []
    size = sum(split["bytes"] for split in named["splits"].values()) / 2**20
    if f"{size:.2f}" == f"{own:.2f}":
        return []
    return [
        {
            "name": f"copy of {data['name']}",
            "whose": "published",
            "value": f"{own:.2f} MiB",
            "here": f"{size:.2f} MiB, so the pixels may differ",
        }
    ]


def in_words(found):
    """Return differences as a list of clauses, `epochs 40 (published: 100)`."""
    return [f"{one['name']} {one['here']} ({one['whose']}: {one['value']})" for one in found]
