"""Tables are data: each that comes with the package can be trained, and each paper is in one."""

import json
import re

import pytest
from helpers import invoke, refusal, succeeded
from reproduce_support import TABLE, write_table

from dtp_tf.errors import SettingError
from dtp_tf.recipes.named import RECIPES
from dtp_tf.recipes.published import PUBLISHED
from dtp_tf.reproducing.plan import make_plan
from dtp_tf.reproducing.tables import find_table, table_names


@pytest.mark.parametrize("name", table_names())
def test_every_row_of_every_table_is_a_training_and_has_a_shorter_variant(name):
    table = find_table(name)
    assert table.title and (name == "source" or table.source.startswith("https://"))
    for row in table.rows.values():
        whole, quick = row.trained(seed=3), row.trained(seed=3, quick=True)
        assert row.recipe in RECIPES
        assert (whole.seed, whole.rule) == (3, row.rule) == (quick.seed, quick.rule)
        assert quick.epochs <= min(10, whole.epochs)
        assert row.network


def test_every_recipe_of_a_paper_is_in_a_table():
    used = {row.recipe for name in table_names() for row in find_table(name).rows.values()}
    whole = {name for name in PUBLISHED if not name.endswith("-quick")}
    assert whole <= used
    lee = {"mnist-paper", "mnist-discrete", "mnist-stochastic", "mnist-autoencoder", "cifar10"}
    assert lee <= {row.recipe for row in find_table("lee").rows.values()}


def test_what_a_recipe_says_in_words_is_what_the_table_says_in_numbers():
    """`recipes NAME` tells the figures too."""
    for name in (one for one in table_names() if not one.startswith("shibuya")):
        for row in find_table(name).rows.values():
            figures = {k: v for k, v in row.published.items() if k in ("error", "accuracy")}
            if row.recipe in PUBLISHED and not row.published.get("about"):
                for figure in figures.values():
                    assert re.search(rf"\b{figure}0?\b", PUBLISHED[row.recipe].published), row


def test_tables_are_listed_with_their_rows():
    text = succeeded(invoke("reproduce"))
    found = json.loads(succeeded(invoke("reproduce", "--json")))
    assert [one["table"] for one in found] == table_names()
    for one in found:
        assert f"{one['table']}\n    {one['title']}\n    rows: {', '.join(one['rows'])}\n" in text


# -- rows ------------------------------------------------------------------------------------------


def names(table, **asked):
    return [row.name for row in make_plan(table, **asked).rows]


def test_rows_are_chosen_by_their_names_or_by_rules(tmp_path):
    assert names("bartunov-mnist", rows="dtp,bp") == ["dtp-parallel", "dtp-alternating", "bp"]
    assert names("lee", rows="dtp") == ["dtp"]  # a name comes first
    assert names("lee", rows=["cifar10-bp"]) == ["cifar10-bp"]


def test_the_settings_of_the_paper_are_trained_unless_ours_are_asked_for(tmp_path):
    table = write_table(tmp_path)
    assert names(table) == ["dtp", "bp", "codes", "classifier"]
    assert names(table, settings="ours") == ["dtp-ours"]
    assert names(table, settings="all") == ["dtp", "dtp-ours", "bp", "codes", "classifier"]
    assert names(table, rows="dtp-ours,bp") == ["dtp-ours", "bp"]
    told = write_table(tmp_path, bp={"settings_of": "ours"})
    assert names(told, settings="ours") == ["dtp-ours", "bp"]
    assert "bp" in names(told)  # its paper tells none


def test_the_settings_asked_for_hold_for_a_row_that_is_named_too(tmp_path):
    table = write_table(tmp_path)
    assert names(table, rows="dtp") == ["dtp"]
    assert names(table, rows="dtp", settings="ours") == ["dtp-ours"]
    assert names(table, rows="dtp", settings="all") == ["dtp", "dtp-ours"]
    with pytest.raises(SettingError, match="`settings` ours leaves no row of `rows` bp of tiny"):
        make_plan(table, rows="dtp,bp", settings="ours")


def test_a_row_that_begins_with_another_brings_it_along_for_each_seed(tmp_path):
    plan = make_plan(write_table(tmp_path), rows="classifier", seeds=2)
    asked = plan.asked(tmp_path)
    assert [path.name for path in asked] == ["codes-0", "classifier-0", "codes-1", "classifier-1"]
    assert [recipe.init for _, recipe in asked.values()] == [
        None, str(tmp_path / "codes-0"), None, str(tmp_path / "codes-1"),
    ]  # fmt: skip


