"""Which runs a reproduction consists of. This module does not import TensorFlow."""

import dataclasses

from dtp_tf.arguments import check_whole
from dtp_tf.comparing.plan import MAX_SEEDS
from dtp_tf.errors import SettingError
from dtp_tf.recipes.settings import did_you_mean
from dtp_tf.reproducing.tables import QUICK, find_table

SETTINGS_OF = ("published", "ours", "all")


@dataclasses.dataclass(frozen=True)
class Plan:
    """The runs that are asked for.

    Args:
        table: the `Table`.
        rows: its rows that are to be trained, those that others begin with included.
        seeds: how many of each row, `{row: seeds}`; the seeds are 0, 1, ...
        quick: whether the shorter variants are trained.
    """

    table: object
    rows: tuple
    seeds: dict
    quick: bool

    @property
    def default_folder(self):
        """Where the runs lie, unless the command says it."""
        return f"reproductions/{self.table.name}{QUICK if self.quick else ''}"

    def asked(self, folder):
        """Return `{path of the run: (row, recipe)}`, all rows of the first seed first."""
        return {
            folder / run_name(row, seed): (row, self.recipe(row, seed, folder))
            for seed in range(max(self.seeds.values()))
            for row in self.rows
            if seed < self.seeds[row.name]
        }

    def recipe(self, row, seed, folder):
        """Return the `Recipe` of one run, see `Row.trained`."""
        base = row.begins_with
        init = None if base is None else folder / run_name(self.table.rows[base], seed)
        return row.trained(seed, self.quick, init)


def run_name(row, seed):
    """Return the name of a run's folder."""
    return f"{row.name}-{seed}"


def make_plan(table, rows=None, seeds=None, settings="published", quick=False, machine=None):
    """Return the `Plan` of a reproduction.

    Args:
        table: the name of a table, or its file.
        rows: names of rows or of rules; a list, or text with commas. None = all.
        seeds: how many; None = as many as the table says.
        settings: "published" = the paper's, and this project's where the paper does not tell them;
            "ours" = this project's; "all" = both. ROW-ours in `rows` is trained anyway.
        quick: whether to train the shorter variants.
        machine: the `dtp_tf.machines.Machine` of the runs, if it is known.

    Raises:
        SettingError: an unknown table or row, or nothing is left to train.
    """
    found = find_table(table)
    if settings not in SETTINGS_OF:
        raise SettingError(f"`settings` must be one of {', '.join(SETTINGS_OF)}; got {settings!r}.")
    if seeds is not None:
        check_whole("seeds", seeds, most=MAX_SEEDS)
    chosen = _chosen(found, rows, settings)
    counts = {row.name: seeds or row.seeds for row in chosen}
    for row in chosen:  # what it begins with is needed for as many seeds
        if row.begins_with is not None:
            counts[row.begins_with] = max(counts.get(row.begins_with, 0), counts[row.name])
    plan = Plan(
        found, tuple(row for row in found.rows.values() if row.name in counts), counts, quick
    )
    for row in plan.rows:
        recipe = row.trained(quick=quick)
        recipe.check()
        if machine is not None:
            machine.check_shareable("a reproduction")
            machine.check_fits(recipe)
    return plan


def _chosen(table, rows, settings):
    """Return the rows that are asked for, in the table's order."""
    words = rows.split(",") if isinstance(rows, str) else rows
    words = None if words is None else [str(word).strip() for word in words if str(word).strip()]
    if words is not None and not words:
        raise SettingError(f"`rows` needs at least one row; there are {', '.join(table.rows)}.")
    asked = set() if words else {row.name for row in _wanted(table.rows.values(), settings)}
    for word in words or ():
        named = [row for row in table.rows.values() if word in (row.name, row.of)]
        meant = named or [row for row in table.rows.values() if row.rule == word]
        if not meant:
            raise SettingError(
                f"unknown row {word!r} of {table.name}; there are {', '.join(table.rows)}, and the "
                f"rules of them." + did_you_mean(word, table.rows)
            )
        as_second = [row for row in named if row.name == word and row.is_second]
        wanted = as_second or _wanted(meant, settings)
        if not wanted:
            raise SettingError(_nothing_left(table, settings, f"of `rows` {word} "))
        asked |= {row.name for row in wanted}
    if not asked:
        raise SettingError(_nothing_left(table, settings))
    return [row for row in table.rows.values() if row.name in asked]


def _wanted(rows, settings):
    def is_wanted(row):
        return {"published": not row.is_second, "ours": row.ours, "all": True}[settings]

    return list(filter(is_wanted, rows))


def _nothing_left(table, settings, among=""):
    ours = [row.name for row in table.rows.values() if row.ours]
    return (
        f"`settings` {settings} leaves no row {among}of {table.name} to train; rows with settings "
        f"of ours are {', '.join(ours) or 'none'}."
    )
