"""Write the tables of docs/reproduction.md from the reproductions that are kept in docs.

    python benchmarks/reproduction_page.py

A table is taken from docs/reproductions/TABLE/reproduction.json and, of the shorter variants, from
docs/reproductions/TABLE-quick/; rows that no such file has are not run.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from dtp_tf.files import write_text  # noqa: E402
from dtp_tf.reproducing.measured import row_content  # noqa: E402
from dtp_tf.reproducing.plan import make_plan  # noqa: E402
from dtp_tf.reproducing.report import markdown_table, read_report  # noqa: E402

PAGE = ROOT / "docs/reproduction.md"
KEPT = ROOT / "docs/reproductions"


def section(name, kept=KEPT):
    """Return the tables of a paper as Markdown."""
    plan = make_plan(name)
    recorded = _rows(kept / name)
    rows = [
        recorded.get(row.name) or row_content(plan, row, []) for row in plan.table.rows.values()
    ]
    tables = [markdown_table(rows)]
    quick = list(_rows(kept / f"{name}-quick").values())
    if quick:
        tables.append(markdown_table([row for row in quick if row["measured"] is not None]))
    return "\n".join(tables)


def _rows(folder):
    file = folder / "reproduction.json"
    return {row["row"]: row for row in read_report(file)["rows"]} if file.is_file() else {}


def filled(text, kept=KEPT):
    """Return the text of the page with its tables written anew."""

    def fill(match):
        return f"<!-- {match[1]} -->\n{section(match[1], kept)}<!-- end -->"

    return re.sub(r"<!-- ([a-z0-9-]+) -->\n.*?<!-- end -->", fill, text, flags=re.DOTALL)


if __name__ == "__main__":
    write_text(PAGE, filled(PAGE.read_text(encoding="utf-8")))
