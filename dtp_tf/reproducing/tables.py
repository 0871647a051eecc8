"""The tables of papers: what is published, and which training stands beside each figure.

A table is a YAML or JSON file; those that come with the package are in `tables/`, any other is
given by its path. This module does not import TensorFlow.

    title: ...                the paper
    source: https://...
    seeds: 3                  how many, unless the command says it
    defaults: {...}           what rows have that do not say otherwise
    rows:
      NAME:
        recipe: ...           a named recipe
        rule: ...
        settings: {...}       what is not as in the recipe
        settings_of: ours     where the paper does not tell its settings; else paper
        network: ...          in words
        published: {error: 1.94, from_memory: true}     or accuracy: %, on the test split
        measure: accuracy     what is measured; by default what is published, or the error
        conditions: {epochs: 100, chosen_by: ...}       the paper's: settings, and `CONDITIONS`
        begins_with: ROW      whose run of the same seed gives the first weights
        quick: {epochs: 5}    what is not as in the recipe, where that has no -quick
        ours: {recipe: ..., settings: {...}}            makes a second row, NAME-ours
"""

import dataclasses
import pathlib

from dtp_tf.errors import SettingError
from dtp_tf.recipes.config_files import first_code, read_mapping
from dtp_tf.recipes.named import RECIPES
from dtp_tf.recipes.recipe import SETTINGS
from dtp_tf.recipes.recipe import recipe as find_recipe
from dtp_tf.recipes.settings import did_you_mean
from dtp_tf.schema import (
    BOOLEAN,
    MAPPING,
    NUMBER,
    POSITIVE,
    TEXT,
    DamagedError,
    by_name,
    check,
    listed,
    mapping,
)

SHIPPED = pathlib.Path(__file__).parent / "tables"
ROW_NAME = r"^[a-z][a-z0-9_-]*$"  # its runs' folders begin with it
# What `conditions` may have beside settings of recipes.
CONDITIONS = {"chosen_by": TEXT, "training_images": POSITIVE}
MEASURES = ("error", "accuracy")
OURS = "-ours"
QUICK = "-quick"


def _exactly(needed, optional):
    """Return the schema of a mapping with no other keys."""
    keys = f"{', '.join(needed)}" + f", and perhaps {', '.join(optional)}" * bool(optional)
    return {
        **mapping(needed, optional),
        "additionalProperties": False,
        "description": f"a mapping of {keys.removeprefix(', and ')}",
    }


