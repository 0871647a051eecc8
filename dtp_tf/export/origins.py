"""What an exported model is called, and what each of its versions was trained on."""

import os
import pathlib
import re
import unicodedata

from dtp_tf.errors import UserError
from dtp_tf.files import read_json, write_json
from dtp_tf.recipes.named import RECIPES
from dtp_tf.schema import TEXT, mapping, maybe

FILE = "origin.json"  # in `assets.extra`
ORIGIN = mapping({"data": maybe(TEXT), "recipe": maybe(TEXT)})


def check_name(name):
    """Raise `UserError` for what cannot be the name of an exported model, a folder's."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise UserError(
            f"{name!r} cannot name an export; use letters, digits, '.', '_' and '-' only."
        )


def default_name(recipe, data=None):
    """Return the name of the export of a recipe's network.

    It is the recipe's where that was trained on its own data; otherwise that of the folder, of the
    records' folder, or of the data set, with '-' in the place of what a name cannot have.

    Args:
        recipe: the `Recipe`.
        data: the name of the data; by default the recipe's `source`.
    """
    named = RECIPES.get(recipe.recipe)
    if data is None:
        data = recipe.source
    if recipe.records is not None:
        data = os.path.basename(os.path.dirname(os.path.abspath(data)))
    elif recipe.image_folder is not None:
        data = os.path.basename(os.path.abspath(data))
    elif named and named.settings["dataset"] == data:
        return recipe.recipe
    plain = unicodedata.normalize("NFKD", data).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", plain).strip("-._") or "images"


def write_origin(path, facts):
    """Write into an exported version what it was trained on, and by which recipe.

    Args:
        path: of the version.
        facts: see `dtp_tf.presets.cards.model_card`.
    """
    recipe, data = facts.get("recipe") or {}, facts.get("data") or {}
    folder = recipe.get("records") or recipe.get("image_folder")
    write_json(
        pathlib.Path(path, "assets.extra", FILE),
        {
            "data": data.get("name") if folder is None else os.path.abspath(folder),
            "recipe": recipe.get("recipe"),
        },
    )


def read_origin(path):
    """Return what `write_origin` wrote; None for a version that does not say, as older ones."""
    try:
        return read_json(pathlib.Path(path, "assets.extra", FILE), ORIGIN)
    except UserError:
        return None


def same_origin(path, other):
    """Whether two exported versions are from the same data and recipe."""
    return read_origin(path) == read_origin(other)


def others(path):
    """Return the versions beside an exported one that are not known to be from the same data and
    recipe, lowest first."""
    path = pathlib.Path(path)
    beside = (one for one in path.parent.iterdir() if one.name.isascii() and one.name.isdecimal())
    found = [one for one in beside if one.is_dir() and not same_origin(one, path)]
    return sorted(found, key=lambda one: int(one.name))


def kept_others(path):
    """Return the sentence on versions that `keep` did not count; None if there are none."""
    names = [one.name for one in others(path)]
    if not names:
        return None
    return (
        f"version(s) {', '.join(names)}, of other data, another recipe or an older release, were "
        "not counted; --no-keep-others counts and removes them too"
    )
