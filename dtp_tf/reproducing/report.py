"""The table of a reproduction: JSON, CSV, Markdown and the terminal."""

import re

from rich.table import Table

from dtp_tf.comparing.results import write_csv
from dtp_tf.console.tables import cell
from dtp_tf.files import read_json, write_json, write_text
from dtp_tf.reproducing.tables import MEASURES
from dtp_tf.reproducing.verdict import MEANING
from dtp_tf.schema import BOOLEAN, COUNT, DURATION, NUMBER, TEXT, by_name, listed, mapping, maybe

_PERCENT = maybe({**NUMBER, "minimum": 0, "maximum": 100})
_ANGLES = maybe(listed(NUMBER))
ROW = mapping(
    {
        **dict.fromkeys(("row", "network", "data", "rule", "recipe"), TEXT),
        **dict.fromkeys(("quick", "from_memory", "about"), BOOLEAN),
        "settings_of": {"enum": ["paper", "ours"]},
        "measure": {"enum": list(MEASURES)},
        **dict.fromkeys(
            ("published", "published_deviation", "measured", "deviation", "standard_error"),
            _PERCENT,
        ),
        "verdict": {"enum": ["better", "level", "worse", None]},
        "seeds": listed(COUNT),
        **dict.fromkeys(("diverged", "not_run"), listed(TEXT)),
        "unfinished": by_name(COUNT),
        **dict.fromkeys(("epochs", "best_epoch", "seconds"), maybe(DURATION)),
        **dict.fromkeys(("angles", "published_angles"), _ANGLES),
        "not_as_published": listed(TEXT),
        "command": maybe(TEXT),
    }
)
REPRODUCTION = mapping(
    {
        **dict.fromkeys(("table", "title", "meaning"), TEXT),
        "source": maybe(TEXT),
        **dict.fromkeys(("quick", "complete"), BOOLEAN),
        "rows": listed(ROW, at_least=1),
        "runs": listed(mapping({"row": TEXT, "folder": TEXT, "recipe": TEXT})),
    }
)


def write_report(content, folder):
    """Write reproduction.json, .csv and .md, and the runs.csv that has a line per run."""
    write_json(folder / "reproduction.json", content)
    write_csv([_flat(row) for row in content["rows"]], folder / "reproduction.csv")
    write_text(folder / "reproduction.md", markdown(content))
    if content["runs"]:
        write_csv(content["runs"], folder / "runs.csv")


def read_report(path):
    """Return the content of a `reproduction.json`.

    Raises:
        UserError: it is missing or damaged.
    """
    return read_json(path, REPRODUCTION)


def _flat(row):
    """Return a row with its lists and mappings as text."""
    flat = {}
    for name, value in row.items():
        if isinstance(value, dict):
            value = [f"{key}: {one}" for key, one in value.items()]
        flat[name] = "; ".join(map(str, value)) if isinstance(value, list) else value
    return flat


# -- in words --------------------------------------------------------------------------------------


def label(row):
    """Return the name of a row, which says that it is the shorter variant."""
    return f"{row['row']} (quick)" if row["quick"] else row["row"]


def _published(row):
    if row["published"] is None:
        return "-"
    spread = row["published_deviation"]
    text = f"about {row['published']:g}" if row["about"] else f"{row['published']:.2f}"
    text += f" ± {spread:.2f}" if spread is not None else ""
    return text + " (mem)" * row["from_memory"]


def _measured(row):
    if row["measured"] is None:
        return _state(row)
    spread = row["deviation"]
    return f"{row['measured']:.2f}" + (f" ± {spread:.2f}" if spread is not None else "")


def _state(row):
    """Say how far a row without a figure is."""
    if row["diverged"]:
        return "diverged"
    return "unfinished" if row["unfinished"] else "not run"


def _is_begun(row):
    return bool(row["seeds"] or row["diverged"] or row["unfinished"])


def _number(value, form="{:.2f}"):
    return "-" if value is None else form.format(value)