def test_the_shorter_variant_is_the_quick_recipe_or_what_the_row_says(tmp_path):
    (row,) = make_plan("bartunov-mnist", rows="bp").rows
    assert row.trained(quick=True).recipe == "bartunov-mnist-fc-quick"
    assert find_table(write_table(tmp_path)).rows["dtp"].trained(quick=True).epochs == 1
    table = write_table(tmp_path, bp={"quick": {}})
    with pytest.raises(SettingError, match="row bp has no shorter variant"):
        make_plan(table, rows="bp", quick=True)


# -- refusals --------------------------------------------------------------------------------------


def test_unknown_names_are_refused_with_what_there_is(tmp_path):
    said = refusal(invoke("reproduce", "leee"), 2)
    assert "unknown table 'leee'" in said and "lee" in said and "Did you mean 'lee'?" in said
    said = refusal(invoke("reproduce", "lee", "--rows", "dtp,discret"), 2)
    assert "unknown row 'discret' of lee" in said and "autoencoder-classifier" in said
    assert "`rows` needs at least one row" in refusal(invoke("reproduce", "lee", "--rows", ","), 2)
    said = refusal(invoke("reproduce", "ernoult-vgg", "--settings", "ours"), 2)
    assert "leaves no row of ernoult-vgg to train; rows with settings of ours are none" in said
    table = write_table(tmp_path, one={"rule": "fa"})
    said = refusal(invoke("reproduce", str(table), "--rows", "fa", "--settings", "ours"), 2)
    assert "rows with settings of ours are dtp-ours" in said


@pytest.mark.parametrize(
    "row, said",
    [
        ({"recipe": "nothing"}, "row bp: unknown recipe 'nothing'"),
        ({"rule": "bpp"}, "row bp: `rule` must be one of"),
        ({"settings": {"epoch": 2}}, "row bp: unknown setting 'epoch'"),
        ({"settings": {"seed": 2}}, "row bp: `seed` is no setting of a row"),
        ({"conditions": {"epoch": 2}}, "row bp: unknown condition 'epoch'"),
        ({"conditions": {"training_images": "many"}}, "training_images must be a whole number"),
        ({"published": {"error": 1, "accuracy": 99}}, "has an error and an accuracy; give one"),
        ({"measure": "error"}, "`measure` is error and `published` has the accuracy; leave out"),
        ({"measure": "loss"}, "measure must be one of"),
        ({"published": {"error": 101}}, "published.error must be at most 100, got 101"),
        ({"published": {"eror": 1}}, "published must be a mapping of perhaps error, accuracy"),
        ({"begins_with": "nobody"}, "`begins_with` must name a row that begins with none"),
        ({"begins_with": "classifier"}, "`begins_with` must name a row that begins with none"),
        ({"publised": {}}, "it must be a mapping of recipe, rule, and perhaps settings"),
        ({"rule": "mine.py:Rule"}, "row bp: a table names no code"),
        ({"settings": {"model": "mine.py:net"}}, "row bp: a table names no code"),
        ({"settings": {"dataset": "huggingface:mnist"}}, "row bp: a table names no code"),
    ],
)
def test_a_table_that_cannot_be_trained_is_refused_by_what_is_wrong_in_it(tmp_path, row, said):
    with pytest.raises(SettingError) as error:
        find_table(write_table(tmp_path, bp=row))
    assert said in str(error.value) and "tiny.json" in str(error.value)


def test_a_table_that_is_no_table_is_refused(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text("title: x\nrows: {Bp: {rule: bp, recipe: digits}}\n")
    assert "a name of small letters" in refusal(invoke("reproduce", path), 2)
    path.write_text("title: x\nrows: {}\n")
    refusal(invoke("reproduce", path), 2)
    assert "cannot be read" in refusal(invoke("reproduce", tmp_path / "none.yaml"), 2)
    twice = {"dtp-ours": {"recipe": "digits", "rule": "bp"}}
    with pytest.raises(SettingError, match="two rows are called dtp-ours"):
        find_table(write_table(tmp_path, {**TABLE, "rows": {**TABLE["rows"], **twice}}))
