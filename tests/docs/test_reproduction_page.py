"""The page of reproductions has every table, as the kept runs have it."""

import re

from helpers import REPO
from reproduction_page import PAGE, filled

from dtp_tf.files import make_folder
from dtp_tf.reproducing.measured import row_content
from dtp_tf.reproducing.plan import make_plan
from dtp_tf.reproducing.report import make_content, write_report
from dtp_tf.reproducing.tables import find_table, table_names

TEXT = PAGE.read_text(encoding="utf-8")


def test_every_table_is_on_the_page_with_its_command():
    assert set(re.findall(r"<!-- ([a-z0-9-]+) -->\n\|", TEXT)) == set(table_names())
    for name in table_names():
        assert f"### {find_table(name).title}\n" in TEXT
        out = f"--data-dir DIR --out docs/reproductions/{name}"
        assert f"python cli.py reproduce {name} {out}\n" in TEXT


def test_the_tables_on_the_page_are_those_of_the_kept_runs():
    assert filled(TEXT) == TEXT, "run python benchmarks/reproduction_page.py"


def test_rows_that_were_run_take_the_place_of_those_that_were_not(tmp_path):
    plan = make_plan("meulemans", rows="drl")
    (row,) = plan.rows
    found = {**row_content(plan, row, []), "measured": 51.5, "seeds": [0], "verdict": "worse"}
    make_folder(tmp_path / "meulemans")
    write_report(make_content(plan, [found], [], True), tmp_path / "meulemans")
    page = filled(TEXT, tmp_path)
    assert re.search(r"`drl` .* 50.80 \(mem\) \| 51.50 \| - \| worse \|", page)
    assert re.search(r"`dtp` .* 50.74 \(mem\) \| not run \|", page)
    quick = {**found, "quick": True}
    make_folder(tmp_path / "meulemans-quick")
    write_report(make_content(plan, [quick], [], True), tmp_path / "meulemans-quick")
    assert "`drl (quick)` " in filled(TEXT, tmp_path)


def test_the_table_on_the_page_that_is_not_ours_can_be_read(tmp_path):
    (text,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    path = tmp_path / "own.yaml"
    path.write_text(text)
    rows = find_table(path).rows
    assert list(rows) == ["dtp", "dtp-ours", "codes", "classifier"]
    assert (REPO / "dtp_tf/reproducing/tables").is_dir()
