"""The finished site is whole: links, anchors and public names are there, and nothing is elsewhere.

MkDocs checks the links of Markdown; this sees those that templates, docstrings and reports make.
"""

import html.parser
import logging
import pathlib
import urllib.parse

from public import places

log = logging.getLogger("mkdocs.hooks.links")
LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


class Page(html.parser.HTMLParser):
    """The anchors of a page, what it links to, and what a browser loads to show it."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.loads = set(), set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors |= {given.get("id"), given.get("name")} - {None}
        if tag == "a" and given.get("href"):
            self.links.add(given["href"])
        elif given.get(LOADS.get(tag)) and given.get("rel") != "canonical":
            self.loads.add(given[LOADS[tag]])


def on_post_build(config):
    site = pathlib.Path(config.site_dir).resolve()
    pages = {path: Page(path) for path in sorted(site.rglob("*.html"))}
    for problem in [*faults(pages, site), *missing_names(pages)]:
        log.warning(problem)  # an error with --strict


def faults(pages, site):
    """Yield a sentence for every link that leads nowhere, and for what is loaded from elsewhere."""
    for path, page in pages.items():
        here = path.relative_to(site)
        for address in sorted(page.links | page.loads):
            parts = urllib.parse.urlsplit(address)
            if parts.scheme or parts.netloc:
                if address in page.loads and parts.scheme != "data":
                    yield f"{here} loads {address}: put it into the site, which works offline."
            elif path.name != "404.html":  # whose links are those of a server's root
                target = (path.parent / urllib.parse.unquote(parts.path)) if parts.path else path
                target = target.resolve()
                if not target.is_file():
                    yield f"{here} links to {address}, which is not there."
                elif target in pages and parts.fragment:
                    if urllib.parse.unquote(parts.fragment) not in pages[target].anchors:
                        yield f"{here} links to {address}: the page has no such anchor."


def missing_names(pages):
    """Yield a sentence for every public name without a place in the reference."""
    anchors = set().union(*(page.anchors for page in pages.values()))
    for name in sorted(set(places()) - anchors):
        yield f"the public name {name} is missing from the reference."
