"""Published weights: folders of plain files, some of which come with the package.

    config.json           the network, as Keras serializes it
    model.weights.h5      all its weights, forward and inverse; no optimizer states
    metadata.json         versions, recipe, data, classes, results; size and SHA-256 of the above
    README.md             the model card, for people and model hubs

The card has no SHA-256: hubs and people edit it.

This module does not import TensorFlow; `dtp_tf.presets.reading` makes networks of these files.
"""

import functools
import hashlib
import pathlib
import types

import dtp_tf
from dtp_tf.errors import UserError
from dtp_tf.files import check_regular, read_json, refuse_links_out
from dtp_tf.presets.facts import PRESET
from dtp_tf.recipes.settings import did_you_mean
from dtp_tf.schema import check

FORMAT = 1  # raise it when an older dtp_tf could no longer load what is written
SHIPPED = pathlib.Path(__file__).with_name("pretrained")
"""The folder of the presets that come with the package."""
# Presets that came with earlier versions, and the better ones that their room was needed for.
REPLACED = {"cifar10_mlp_dtp": "cifar10_mlp_dtp_decay"}


class Preset:
    """One preset's folder.

    Args:
        path: the folder.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.config = self.path / "config.json"
        self.weights = self.path / "model.weights.h5"
        self.metadata = self.path / "metadata.json"
        self.card = self.path / "README.md"

    @classmethod
    def find(cls, name_or_folder):
        """Return the preset in a folder, or the shipped one of that name; a folder goes first.

        Raises:
            UserError: there is neither, or a link in the folder leads out of it.
        """
        if pathlib.Path(name_or_folder).exists():
            preset = cls(name_or_folder)
            if not preset.is_there():
                raise UserError(f"{name_or_folder} is no preset: it has no metadata.json.")
            refuse_links_out(preset.path)
            return preset
        name, names = str(name_or_folder), shipped_names()
        if name in REPLACED:
            raise UserError(
                f"the preset {name!r} does not come with dtp_tf {dtp_tf.__version__} any more; "
                f"give {REPLACED[name]!r}, which took its place, or the path of its folder from an "
                "earlier version."
            )
        if name not in names:
            raise UserError(
                f"there is no preset {name!r}: no folder has that name, and shipped are "
                f"{', '.join(names)}.{did_you_mean(name, names)}"
            )
        return cls(SHIPPED / name)

    def is_there(self):
        """Whether the folder holds a preset, or what is left of one."""
        return self.metadata.exists() or self.weights.exists()

    def facts(self):
        """Return the content of `metadata.json`.

        Raises:
            UserError: it is missing, damaged, of another program or of a newer version.
        """
        if not self.metadata.exists():
            raise self._incomplete("has no metadata.json")
        facts = read_json(self.metadata)
        version = facts.get("format_version") if isinstance(facts, dict) else None
        if not isinstance(version, int) or "class_names" not in facts:
            raise UserError(
                f"{self.path} is no preset of dtp_tf: its metadata.json is another program's."
            )
        if version > FORMAT:
            versions = facts.get("versions")
            made_by = versions.get("dtp_tf") if isinstance(versions, dict) else None
            raise UserError(
                f"preset {self.path} has format {version}, made by dtp_tf {made_by or '?'}; dtp_tf "
                f"{dtp_tf.__version__} reads up to format {FORMAT}: upgrade dtp_tf."
            )
        check(facts, PRESET, self.metadata)
        return facts

    def verified_facts(self):
        """Return the content of `metadata.json` after every file was compared with it.

        Raises:
            UserError: see `facts`; or a file that is missing, cut off or changed.
        """
        facts = self.facts()
        for path in (self.config, self.weights):
            expected = facts["files"].get(path.name, {})
            if not path.is_file():
                raise self._incomplete(f"has no {path.name}")
            size, whole = path.stat().st_size, expected.get("bytes")
            if size != whole:
                raise self._incomplete(f"has a {path.name} of {size} bytes instead of {whole}")
            if file_hash(path) != expected.get("sha256"):
                raise self._incomplete(
                    f"has a {path.name} that was changed: its SHA-256 is not that in metadata.json"
                )
        return facts

    def _incomplete(self, what):
        return UserError(
            f"preset {self.path} {what}; get the whole folder again (from a git repository of "
            "large files, with `git lfs pull`)."
        )


def is_preset(name_or_folder):
    """Whether this is a preset's folder, or where no path has that name the name of one that is
    shipped or was."""
    path = pathlib.Path(name_or_folder)
    if path.exists():
        return Preset(path).is_there()
    return str(path) in (*shipped_names(), *REPLACED)


def file_hash(path):
    """Return the SHA-256 of a file, in hexadecimal digits."""
    check_regular(path)
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        for part in iter(lambda: file.read(1 << 20), b""):
            digest.update(part)
    return digest.hexdigest()


def preset_info(name_or_folder):
    """Return what is known of a preset, as plain JSON types, without loading it.

    Args:
        name_or_folder: a shipped preset's name, or a preset's folder.

    Returns:
        The content of its `metadata.json`: among others "class_names", "image_shape", "recipe",
        "data", "results" (accuracies from 0 to 1), "parameters" and "seeds".

    Raises:
        UserError: there is no such preset, or its metadata cannot be used.

    Example:

    >>> import dtp_tf
    >>> dtp_tf.preset_info("digits_mlp_dtp")["image_shape"]
    [8, 8, 1]
    """
    return Preset.find(name_or_folder).facts()


def shipped_names():
    """Return the names of the presets that come with the package, sorted."""
    if not SHIPPED.is_dir():
        return []
    return sorted(path.name for path in SHIPPED.iterdir() if Preset(path).is_there())


@functools.cache
def shipped_presets():
    """Return the table of shipped presets: their facts in short by name, read-only."""
    table = {name: types.MappingProxyType(summary(preset_info(name))) for name in shipped_names()}
    return types.MappingProxyType(table)


def summary(facts):
    """Return the facts of a preset in short: what a table shows of it.

    Accuracies are from 0 to 1, None where nobody measured; "parameters" counts forward and inverse
    weights together.
    """
    results = facts.get("results") or {}
    return {
        "description": facts.get("description", ""),
        "layers": facts.get("layers", ""),
        "rule": facts.get("rule", ""),
        "data": (facts.get("data") or {}).get("name"),
        "test_accuracy": (results.get("test") or {}).get("accuracy"),
        "validation_accuracy": (results.get("validation") or {}).get("accuracy"),
        "parameters": sum(facts["parameters"].values()),
        "bytes": sum(file["bytes"] for file in facts["files"].values()),
    }


def probe_images(shape, count=20, block=2):
    """Return images that look like nothing and are the same everywhere, without any data set.

    They serve to check that weights, or a copy of a network, give the answers that they should.

    Args:
        shape: (height, width, channels).
        count: how many.
        block: pixels on a side of the squares that have one arbitrary value. To a convolutional
            network fine ones may all look alike.

    Returns:
        uint8 `(count, height, width, channels)`.
    """
    import numpy as np

    height, width, channels = shape
    n, y, x, c = np.ogrid[:count, :height, :width, :channels]
    place = ((n * 1009 + y // block) * 1013 + x // block) * 11 + c
    return ((place * 2654435761 % 2**32) >> 24).astype(np.uint8)  # Knuth's multiplicative hash