def hours(seconds):
    """Return a duration as a person says it."""
    if seconds is None:
        return "-"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _angles(values):
    return ", ".join(f"{one:.1f}" for one in values)


def notes(row):
    """Return what stands beside a row's figure, a sentence each."""
    said = []
    if row["not_as_published"]:
        said.append(f"not as published: {'; '.join(row['not_as_published'])}")
    if row["diverged"]:
        said.append(f"diverged: {', '.join(row['diverged'])}")
    if row["unfinished"]:
        done = (f"{name} after {n} epoch(s)" for name, n in row["unfinished"].items())
        said.append(f"unfinished: {', '.join(done)}")
    if row["not_run"] and _is_begun(row):
        said.append(f"not run: {', '.join(row['not_run'])}")
    angles = []
    if row["angles"]:
        angles.append(f"in the hidden layers {_angles(row['angles'])}")
    if row["published_angles"]:
        published = _angles(row["published_angles"])
        angles.append(f"published, perhaps with the output layer, {published}")
    if angles:
        said.append(f"degrees between its updates and backpropagation's: {'; '.join(angles)}")
    return said


_COLUMNS = (
    "row", "rule", "figure", "published", "measured", "s. e.", "", "seeds", "epochs", "time a run"
)  # fmt: skip


def _cells(row):
    return (
        label(row),
        row["rule"],
        "error %" if row["measure"] == "error" else "acc. %",
        _published(row),
        _measured(row),
        _number(row["standard_error"]),
        row["verdict"] or "-",
        f"{len(row['seeds'])}",
        _number(row["epochs"], "{:.0f}"),
        hours(row["seconds"]),
    )


def show_report(console, content):
    """Print the table, and below it what is not as published."""
    console.print(content["title"], markup=False, style="bold")
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for number, name in enumerate(_COLUMNS):
        table.add_column(name, justify="left" if number in (0, 1, 2, 6) else "right", no_wrap=True)
    for row in content["rows"]:
        table.add_row(*map(cell, _cells(row)))
    console.print(table)
    for row in content["rows"]:
        for note in notes(row):
            console.print(f"{label(row)}: {note}", markup=False)
    console.print(legend(content), markup=False)


def legend(content):
    """Say what the words of a table mean."""
    memory = any(row["from_memory"] for row in content["rows"])
    text = "(mem): quoted from memory, not read again. " if memory else ""
    spread = "±: the sample's deviation over the seeds; s. e.: standard error."
    return f"{text}{spread} {content['meaning']}"


def markdown(content):
    """Return the table as Markdown, with what its words mean."""
    return f"{markdown_table(content['rows'])}\n{legend(content)}\n"


def markdown_table(rows):
    """Return rows as a table in Markdown, and below it what stands beside the measured figures."""
    names = ["row", "network", *_COLUMNS[1:6], "measured is", *_COLUMNS[7:]]
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    for row in rows:
        network = f"{row['data']}: {row['network']}"
        cells = [f"`{label(row)}`", *map(_plain_markdown, (network, *_cells(row)[1:]))]
        lines.append("| " + " | ".join(cells) + " |")
    begun = filter(_is_begun, rows)
    said = [f"- `{label(row)}`: {_plain_markdown(note)}" for row in begun for note in notes(row)]
    return "\n".join([*lines, "", *said, *[""] * bool(said)])


def _plain_markdown(text):
    return re.sub(r"([|<*_\\\[])", r"\\\1", text)


def make_content(plan, rows, runs, complete):
    """Return the content of `reproduction.json`.

    Args:
        plan: the `Plan`.
        rows: see `dtp_tf.reproducing.measured.row_content`.
        runs: a dict for each run.
        complete: whether all runs that were asked for are done.
    """
    return {
        "table": plan.table.name,
        "title": plan.table.title,
        "source": plan.table.source,
        "quick": plan.quick,
        "complete": complete,
        "meaning": MEANING,
        "rows": rows,
        "runs": runs,
    }