_PERCENT = {**NUMBER, "minimum": 0, "maximum": 100}
_TRAINING = {"recipe": TEXT, "settings": MAPPING, "quick": MAPPING, "network": TEXT}
_PUBLISHED = _exactly(
    {},
    {
        "error": _PERCENT, "accuracy": _PERCENT, "deviation": _PERCENT,
        "angles": listed(NUMBER, at_least=1), "from_memory": BOOLEAN, "about": BOOLEAN,
    },
)  # fmt: skip
_ROW = {
    **_TRAINING,
    "rule": TEXT,
    "settings_of": {"enum": ["paper", "ours"]},
    "published": _PUBLISHED,
    "measure": {"enum": list(MEASURES)},
    "conditions": MAPPING,
    "begins_with": TEXT,
    "seeds": POSITIVE,
    "ours": _exactly({}, {**_TRAINING, "begins_with": TEXT}),
}
_OPTIONAL_ROW = {name: one for name, one in _ROW.items() if name not in ("recipe", "rule")}
_MERGED_ROW = _exactly({"recipe": TEXT, "rule": TEXT}, _OPTIONAL_ROW)
TABLE = _exactly(
    {
        "title": TEXT,
        "rows": by_name(
            MAPPING, minProperties=1, propertyNames={
                "pattern": ROW_NAME, "description": "a name of small letters, digits, _ and -",
            },
        ),
    },
    {"source": TEXT, "seeds": POSITIVE, "defaults": _exactly({}, _ROW)},
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Row:
    """One training of a table, beside its figure.

    Args:
        name: of the row; its runs are NAME-SEED.
        recipe, rule, settings: what is trained.
        of: the name of the row whose figure it is: its own, or that of which it is ours.
        ours: whether its settings are this project's, and not the paper's.
        network: in words.
        published: "error" or "accuracy" in percent, "deviation", "angles" in degrees by layer,
            "from_memory" (quoted so, not read again), "about" (read off a picture).
        measure: "error" or "accuracy": what its runs are measured by.
        conditions: the paper's.
        begins_with: the row whose run gives the first weights, or None.
        quick: settings of the shorter variant, for a recipe that has none.
        seeds: how many.
    """

    name: str
    recipe: str
    rule: str
    settings: dict
    of: str
    ours: bool
    network: str
    published: dict
    measure: str
    conditions: dict
    begins_with: str | None
    quick: dict
    seeds: int

    def trained(self, seed=0, quick=False, init=None):
        """Return the `Recipe` of one run.

        Args:
            seed: of the run.
            quick: whether it is the shorter variant.
            init: the folder of the run that it begins with.

        Raises:
            SettingError: the row has no shorter variant, or its settings do not fit.
        """
        name, changes = self.recipe, dict(self.settings)
        if quick:
            if not self.has_quick():
                raise SettingError(
                    f"the row {self.name} has no shorter variant; leave out --quick or the row."
                )
            if f"{name}{QUICK}" in RECIPES:
                name += QUICK
            else:
                changes |= self.quick
                name = changes.pop("recipe", name)
        if init is not None:
            changes["init"] = str(init)
        try:
            return find_recipe(name, **{**changes, "rule": self.rule, "seed": seed})
        except SettingError as error:
            raise SettingError(f"row {self.name}: {error}") from None

    def has_quick(self):
        """Whether there is a shorter variant."""
        return f"{self.recipe}{QUICK}" in RECIPES or bool(self.quick)

    @property
    def is_second(self):
        """Whether it stands beside a row with the paper's settings."""
        return self.of != self.name


@dataclasses.dataclass(frozen=True)
class Table:
    """A paper's table: its name, title, source (an address, or None) and rows by name."""

    name: str
    title: str
    source: str | None
    rows: dict


def table_names():
    """Return the names of the tables that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def find_table(name):
    """Return the `Table` of a name, or of a YAML or JSON file.

    Raises:
        SettingError: there is none, or it is not as a table must be.
    """
    path = pathlib.Path(name)
    if path.suffix.lower() not in (".yaml", ".yml", ".json"):
        if name not in table_names():
            raise SettingError(
                f"unknown table {name!r}; there are {', '.join(table_names())}, or give FILE.yaml."
                + did_you_mean(str(name), table_names())
            )
        path = SHIPPED / f"{name}.yaml"
    content = read_mapping(path)
    try:
        check(content, TABLE, f"table {path}")
        return _table(path, content)
    except DamagedError as error:
        raise SettingError(f"table {path} cannot be used: {error.reason}.") from None
    except SettingError as error:
        raise SettingError(f"table {path}: {error}") from None


def _table(path, content):
    rows, defaults = {}, content.get("defaults", {})
    for name, own in content["rows"].items():
        merged = {"seeds": content.get("seeds", 1), **defaults, **own}
        check(merged, _MERGED_ROW, f"row {name}")
        for row in _rows_of(name, merged):
            if row.name in rows:
                raise SettingError(f"two rows are called {row.name}; rename one.")
            rows[row.name] = row
    for row in rows.values():
        _check(row, rows)
    return Table(path.stem, content["title"], content.get("source"), rows)


def _rows_of(name, merged):
    """Yield the row, and that with our settings if there is one."""
    ours = merged.get("ours")
    yield _row(name, name, merged.get("settings_of") == "ours", merged)
    if ours is not None:
        yield _row(name + OURS, name, True, {**merged, "settings": {}, "quick": {}, **ours})


def _row(name, of, ours, merged):
    return Row(
        name=name, recipe=merged["recipe"], rule=merged["rule"],
        settings=merged.get("settings", {}), of=of, ours=ours, network=merged.get("network", ""),
        published=merged.get("published", {}), measure=_measure(name, merged),
        conditions=merged.get("conditions", {}), begins_with=merged.get("begins_with"),
        quick=merged.get("quick", {}), seeds=merged["seeds"],
    )  # fmt: skip


def _measure(name, merged):
    found = [one for one in MEASURES if one in merged.get("published", {})]
    if len(found) > 1:
        raise SettingError(f"row {name}: `published` has an error and an accuracy; give one.")
    measure = merged.get("measure", *(found or MEASURES[:1]))
    if found and measure not in found:
        raise SettingError(
            f"row {name}: `measure` is {measure} and `published` has the {found[0]}; leave out "
            "`measure`."
        )
    return measure


def _check(row, rows):
    """Refuse what no run could be made of."""
    for settings in (row.settings, row.quick):
        for name in ("rule", "seed", "init"):
            if name in settings:
                raise SettingError(f"row {row.name}: `{name}` is no setting of a row.")
        code = first_code({**settings, "rule": row.rule})
        if code is not None:
            raise SettingError(
                f"row {row.name}: a table names no code, which is run only where the command names "
                f"it, got {settings.get(code, row.rule)!r}; use `compare` or `train` for it."
            )
    for name in row.conditions:
        if name not in SETTINGS and name not in CONDITIONS:
            known = (*CONDITIONS, *SETTINGS)
            raise SettingError(
                f"row {row.name}: unknown condition {name!r}; there are {', '.join(CONDITIONS)} "
                "and all settings." + did_you_mean(name, known)
            )
    named = {name: row.conditions[name] for name in CONDITIONS if name in row.conditions}
    check(named, mapping({}, CONDITIONS), f"`conditions` of row {row.name}")
    row.trained().check()
    if row.has_quick():
        row.trained(quick=True).check()
    base = row.begins_with
    if base is None:
        return
    if base not in rows or rows[base].begins_with is not None:
        raise SettingError(
            f"row {row.name}: `begins_with` must name a row that begins with none, got {base!r}; "
            f"there are {', '.join(name for name, one in rows.items() if not one.begins_with)}."
        )
