"""The site leads to every page and notebook of the repository."""

import pathlib
import re

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[2]
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
PAGES = [*ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.ipynb")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_and_notebook_has_a_place_in_the_navigation(page):
    assert repr(page.relative_to(ROOT).as_posix()) in repr(SITE["nav"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_page_that_says_which_page_is_for_whom_names_each(page):
    text = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    assert page.name == "README.md" or re.search(rf"\]\((?:\.\./examples/)?{page.name}", text)


def test_links_and_anchors_that_lead_nowhere_stop_the_build():
    checks = SITE["validation"]["nav"] | SITE["validation"]["links"]
    assert set(checks.values()) == {"warn"}  # an error with --strict
    assert {"omitted_files", "not_found", "anchors", "absolute_links"} <= set(checks)
