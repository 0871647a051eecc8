"""Links from page to page, and to the headings in them, lead somewhere in the repository."""

import json
import pathlib
import re
import urllib.parse

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [
    *ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("dtp_tf/**/*.md"),
    ROOT / "exported_models/README.md", *ROOT.glob("examples/*.ipynb"),
]  # fmt: skip
LINK = re.compile(r"(?<!`)\[[^\]`]*(?:`[^`]*`[^\]`]*)*\]\(([^)\s]+)[^)]*\)")


def text_of(page):
    """Return the prose of a page: without code, in which brackets and # mean other things."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells)
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page):
    """Return what a page's headings are called in links, on the web page of a repository."""
    text = text_of(page)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    named = re.findall(r'<a name="([^"]+)">', text)
    headed = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return headed | {*named}


def broken(page):
    """Yield the links of a page that lead nowhere."""
    for link in LINK.findall(text_of(page)):
        parts = urllib.parse.urlsplit(link)
        if parts.scheme:
            continue
        target = (page.parent / urllib.parse.unquote(parts.path)) if parts.path else page
        if not target.is_file():
            yield f"{link}: there is no such file"
        elif parts.fragment and parts.fragment not in anchors(target):
            yield f"{link}: {target.name} has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(page):
    assert list(broken(page)) == []


def test_a_link_that_leads_nowhere_is_seen(tmp_path):
    page = tmp_path / "page.md"
    (tmp_path / "other.md").write_text("# A heading, of `code`\n")
    page.write_text(
        "[a](other.md#a-heading-of-code) [b](https://example.org/x)\n```\n[c](no.md)\n```\n"
        "[d](gone.md), [`e`](other.md#gone) and [f](#gone)\n"
    )
    assert [fault.partition(":")[0] for fault in broken(page)] == [
        "gone.md", "other.md#gone", "#gone"
    ]  # fmt: skip


def test_the_pages_link_to_each_other_often_enough_to_be_worth_checking():
    assert sum(len(LINK.findall(text_of(page))) for page in PAGES) > 80
